/**
 * Who is here, each with colour, name and heartbeat. Owns the rows; what a peer's state is, the server says, except
 * for this page's own, which knows first when it hears nothing.
 */
import type { BatonProvider, Peer, PeerState } from 'baton-client'
import { h, setAttribute, setProperty, setText } from '../dom'
import { oncePerFrame } from '../frame-batch'
import { partName, scopeIn } from '../regions'
import { answerWords, colorOf, nameOf, ordinal, STATE_WORDS } from '../words'

interface Row {
  element: HTMLLIElement
  name: HTMLElement
  tags: HTMLElement
  state: HTMLElement
  dot: HTMLElement
  give: HTMLButtonElement
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
  /** Whether this page's locks can be handed over here; is told why it was refused. */
  handOver?: (refused: string) => void
}

export function roster(provider: BatonProvider, options: RosterOptions): Roster {
  const list = h('ul', { class: 'roster', 'data-testid': options.testId, 'aria-label': options.label, tabindex: '0' })
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
      const row = rows.get(peer.session) ?? newRow(provider, peer.session, options.handOver)
      rows.set(peer.session, row)
      fill(provider, row, peer, state, options.handOver !== undefined)
      if (list.children[place] !== row.element) list.insertBefore(row.element, list.children[place] ?? null)
    })
    empty.hidden = shown.length > 0
    setAttribute(list, 'data-stale', !provider.wsconnected && provider.session !== null)
  }

  const soon = oncePerFrame(update)
  provider.on('roster', soon)
  provider.on('lock', soon)
  provider.on('status', soon)
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

function newRow(provider: BatonProvider, session: number, handOver: RosterOptions['handOver']): Row {
  const dot = h('span', { class: 'dot', 'aria-hidden': 'true' })
  const name = h('span', { class: 'name' })
  const tags = h('span', { class: 'tags' })
  const state = h('span', { class: 'state' })
  const give = h('button', { type: 'button', class: 'quiet small give', 'data-testid': 'hand-over', onclick: () => void giveTo(provider, session, handOver) }, 'Hand over')
  return { element: h('li', {}, dot, name, tags, state, give), name, tags, state, dot, give }
}

/** The scopes of the locks that this page holds, by the server's last word. */
function held(provider: BatonProvider): ReturnType<typeof scopeIn>[] {
  const own = (provider.locks?.grants ?? []).filter(({ session, state }) => session === provider.session && state === 'held')
  return own.map(scopeIn).filter((scope) => provider.lockFor(scope ?? undefined).state === 'mine')
}

async function giveTo(provider: BatonProvider, session: number, refused: RosterOptions['handOver']): Promise<void> {
  const answers = await Promise.all(held(provider).map((scope) => provider.lockFor(scope ?? undefined).transfer(session)))
  const words = answers.map((one) => answerWords(one)).find((one) => one !== null)
  if (words != null) refused?.(words)
}

function fill(provider: BatonProvider, row: Row, peer: Peer, state: PeerState, canGive: boolean): void {
  const own = peer.session === provider.session
  const view = provider.locks
  const grants = (view?.grants ?? []).filter(({ session }) => session === peer.session)
  const waits = (view?.queue ?? []).findIndex(({ session }) => session === peer.session)
  const tags = [
    own ? 'you' : provider.isOwn(peer.session) ? 'your other tab' : null,
    ...grants.map((grant) => `${grant.state === 'offered' ? 'is offered' : 'has'} ${partName(scopeIn(grant)) ?? 'the lock'}`),
    waits >= 0 ? `${ordinal(waits + 1)} in line` : null,
    peer.lock ? null : 'plain Yjs client',
    peer.observer ? 'watching' : null,
  ]
  const mine = canGive && !own && peer.lock && !peer.observer && state !== 'offline' ? held(provider) : []
  setText(row.name, nameOf(peer))
  setText(row.tags, tags.filter((tag) => tag !== null).join(' · '))
  setText(row.state, STATE_WORDS[state])
  setAttribute(row.element, 'data-session', peer.session)
  setAttribute(row.element, 'data-name', nameOf(peer))
  setAttribute(row.element, 'data-state', state)
  setAttribute(row.element, 'data-own', own)
  setAttribute(row.element, 'data-holder', grants.length > 0)
  setProperty(row.element, '--who', colorOf(peer.user.color))
  row.give.hidden = mine.length === 0
  const what = mine.map((scope) => partName(scope) ?? 'the lock').join(' and ')
  setAttribute(row.give, 'aria-label', mine.length === 0 ? null : `Hand over ${what} to ${nameOf(peer)}`)
  setAttribute(row.give, 'title', mine.length === 0 ? null : `Give ${nameOf(peer)} ${what}`)
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
