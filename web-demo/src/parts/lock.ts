/**
 * The lock of the whole document: who has it or parts of it, what this page can do about it, who comes next.
 *
 * Owns the strip at the top of the page, and the colour that the page takes; `banners.ts` has the news.
 */
import { conflict, type BatonLock, type BatonProvider } from 'baton-client'
import { announcer } from '../announcer'
import { batonMark, h, setAttribute, setText } from '../dom'
import { partName, pathsOf, REGIONS, scopeIn, type Region } from '../regions'
import { capital, colorOf, editWords, nameOf, ordinal, placeWords } from '../words'
import { banners } from './banners'
import { lockActions } from './lock-actions'
import { lockBar } from './lock-bar'
import { holderOf, whoIs } from './who'

/** Chips in the lane; more are counted. */
const RUNNERS = 6

/** The same on a phone. */
const RUNNERS_NARROW = 3

export interface LockStrip {
  readonly element: HTMLElement
  /** The same in one line, for when the strip is out of sight. */
  readonly bar: HTMLElement
  /** News about this page's locks, for the page's space of notices. */
  readonly news: HTMLElement
  /** Says why something was not done. */
  say(words: string): void
  /** This page asks for a lock out of turn. */
  takes(how: 'taken' | 'moved'): void
  /** Looks at the clocks again. */
  tick(): void
}

export function lockStrip(provider: BatonProvider): LockStrip {
  const status = h('p', { class: 'lock-status', 'data-testid': 'lock-status' })
  const detail = h('p', { class: 'lock-detail', 'data-testid': 'lock-detail' })
  const news = banners(provider)
  const actions = lockActions(provider, provider.lock, { suffix: '', small: false, say: news.say, takes: news.takes })
  const lane = h('ol', { class: 'lane', 'aria-label': 'Who has the lock, and who comes next' })
  const place = h('span', { class: 'queue-place', 'data-testid': 'queue-place' })
  const lease = h('div', { class: 'lease', title: 'How long this page may go on without news from the server' }, h('i'))
  const strip = h(
    'section',
    { class: 'lock', 'aria-label': 'The edit lock' },
    h('div', { class: 'lock-mark' }, batonMark(34)),
    h('div', { class: 'lock-words' }, status, detail),
    h('div', { class: 'lock-act' }, place, actions.element),
    actions.drawer,
    lane,
    lease,
  )
  const bar = lockBar(status, actions.main)

  const update = (): void => {
    const lock = provider.lock.status
    const { title, more } = seen(provider, words(provider, lock))
    setText(status, title)
    announcer.state('lock', title)
    setText(detail, more)
    setAttribute(status, 'title', title)
    setAttribute(detail, 'title', more)
    // Where the title says something else.
    setText(place, hasAsked(provider, lock) ? placeWords(lock.place, lock.waiting) : '')
    setAttribute(place, 'data-place', lock.place)
    setAttribute(strip, 'data-state', lock.state)
    setAttribute(strip, 'data-phase', lock.phase)
    setAttribute(strip, 'data-parts', lock.phase !== 'free' && lock.grantScope != null)
    // Only who has all of it colours the page; a part is coloured by who has that.
    const color = lock.grantScope === null && lock.peer !== null ? colorOf(lock.peer.user.color) : null
    bar.element.style.setProperty('--who', color ?? 'var(--line-strong)')
    for (const target of [strip, document.documentElement]) {
      if (color) target.style.setProperty('--holder', color)
      else target.style.removeProperty('--holder')
    }
    runners(provider, lane, lock)
    actions.update()
    bar.show({ state: lock.state, words: barWords(provider, lock, title) })
  }
  const tick = (): void => {
    const stop = provider.timings?.client_stop ?? 6500
    const bar = lease.firstElementChild as HTMLElement
    bar.style.transform = `scaleX(${Math.min(1, provider.lock.leaseLeft / stop).toFixed(3)})`
    lease.hidden = provider.lock.state !== 'mine'
    news.tick()
  }

  for (const event of ['lock', 'roster', 'may-edit', 'status', 'welcome'] as const) provider.on(event, update)
  update()
  tick()
  return { element: h('div', { class: 'lock-area' }, strip), bar: bar.element, news: news.element, say: news.say, takes: news.takes, tick }
}

