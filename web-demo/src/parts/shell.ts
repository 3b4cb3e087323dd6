/** The frame around each page: the mark, the ways to the other pages, the colours. Owns nothing that changes. */
import { batonMark, h } from '../dom'
import { themeButton } from '../theme'

const PAGES = [
  { id: 'editor', title: 'Editor', href: './' },
  { id: 'chat', title: 'Chat', href: './chat.html' },
  { id: 'feed', title: 'Live data', href: './feed.html' },
] as const

export type PageId = (typeof PAGES)[number]['id']

export interface Shell {
  /** The wide column, and the narrow one beside it (below it on a small screen). */
  readonly main: HTMLElement
  readonly side: HTMLElement
}

/** Builds the frame into `#app`, in place of what was there. */
export function shell(page: PageId, document_: string, lead: string): Shell {
  const main = h('main', { class: 'main', id: 'main' })
  const side = h('aside', { class: 'side', 'aria-label': 'People and controls' })
  const links = PAGES.map(({ id, title, href }) =>
    h('li', {}, h('a', { href, 'aria-current': id === page ? 'page' : null }, title)),
  )
  const header = h(
    'header',
    { class: 'top' },
    h('a', { href: './', class: 'brand', 'aria-label': 'Baton, start page' }, batonMark(22), h('span', {}, 'Baton')),
    h('nav', { 'aria-label': 'Demos' }, h('ul', {}, ...links)),
    documentField(document_),
    themeButton(),
  )
  const root = document.getElementById('app')
  root?.replaceChildren(
    h('a', { href: '#main', class: 'skip' }, 'Skip to the content'),
    header,
    h('div', { class: 'page' }, h('p', { class: 'lead' }, lead), main, side),
  )
  return { main, side }
}

/** Opens another document of the same kind. */
function documentField(name: string): HTMLFormElement {
  const input = h('input', {
    id: 'doc',
    name: 'doc',
    value: name,
    required: true,
    maxlength: 200,
    autocomplete: 'off',
    spellcheck: 'false',
    'data-testid': 'doc-input',
  })
  return h('form', { class: 'doc', method: 'get', title: 'Another name opens another document' }, h('label', { for: 'doc' }, 'Document'), input)
}

/** A titled part of the page. */
export function panel(title: string, ...children: (Node | string | null)[]): HTMLElement {
  const id = `panel-${title.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`
  return h('section', { class: 'panel', 'aria-labelledby': id }, h('h2', { id }, title), ...children)
}
