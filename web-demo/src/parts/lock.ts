/**
 * The lock: who has it, what this page can do about it, who comes next, and a banner when it passes to this page or
 * away from it. Owns the button's meaning in each state; the client decides the states.
 */
import type { BatonLock, BatonProvider, LockState } from '@baton/client'
import { batonMark, h, setAttribute, setText } from '../dom'
import { colorOf, nameOf, ordinal } from '../words'

/** A banner that only tells stays this long, in milliseconds. */
const BANNER_STAYS = 9000

interface Action {
  label: string
  primary: boolean
  run: ((provider: BatonProvider) => void) | null
}

const ACTIONS: Record<LockState, Action> = {
  unknown: { label: 'Take the lock', primary: true, run: null },
  free: { label: 'Take the lock', primary: true, run: (p) => void p.acquireLock() },
  theirs: { label: 'Wait for it', primary: true, run: (p) => void p.acquireLock() },
  waiting: { label: 'Stop waiting', primary: false, run: (p) => void p.cancelLock() },
  offered: { label: 'Taking it…', primary: false, run: null },
  mine: { label: 'Give it back', primary: false, run: (p) => void p.releaseLock() },
  releasing: { label: 'Giving it back…', primary: false, run: null },
}

export interface LockStrip {
  readonly element: HTMLElement
  /** Looks at the clocks again. */
  tick(): void
}

export function lockStrip(provider: BatonProvider): LockStrip {
  const status = h('p', { class: 'lock-status', 'data-testid': 'lock-status', 'aria-live': 'polite' })
  const detail = h('p', { class: 'lock-detail' })
  const button = h('button', {
    type: 'button',
    'data-testid': 'lock-button',
    onclick: () => {
      if (!button.hasAttribute('aria-disabled')) ACTIONS[provider.lock.state].run?.(provider)
    },
  })
  const lane = h('ol', { class: 'lane', 'aria-label': 'Who has the lock, and who comes next' })
  const place = h('span', { class: 'queue-place', 'data-testid': 'queue-place' })
  const lease = h('div', { class: 'lease', title: 'How long this page may go on without news from the server' }, h('i'))
  const { element: banner, say, hush } = bannerPlace()
  const strip = h(
    'section',
    { class: 'lock', 'aria-label': 'The edit lock' },
    h('div', { class: 'lock-mark' }, batonMark(34)),
    h('div', { class: 'lock-words' }, status, detail),
    h('div', { class: 'lock-act' }, place, button),
    lane,
    lease,
  )

  const update = (): void => {
    const lock = provider.lock
    const { title, more } = words(provider, lock)
    setText(status, title)
    setText(detail, more)
    const action = ACTIONS[lock.state]
    const barred = provider.mayEditWhy === 'diverged' || provider.mayEditWhy === 'closed'
    setText(button, action.label)
    setAttribute(button, 'class', action.primary ? 'primary' : '')
    setAttribute(button, 'data-state', lock.state)
    // Not `disabled`: the keyboard's focus would be lost whenever the lock passes.
    setAttribute(button, 'aria-disabled', action.run === null || barred ? 'true' : null)
    setText(place, lock.place === null ? '' : `${ordinal(lock.place)} of ${lock.waiting} in line`)
    setAttribute(place, 'data-place', lock.place)
    setAttribute(strip, 'data-state', lock.state)
    setAttribute(strip, 'data-phase', lock.phase)
    const color = lock.phase === 'free' || lock.peer === null ? null : colorOf(lock.peer.user.color)
    for (const target of [strip, document.documentElement]) {
      if (color) target.style.setProperty('--holder', color)
      else target.style.removeProperty('--holder')
    }
    runners(provider, lane, lock)
  }
  const tick = (): void => {
    const stop = provider.timings?.client_stop ?? 7000
    const bar = lease.firstElementChild as HTMLElement
    bar.style.transform = `scaleX(${Math.min(1, provider.leaseLeft / stop).toFixed(3)})`
    lease.hidden = provider.lock.state !== 'mine'
  }

  provider.on('lock', update)
  provider.on('roster', update)
  provider.on('may-edit', update)
  provider.on('status', update)
  passings(provider, say, hush)
  update()
  tick()
  return { element: h('div', { class: 'lock-area' }, banner, strip), tick }
}