interface Words {
  title: string
  more: string
}

/** Without a connection, all of it is how it was. */
function seen(provider: BatonProvider, { title, more }: Words): Words {
  const isOffline = !provider.wsconnected && provider.session !== null
  return { title, more: isOffline ? `You are offline: this is how it was. ${more}`.trim() : more }
}

function words(provider: BatonProvider, lock: BatonLock): Words {
  const who = holderOf(provider, lock) ?? 'somebody'
  const others = lock.waiting === 0 ? '' : lock.waiting === 1 ? 'One person waits for it.' : `${lock.waiting} people wait for it.`
  const parts = partWords(provider)
  switch (lock.state) {
    case 'unknown':
      return { title: 'Asking who has the lock…', more: 'Until then you can read.' }
    case 'free':
      if (parts !== null) return { title: parts, more: freeWords(provider, restWords(provider)) }
      return { title: 'Nobody has the lock', more: freeWords(provider, 'Everybody can write. Take the lock to write alone.') }
    case 'offered':
      return { title: 'The lock is on its way to you', more: 'A moment…' }
    case 'mine':
      return mine(provider, others)
    case 'draining':
      return { title: lock.drain?.to == null ? 'The lock passes on' : `Handing the lock to ${whoIs(provider, lock.drain.to)}`, more: 'Your last words are being sent.' }
    case 'releasing':
      return { title: 'Giving the lock back…', more: '' }
    case 'waiting':
      return waiting(provider, lock, parts ?? holding(lock, who))
    case 'theirs':
      if (parts !== null) return { title: parts, more: freeWords(provider, restWords(provider)) }
      // A grant of this page's own that has ended and is still shown.
      if (lock.holder === provider.session) return { title: 'The lock has just passed on', more: '' }
      return { title: holding(lock, who), more: lock.phase === 'held' ? freeWords(provider, `You can read, and wait for it. ${others}`.trim()) : others }
  }
}

/** What locks of parts leave to this page. */
function restWords(provider: BatonProvider): string {
  const held = (provider.locks?.grants ?? []).map((grant) => ({ own: grant.session === provider.session, scope: scopeIn(grant) }))
  if (held.some(({ own }) => own)) return 'Only you can write in yours.'
  const isHeld = (region: Region): boolean => held.some(({ scope }) => conflict(scope, pathsOf(region)))
  return REGIONS.every(isHeld) ? 'You can read, and wait for all of it or a part.' : 'Everybody may write in the rest.'
}

/** Where locks are advice, or where one is needed, that is the thing to say. */
function freeWords({ mode, mayEditWhy }: BatonProvider, usual: string): string {
  if (mayEditWhy === 'read-only') return editWords('read-only', null) + '.'
  if (mode === 'open') return 'Anyone may write here; a lock only asks the others to wait.'
  return mode === 'required' ? 'Only who has the lock may write here.' : usual
}

function mine(provider: BatonProvider, others: string): Words {
  if (provider.mayEditWhy === 'unconfirmed') return { title: 'Paused: waiting for the server', more: 'You had the lock when it was last heard.' }
  return { title: 'You have the lock', more: provider.mode === 'open' ? 'Anyone may write here all the same.' : `Only you can write. ${others}`.trim() }
}

const hasAsked = (provider: BatonProvider, lock: BatonLock): boolean => lock.state === 'waiting' && lock.requestedBy !== null && lock.requestedBy === provider.session

function waiting(provider: BatonProvider, lock: BatonLock, held: string): Words {
  if (lock.phase === 'free') return { title: 'Asking for the lock…', more: '' }
  const asked = hasAsked(provider, lock)
  const limit = Math.round((provider.timings?.request ?? 30_000) / 1000)
  const title = asked ? `You asked ${holderOf(provider, lock) ?? 'for the lock'}` : placeWords(lock.place, lock.waiting)
  return { title, more: asked ? `${held}, for ${limit} seconds more at most.` : `${held}.` }
}

