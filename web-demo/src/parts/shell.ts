/**
 * The frame around each page, which stands in the HTML already (`build/frame.ts`): finds it and takes its skeleton
 * out. Owns nothing that changes.
 */
import { h } from '../dom'
import { keepFocus } from '../focus'
import { themeButton } from '../theme'

export interface Shell {
  /** The wide column, and the narrow one beside it (below it on a small screen). */
  readonly main: HTMLElement
  readonly side: HTMLElement
}

/** Makes the frame ready for the named document: both columns are empty when this returns. */
export function shell(document_: string): Shell {
  const main = find('content')
  const side = find('side')
  main.replaceChildren()
  side.replaceChildren()
  const field = find('doc') as HTMLInputElement
  // Not what was typed while the program was on its way.
  if (field.value === '') field.value = document_
  keepDocument(document_)
  document.querySelector('header')?.append(themeButton())
  keepFocus(find('main'))
  return { main, side }
}

/** The other pages show the same document, where the address names one; else each has its own. */
function keepDocument(name: string): void {
  if (!new URLSearchParams(location.search).get('doc')) return
  for (const link of document.querySelectorAll<HTMLAnchorElement>('.top nav a')) link.search = `?doc=${encodeURIComponent(name)}`
}

function find(id: string): HTMLElement {
  const element = document.getElementById(id)
  if (!element) throw new Error(`the page has no #${id}: build/frame.ts makes it`)
  return element
}

/** A titled part of the page. */
export function panel(title: string, ...children: (Node | string | null)[]): HTMLElement {
  const id = `panel-${title.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`
  return h('section', { class: 'panel', 'aria-labelledby': id }, h('h2', { id }, title), ...children)
}