function words(provider: BatonProvider, lock: BatonLock): { title: string; more: string } {
  const who = nameOf(lock.peer)
  const others = lock.waiting === 0 ? 'Nobody waits.' : lock.waiting === 1 ? 'One waits.' : `${lock.waiting} wait.`
  const stale = provider.wsconnected ? '' : ' (as last seen)'
  switch (lock.state) {
    case 'unknown':
      return { title: 'Asking who has the lock…', more: 'Until then this page only reads.' }
    case 'free':
      return { title: `The lock is free${stale}`, more: 'Everybody may write. Take it to write alone.' }
    case 'offered':
      return { title: 'The lock is being handed to you', more: 'A moment…' }
    case 'mine':
      return provider.mayEditWhy === 'unconfirmed'
        ? { title: 'You have the lock, unconfirmed', more: 'The server has not confirmed it for too long: editing is paused until it does.' }
        : { title: 'You have the lock', more: `Only you can write. ${others}` }
    case 'releasing':
      return { title: 'Giving the lock back…', more: '' }
    case 'waiting':
      if (lock.phase === 'free') return { title: 'Asking for the lock…', more: '' }
      return { title: lock.place === 1 ? 'You are next' : 'You are in line', more: `${holding(lock, who)}${stale}.` }
    case 'theirs':
      return { title: `${holding(lock, who)}${stale}`, more: lock.phase === 'held' ? `You can read, and wait for it. ${others}` : others }
  }
}

function holding(lock: BatonLock, who: string): string {
  if (lock.phase === 'offered') return `The lock is being handed to ${who}`
  if (lock.phase === 'suspect') return `${who} has the lock, but lost the connection`
  if (lock.phase === 'recovering') return `The server started again and waits for ${who}`
  return `${who} has the lock`
}

/** The holder and those who wait, as runners in a lane. */
function runners(provider: BatonProvider, lane: HTMLElement, lock: BatonLock): void {
  const sessions = [lock.phase === 'free' ? null : lock.holder, ...lock.queue.filter((session) => session !== lock.holder)]
  const shown = sessions.filter((session) => session !== null).slice(0, 6)
  const more = sessions.filter((session) => session !== null).length - shown.length
  const chips = shown.map((session, i) => {
    const peer = provider.roster.get(session)
    const name = session === provider.session ? 'You' : nameOf(peer)
    const first = i === 0 && session === lock.holder
    return h('li', { style: `--who: ${colorOf(peer?.user.color)}`, 'data-first': first, 'data-phase': first ? lock.phase : null }, name)
  })
  if (more > 0) chips.push(h('li', { class: 'more' }, `and ${more} more`))
  lane.replaceChildren(...chips)
  lane.hidden = shown.length < 2
}

type Say = (kind: 'won' | 'lost', text: string) => void

/** Banners for what happens to this page's own hold on the lock. */
function passings(provider: BatonProvider, say: Say, hush: () => void): void {
  let previous: { session: number; name: string } | null = null
  let asked = false
  provider.on('lock', (lock) => {
    if (lock.state === 'waiting') asked = true
    else if (lock.state === 'theirs' || lock.state === 'free') asked = false
    if (lock.holder !== null && lock.holder !== provider.session) previous = { session: lock.holder, name: nameOf(lock.peer) }
    else if (lock.phase === 'free') previous = null
  })
  provider.on('lock-granted', ({ kept }) => {
    if (kept) return say('won', 'You are back, and you still have the lock.')
    if (previous === null) return hush()
    const state = provider.roster.get(previous.session)?.state ?? 'gone'
    const why = `${previous.name} ${state === 'gone' ? 'left' : state === 'offline' ? 'went offline' : 'gave it up'}`
    say('won', asked ? `It is your turn: ${why}, and the lock passed to you.` : `The lock passed to you: ${why}.`)
  })
  provider.on('may-edit', ({ why }) => {
    // Good news that is no longer so.
    if (why === 'unconfirmed') hush()
  })
  provider.on('lock-lost', ({ reason }) => {
    asked = false
    say('lost', reason ? `You lost the lock: ${reason.replace(/\.$/, '')}.` : 'You lost the lock: it passed on.')
  })
}

function bannerPlace(): { element: HTMLElement; say: Say; hush: () => void } {
  let stay: ReturnType<typeof setTimeout> | undefined
  const text = h('span')
  const hush = (): void => {
    clearTimeout(stay)
    setAttribute(element, 'data-kind', null)
    setText(text, '')
  }
  const element = h(
    'div',
    { class: 'banner', role: 'alert', 'data-testid': 'banner' },
    text,
    h('button', { type: 'button', class: 'quiet', onclick: hush, 'aria-label': 'Close this message' }, '×'),
  )
  return {
    element,
    hush,
    say(kind, words) {
      clearTimeout(stay)
      setText(text, words)
      setAttribute(element, 'data-kind', kind)
      if (kind === 'won') stay = setTimeout(hush, BANNER_STAYS)
    },
  }
}
