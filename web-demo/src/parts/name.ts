/**
 * Which document a page opens, and a sentence where its name is none that a browser can ask for. Never opens anything.
 */
import { h } from '../dom'
import { nameProblem, nearName } from '../names'
import { shell } from './shell'

/** The document that the address names, or the page's own. Where that name cannot be, says so and never returns. */
export async function documentName(fallback: string): Promise<string> {
  const name = new URLSearchParams(location.search).get('doc') || fallback
  const problem = nameProblem(name)
  if (problem === null) return name
  const near = nearName(name, fallback)
  const { main } = shell(near)
  main.append(
    h(
      'section',
      { class: 'notice', role: 'alert', 'data-testid': 'bad-name' },
      h('h2', {}, 'No document has this name'),
      h('p', {}, problem),
      h('div', { class: 'row' }, h('a', { href: `?doc=${encodeURIComponent(near)}`, 'data-testid': 'near-name' }, `Open “${near}” instead`), h('span', {}, 'or choose another name above.')),
    ),
  )
  return await new Promise<never>(() => {})
}
