/**
 * Who is here, each with colour, name and heartbeat. Owns the rows; what a peer's state is, the server says, except
 * for this page's own, which knows first when it hears nothing.
 */
import type { BatonProvider, Peer, PeerState } from '@baton/client'
import { h, setAttribute, setText } from '../dom'
import { colorOf, nameOf, ordinal, STATE_WORDS } from '../words'

interface Row {
  element: HTMLLIElement
  name: HTMLElement
  tags: HTMLElement
  state: HTMLElement
  dot: HTMLElement
}

export interface Roster {
  readonly element: HTMLElement
  update(): void
}

export interface RosterOptions {
  /** Which peers this list shows. */
  show: (peer: Peer, state: PeerState) => boolean
  testId: string
  label: string
  /** What stands here while nobody does. */
  empty: string
}

export function roster(provider: BatonProvider, options: RosterOptions): Roster {
  const list = h('ul', { class: 'roster', 'data-testid': options.testId, 'aria-label': options.label })
  const empty = h('p', { class: 'hint' }, options.empty)
  const rows = new Map<number, Row>()

  const update = (): void => {
    const shown = [...provider.roster.values()]
      .map((peer) => ({ peer, state: stateOf(provider, peer) }))
      .filter(({ peer, state }) => options.show(peer, state))
      .sort((a, b) => a.peer.session - b.peer.session)
    const here = new Set(shown.map(({ peer }) => peer.session))
    for (const [session, row] of rows) {
      if (here.has(session)) continue
      row.element.remove()
      rows.delete(session)
    }
    shown.forEach(({ peer, state }, place) => {
      const row = rows.get(peer.session) ?? newRow()
      rows.set(peer.session, row)
      fill(provider, row, peer, state)
      if (list.children[place] !== row.element) list.insertBefore(row.element, list.children[place] ?? null)
    })
    empty.hidden = shown.length > 0
    setAttribute(list, 'data-stale', !provider.wsconnected && provider.session !== null)
  }

  provider.on('roster', update)
  provider.on('lock', update)
  provider.on('status', update)
  provider.on('beat', ({ answered }) => {
    const own = provider.session === null ? undefined : rows.get(provider.session)
    if (answered && own) pulse(own.dot)
  })
  update()
  return { element: h('div', {}, list, empty), update }
}

/** The state to show: of itself a page knows more than the server's last word. */
export function stateOf(provider: BatonProvider, peer: Peer): PeerState {
  if (peer.session !== provider.session) return peer.state
  if (!provider.wsconnected) return 'offline'
  const limit = provider.timings?.server_silent_after ?? 10_000
  return provider.serverSilentFor > limit * 0.6 && peer.state === 'online' ? 'shaky' : peer.state
}

function newRow(): Row {
  const dot = h('span', { class: 'dot', 'aria-hidden': 'true' })
  const name = h('span', { class: 'name' })
  const tags = h('span', { class: 'tags' })
  const state = h('span', { class: 'state' })
  return { element: h('li', {}, dot, name, tags, state), name, tags, state, dot }
}

function fill(provider: BatonProvider, row: Row, peer: Peer, state: PeerState): void {
  const own = peer.session === provider.session
  const { holder, queue, phase } = provider.lock
  const waits = queue.indexOf(peer.session)
  const tags = [
    own ? 'you' : null,
    peer.session === holder && phase !== 'free' ? (phase === 'offered' ? 'is offered the lock' : 'has the lock') : null,
    waits >= 0 ? `${ordinal(waits + 1)} in line` : null,
    peer.lock ? null : 'plain Yjs client',
    peer.observer ? 'watching' : null,
  ]
  setText(row.name, nameOf(peer))
  setText(row.tags, tags.filter((tag) => tag !== null).join(' · '))
  setText(row.state, STATE_WORDS[state])
  setAttribute(row.element, 'data-session', peer.session)
  setAttribute(row.element, 'data-name', nameOf(peer))
  setAttribute(row.element, 'data-state', state)
  setAttribute(row.element, 'data-own', own)
  setAttribute(row.element, 'data-holder', peer.session === holder && phase !== 'free')
  row.element.style.setProperty('--who', colorOf(peer.user.color))
}

/** A ring that spreads once: a heartbeat was answered. */
function pulse(dot: HTMLElement): void {
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) return
  dot.animate(
    [
      { boxShadow: '0 0 0 0 color-mix(in srgb, var(--tint) 60%, transparent)' },
      { boxShadow: '0 0 0 9px transparent' },
    ],
    { duration: 900, easing: 'ease-out' },
  )
}
