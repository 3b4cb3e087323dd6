/**
 * Two notices: an edit of this page was set aside; the server turned the page away. Owns the notices; the parks have a
 * panel of their own, and going on afresh is the page's business.
 */
import type { BatonProvider } from '@baton/client'
import { h, setText } from '../dom'

export function parkedNotice(provider: BatonProvider, actions: { show?: (park: number) => void; goOn: () => void }): HTMLElement {
  const place = h('div', { class: 'notices' })
  let parked: HTMLElement | null = null
  const close = (): void => {
    parked?.remove()
    parked = null
  }
  provider.on('parked', ({ id, reason }) => {
    const { show } = actions
    close()
    const words = h('p', {}, `${sentence(reason)} Your copy is kept as a draft; this page goes on with the shared text.`)
    parked = h(
      'section',
      { class: 'notice', role: 'alert', 'data-testid': 'parked', 'data-park': id },
      h('h2', {}, 'Your last edit is not merged'),
      words,
      h(
        'div',
        { class: 'row' },
        show ? h('button', { type: 'button', class: 'small', 'data-testid': 'parked-show', onclick: () => (show(id), close()) }, 'Show it') : null,
        h('button', { type: 'button', class: 'small quiet', onclick: close }, 'Close'),
      ),
    )
    place.append(parked)
  })
  provider.on('park', (parks) => {
    const state = parks.get(Number(parked?.getAttribute('data-park')))?.state
    if (state !== undefined && state !== 'open') close()
  })
  provider.on('refused', ({ reason }) => {
    if (place.querySelector('[data-testid=refused]')) return
    const again = h('button', { type: 'button', class: 'primary', 'data-testid': 'go-on', onclick: actions.goOn }, 'Start afresh')
    const words = h('p', {})
    setText(words, sentence(reason))
    place.append(h('section', { class: 'notice', role: 'alert', 'data-testid': 'refused' }, h('h2', {}, 'The server turned this window away'), words, h('div', { class: 'row' }, again)))
  })
  return place
}

function sentence(reason: string): string {
  const text = reason.charAt(0).toUpperCase() + reason.slice(1)
  return /[.!?]$/.test(text) ? text : `${text}.`
}
