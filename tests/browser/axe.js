// The rules of WCAG 2.2 (A and AA) and axe's best practices over what a page shows now.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const RULES = { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }

/**
 * Looks at somebody's page in both themes; returns what is wrong, one line for each element.
 *
 * @param {import('./pages.js').Person} person
 * @param {string} state for the report
 */
export async function faults (person, state) {
  const { page } = person
  if (!await page.evaluate(() => 'axe' in window)) await page.evaluate(AXE)
  const found = []
  for (const colorScheme of ['light', 'dark']) {
    // Halfway through a transition no colour is what it is meant to be.
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    const violations = await page.evaluate(async (runOnly) => {
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
      return (await window.axe.run(document, { runOnly, rules: { 'target-size': { enabled: true } }, resultTypes: ['violations'] })).violations
    }, RULES)
    for (const { id, nodes } of violations) {
      for (const { target, html, failureSummary } of nodes) {
        found.push(`${state}, ${colorScheme}: ${id} at ${target.join(' ')}\n  ${html}\n  ${failureSummary.replaceAll('\n', '\n  ')}`)
      }
    }
  }
  return found
}
