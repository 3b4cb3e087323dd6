/**
 * Two notices: an edit of this page was set aside; the server turned the page away. Owns the notices; the parks have a
 * panel of their own, and going on afresh is the page's business.
 */
import { endWords, type BatonProvider } from 'baton-client'
import { h, setText } from '../dom'
import { asideWords, TEXT, turnedAwayWords, type Matter } from '../words'
import { holderOf } from './who'

/** The reason of a connection's end when this page goes on with a fresh copy: it was not lost. */
const LEFT_COPY = 'this copy has diverged'

/**
 * An edit that is set aside this soon after a lost connection was made without one, in
 * milliseconds.
 */
const BACK = 20_000

export function parkedNotice(provider: BatonProvider, actions: { show?: (park: number) => void; goOn: () => void }, matter: Matter = TEXT): HTMLElement {
  const place = h('div', { class: 'notices' })
  let parked: HTMLElement | null = null
  const close = (): void => {
    parked?.remove()
    parked = null
  }
  let backAt = -BACK
  let wasLost = false
  provider.on('connection-close', ({ reason }) => (wasLost ||= reason !== LEFT_COPY))
  provider.on('welcome', () => {
    if (wasLost) backAt = performance.now()
    wasLost = false
  })
  let wasOffline = false
  const words = h('p', {})
  const update = (): void => {
    if (parked) setText(words, asideWords(holderOf(provider, provider.lock), wasOffline, provider.mode))
  }
  provider.on('lock', update)
  provider.on('roster', update)
  provider.on('parked', ({ id }) => {
    const { show } = actions
    close()
    wasOffline = performance.now() - backAt < BACK
    parked = h(
      'section',
      { class: 'notice', role: 'alert', 'data-testid': 'parked', 'data-park': id },
      h('h2', {}, `What you wrote last is not in ${matter.place} yet`),
      words,
      h(
        'div',
        { class: 'row' },
        show ? h('button', { type: 'button', class: 'small', 'data-testid': 'parked-show', onclick: () => (show(id), close()) }, 'Show it') : null,
        h('button', { type: 'button', class: 'small quiet', onclick: close }, 'Close'),
      ),
    )
    place.append(parked)
    update()
  })
  provider.on('park', (parks) => {
    const state = parks.get(Number(parked?.getAttribute('data-park')))?.state
    if (state !== undefined && state !== 'open') close()
  })
  provider.on('closed', (closed) => {
    if (place.querySelector('[data-testid=refused]')) return
    const again = h('button', { type: 'button', class: 'primary', 'data-testid': 'go-on', onclick: actions.goOn }, 'Start afresh')
    const why = h('p', {})
    setText(why, turnedAwayWords(closed.code, endWords(closed)))
    place.append(h('section', { class: 'notice', role: 'alert', 'data-testid': 'refused' }, h('h2', {}, 'The server turned this window away'), why, h('div', { class: 'row' }, again)))
  })
  return place
}
