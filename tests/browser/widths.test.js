// The words about the lock, whole at each width of the window, also with long names.

import assert from 'node:assert/strict'
import { story, waitFor } from '../node/harness.js'
import { open } from './pages.js'

/** From a small phone to a wide desktop, in pixels; those beside a change of the layout are among them. */
const WIDTHS = [320, 360, 412, 560, 561, 640, 768, 880, 881, 900, 1024, 1100, 1280, 1440, 1600]

/** The last ones are as long as a name may be, and the last has no place to break at. */
const NAMES = ['Ada', 'A person with quite a long name', 'Anna Wilhelmina von und zu Blankenburg-Ho', 'Wilhelminakonstantinopolitanskamaierhofer'].map((name) => name.slice(0, 40))

/** Returns the texts about the lock that are cut: in their own box, by one around it, or by the window. */
const cut = (page) => page.evaluate(() => {
  const texts = '.lock-status, .lock-detail, .lock-buttons button, .queue-place, .bar-words, .lock-bar button, .region-state, .region-head h2'
  const shown = [...document.querySelectorAll(texts)].filter((one) => one.checkVisibility() && one.textContent !== '')
  const isWhole = (one) => {
    if (one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight) return false
    const { left, right, top, bottom } = one.getBoundingClientRect()
    if (left < 0 || right > innerWidth) return false
    const frame = one.closest('.lock, .lock-bar, .region').getBoundingClientRect()
    return left >= frame.left && right <= frame.right && top >= frame.top && bottom <= frame.bottom
  }
  const wide = document.documentElement.scrollWidth > innerWidth ? ['the page'] : []
  return [...wide, ...shown.filter((one) => !isWhole(one)).map((one) => `${one.className || one.tagName} "${one.textContent}"`)]
})

/** Two frames: the styles of the new width hold, and observers of the view have been told. */
const drawn = (page) => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve()))))

/**
 * Looks at Bob's page at each width.
 *
 * @param {Map<number, number>} tops where the text begins at a width, in all that was looked at so far
 */
async function looks (bob, name, what, tops) {
  const faults = []
  for (const width of WIDTHS) {
    await bob.page.setViewportSize({ width, height: 700 })
    for (const at of [0, 5000]) {
      await bob.page.evaluate((y) => scrollTo(0, y), at)
      await bob.shows('lock-bar', at > 0)
      await drawn(bob.page)
      const id = at > 0 ? 'lock-bar' : what === 'waits' ? 'lock-detail' : 'lock-status'
      assert.ok((await bob.at(id).textContent()).includes(name), `${id} says who has it`)
      const top = await bob.at('editor').evaluate((element) => Math.round(element.getBoundingClientRect().top + scrollY))
      // All of a longer name is shown, whatever room it takes.
      if (name.length <= 31) assert.equal(top, tops.get(width) ?? top, `${width} px, ${what}: the text stays where it is`)
      tops.set(width, top)
      for (const text of await cut(bob.page)) faults.push(`${width} px, ${what}, ${id}: ${text}`)
    }
  }
  return faults
}

for (const name of NAMES) {
  story(`no word about the lock is cut at any width, when it is held by ${name}`, async (stage) => {
    const server = await stage.server()
    const ada = await open(stage, server, name)
    const bob = await open(stage, server, 'Bob')
    await ada.force(Array.from({ length: 60 }, (_, i) => `Line ${i + 1}.`).join('\n'))
    const tops = new Map()
    const faults = await looks(bob, '', 'is free', tops)
    await ada.takeLock()
    await bob.becomes('lock-button', 'theirs')
    faults.push(...await looks(bob, name, 'reads', tops))
    await bob.page.setViewportSize({ width: 1280, height: 700 })
    await bob.at('lock-button').click()
    await bob.becomes('lock-button', 'waiting')
    faults.push(...await looks(bob, name, 'waits', tops))
    await bob.at('lock-button').click()
    await ada.at('lock-button').click()
    await ada.takeLock('-body')
    await waitFor('Bob sees whose part it is', async () => await bob.is('region-body') === 'theirs')
    faults.push(...await looks(bob, name, 'reads a part', tops))
    assert.deepEqual(faults, [])
  })
}
