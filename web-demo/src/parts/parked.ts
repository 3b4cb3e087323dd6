/**
 * The notice that this copy of the document cannot go on as it is: an edit was set aside, or the server turned the
 * page away. Owns the notice; going on afresh is the page's business.
 */
import type { BatonProvider } from '@baton/client'
import { h, setText } from '../dom'

/** A text that was not merged, to be copied from. */
export interface Draft {
  readonly park: number | null
  readonly text: string
}

export function parkedNotice(provider: BatonProvider, text: () => string, goOn: (draft: Draft) => void): HTMLElement {
  const place = h('div', { class: 'notices' })
  const show = (park: number | null, title: string, words: string): void => {
    // Later parks of a copy that has diverged already change nothing for the reader.
    if (place.children.length > 0) return
    const again = h(
      'button',
      { type: 'button', class: 'primary', 'data-testid': 'go-on', onclick: () => goOn({ park, text: text() }) },
      'Go on from the shared text',
    )
    place.append(
      h(
        'section',
        { class: 'notice', role: 'alert', 'data-testid': park === null ? 'refused' : 'parked', 'data-park': park },
        h('h2', {}, title),
        h('p', {}, words),
        h('div', { class: 'row' }, again),
      ),
    )
  }
  provider.on('parked', ({ id, reason }) =>
    show(
      id,
      `An edit of yours was set aside (park ${id})`,
      `${sentence(reason)} It is kept on the server, and this window stays as it is, to read and to copy from. To write on, take the shared text afresh.`,
    ),
  )
  provider.on('refused', ({ reason }) => show(null, 'The server turned this window away', `${sentence(reason)} To go on, start afresh.`))
  return place
}

/** The draft that was left behind, to copy from. */
export function draftNotice(draft: Draft): HTMLElement {
  const area = h('textarea', { readonly: true, rows: 6, 'aria-label': 'Your draft', 'data-testid': 'draft' })
  area.value = draft.text
  const copy = h('button', { type: 'button', onclick: () => void copyText(area, copy) }, 'Copy it')
  const notice = h(
    'section',
    { class: 'notice draft', 'data-testid': 'draft-notice' },
    h('h2', {}, draft.park === null ? 'Your draft' : `Your draft, as it was when park ${draft.park} was made`),
    area,
    h('div', { class: 'row' }, copy, h('button', { type: 'button', class: 'quiet', onclick: () => notice.remove() }, 'Put it away')),
  )
  return notice
}

async function copyText(area: HTMLTextAreaElement, button: HTMLButtonElement): Promise<void> {
  area.select()
  try {
    await navigator.clipboard.writeText(area.value)
    setText(button, 'Copied')
  } catch {
    setText(button, 'Selected: copy with the keyboard')
  }
}

function sentence(reason: string): string {
  const text = reason.charAt(0).toUpperCase() + reason.slice(1)
  return /[.!?]$/.test(text) ? text : `${text}.`
}
