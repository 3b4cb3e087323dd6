/**
 * Reads the document's name from the address, and explains a name that a browser cannot ask for.
 * Never opens a document.
 */
import { h } from '../dom'
import { nameProblem, nearName } from '../names'
import { shell } from './shell'

/**
 * Returns the name in the address, or the page's own. Explains a name that cannot be, and never
 * returns.
 */
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