function holding(lock: BatonLock, who: string): string {
  if (lock.phase === 'offered') return `The lock is on its way to ${who}`
  if (lock.phase === 'draining') return `${capital(who)} is handing the lock over`
  if (lock.phase === 'suspect') return `${capital(who)} has the lock, but lost the connection`
  if (lock.phase === 'recovering') return `${capital(who)} has the lock, but lost the server`
  return `${capital(who)} has the lock`
}

/** The state in one line, at any place of the page. */
function barWords(provider: BatonProvider, lock: BatonLock, title: string): string {
  if (!provider.wsconnected && provider.session !== null) return `Offline · ${title}`
  if (lock.state !== 'waiting' || lock.phase === 'free') return title
  const holder = holderOf(provider, lock)
  return `${placeWords(lock.place, lock.waiting)}${holder === null ? '' : ` · ${capital(holder)} writes`}`
}

/** “You have “Body”, Bob has “Title & summary””; `null` while no part is locked by itself. */
function partWords(provider: BatonProvider): string | null {
  const grants = provider.locks?.grants ?? []
  if (grants.length === 0 || grants.some((grant) => scopeIn(grant) === null)) return null
  return grants
    .map((grant) => {
      const own = grant.session === provider.session
      const verb = grant.state === 'offered' ? (own ? 'are offered' : 'is offered') : own ? 'have' : 'has'
      return `${own ? 'You' : capital(whoIs(provider, grant.session))} ${verb} ${partName(scopeIn(grant)) ?? ''}`
    })
    .join(', ')
    .replace(/, You/g, ', you')
}

/**
 * Draws the holder and the waiters as runners in a lane; the reader's own place is always shown.
 */
function runners(provider: BatonProvider, lane: HTMLElement, lock: BatonLock): void {
  const whole = lock.grantScope === null ? lock.holder : null
  const sessions = [whole, ...lock.queue.filter((session) => session !== whole)].filter((session) => session !== null)
  const own = provider.session === null ? -1 : sessions.indexOf(provider.session)
  const shown = runnersShown(sessions.length, own, matchMedia('(max-width: 560px)').matches ? RUNNERS_NARROW : RUNNERS)
  const chips: HTMLElement[] = []
  let last = -1
  for (const i of shown) {
    if (i > last + 1) chips.push(h('li', { class: 'more' }, `${i - last - 1} more`))
    last = i
    const session = sessions[i] as number
    const peer = provider.roster.get(session)
    const name = i === own ? 'You' : nameOf(peer)
    const first = i === 0 && session === whole
    const wants = provider.locks?.queue.find((waiter) => waiter.session === session)
    const part = first || !wants ? null : partName(scopeIn(wants))
    const place = whole === null ? i + 1 : i
    const chip = h('li', { '--who': colorOf(peer?.user.color), 'data-first': first, 'data-own': i === own, 'data-phase': first ? lock.phase : null }, h('span', { class: 'lane-name' }, part === null ? name : `${name}, for ${part}`))
    if (i === own && !first) chip.append(h('span', { class: 'lane-place' }, ordinal(place)))
    chips.push(chip)
  }
  const after = sessions.length - 1 - last
  if (after > 0) chips.push(h('li', { class: 'more' }, `${after} more`))
  // The lane keeps its space: what is under it must not move.
  if (sessions.length === (whole === null ? 0 : 1)) chips.splice(0, chips.length, h('li', { class: 'more' }, 'Nobody is in line'))
  lane.replaceChildren(...chips)
}

/** Picks `most` of `length` runners: the first ones, and the own one with the one before it. */
export function runnersShown(length: number, own: number, most: number): number[] {
  const all = [...Array(length).keys()]
  if (length <= most || own < most) return all.slice(0, most)
  return [...all.slice(0, most - 2), own - 1, own]
}
