/**
 * The lock of the whole document: who has it or parts of it, what this page can do about it, who comes next.
 *
 * Owns the strip at the top of the page, and the colour that the page takes; `banners.ts` has the news.
 */
import { conflict, type BatonLock, type BatonProvider } from '@baton/client'
import { announcer } from '../announcer'
import { batonMark, h, setAttribute, setText } from '../dom'
import { partName, pathsOf, REGIONS, scopeIn, type Region } from '../regions'
import { colorOf, nameOf, ordinal } from '../words'
import { banners } from './banners'
import { lockActions } from './lock-actions'

/** Chips in the lane; more are counted. */
const RUNNERS = 6

export interface LockStrip {
  readonly element: HTMLElement
  /** Says why something was not done. */
  say(words: string): void
  /** Looks at the clocks again. */
  tick(): void
}

export function lockStrip(provider: BatonProvider): LockStrip {
  const status = h('p', { class: 'lock-status', 'data-testid': 'lock-status' })
  const detail = h('p', { class: 'lock-detail' })
  const news = banners(provider)
  const actions = lockActions(provider, provider.lock, { suffix: '', small: false, say: news.say })
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

  const update = (): void => {
    const lock = provider.lock.status
    const { title, more } = words(provider, lock)
    setText(status, title)
    announcer.state('lock', title)
    setText(detail, more)
    setText(place, lock.place === null ? '' : `${ordinal(lock.place)} of ${lock.waiting} in line`)
    setAttribute(place, 'data-place', lock.place)
    setAttribute(strip, 'data-state', lock.state)
    setAttribute(strip, 'data-phase', lock.phase)
    setAttribute(strip, 'data-parts', lock.phase !== 'free' && lock.grantScope != null)
    // Only who has all of it colours the page; a part is coloured by who has that.
    const color = lock.grantScope === null && lock.peer !== null ? colorOf(lock.peer.user.color) : null
    for (const target of [strip, document.documentElement]) {
      if (color) target.style.setProperty('--holder', color)
      else target.style.removeProperty('--holder')
    }
    runners(provider, lane, lock)
    actions.update()
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
  return { element: h('div', { class: 'lock-area' }, news.element, strip), say: news.say, tick }
}

interface Words {
  title: string
  more: string
}

function words(provider: BatonProvider, lock: BatonLock): Words {
  const who = nameOf(lock.peer)
  const others = lock.waiting === 0 ? 'Nobody waits.' : lock.waiting === 1 ? 'One waits.' : `${lock.waiting} wait.`
  const stale = provider.wsconnected ? '' : ' (as last seen)'
  const parts = partWords(provider)
  switch (lock.state) {
    case 'unknown':
      return { title: 'Asking who has the lock…', more: 'Until then this page only reads.' }
    case 'free':
      if (parts !== null) return { title: `${parts}${stale}`, more: freeWords(provider, restWords(provider)) }
      return { title: `The lock is free${stale}`, more: freeWords(provider, 'Everybody may write. Take it to write alone.') }
    case 'offered':
      return { title: 'The lock is being handed to you', more: 'A moment…' }
    case 'mine':
      return mine(provider, others)
    case 'draining':
      return { title: lock.drain?.to == null ? 'The lock passes on' : `Handing the lock to ${nameOf(provider.roster.get(lock.drain.to))}`, more: 'Your last words are being sent.' }
    case 'releasing':
      return { title: 'Giving the lock back…', more: '' }
    case 'waiting':
      return waiting(provider, lock, parts ?? `${holding(lock, who)}${stale}`)
    case 'theirs':
      if (parts !== null) return { title: `${parts}${stale}`, more: freeWords(provider, restWords(provider)) }
      return { title: `${holding(lock, who)}${stale}`, more: lock.phase === 'held' ? freeWords(provider, `You can read, and wait for it. ${others}`) : others }
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
function freeWords({ mode }: BatonProvider, usual: string): string {
  if (mode === 'open') return 'Locks are advice here: everybody may write.'
  return mode === 'required' ? 'Only who holds a lock may write here.' : usual
}

function mine(provider: BatonProvider, others: string): Words {
  if (provider.mayEditWhy === 'unconfirmed') {
    return { title: 'You have the lock, unconfirmed', more: 'The server has not confirmed it for too long: editing is paused until it does.' }
  }
  return { title: 'You have the lock', more: provider.mode === 'open' ? 'It is advice here: others may write as well.' : `Only you can write. ${others}` }
}

function waiting(provider: BatonProvider, lock: BatonLock, held: string): Words {
  if (lock.phase === 'free') return { title: 'Asking for the lock…', more: '' }
  const asked = lock.requestedBy !== null && lock.requestedBy === provider.session
  const title = asked ? `${nameOf(lock.peer)} has been asked` : lock.place === 1 ? 'You are next' : 'You are in line'
  return { title, more: asked ? `${held}, and cannot keep it for longer than half a minute.` : `${held}.` }
}

function holding(lock: BatonLock, who: string): string {
  if (lock.phase === 'offered') return `The lock is being handed to ${who}`
  if (lock.phase === 'draining') return `${who} is handing the lock over`
  if (lock.phase === 'suspect') return `${who} has the lock, but lost the connection`
  if (lock.phase === 'recovering') return `The server started again and waits for ${who}`
  return `${who} has the lock`
}

/** “You have “Body”, Bob has “Title & summary””; `null` while no part is locked by itself. */
function partWords(provider: BatonProvider): string | null {
  const grants = provider.locks?.grants ?? []
  if (grants.length === 0 || grants.some((grant) => scopeIn(grant) === null)) return null
  return grants
    .map((grant) => {
      const own = grant.session === provider.session
      const verb = grant.state === 'offered' ? (own ? 'are offered' : 'is offered') : own ? 'have' : 'has'
      return `${own ? 'You' : nameOf(provider.roster.get(grant.session))} ${verb} ${partName(scopeIn(grant)) ?? ''}`
    })
    .join(', ')
    .replace(/, You/g, ', you')
}

/** The holder and those who wait, as runners in a lane. */
function runners(provider: BatonProvider, lane: HTMLElement, lock: BatonLock): void {
  const whole = lock.grantScope === null ? lock.holder : null
  const sessions = [whole, ...lock.queue.filter((session) => session !== whole)].filter((session) => session !== null)
  const shown = sessions.slice(0, RUNNERS)
  const more = sessions.length - shown.length
  const chips = shown.map((session, i) => {
    const peer = provider.roster.get(session)
    const name = session === provider.session ? 'You' : nameOf(peer)
    const first = i === 0 && session === whole
    const wants = provider.locks?.queue.find((waiter) => waiter.session === session)
    const part = first || !wants ? null : partName(scopeIn(wants))
    return h(
      'li',
      { '--who': colorOf(peer?.user.color), 'data-first': first, 'data-phase': first ? lock.phase : null },
      part === null ? name : `${name}, for ${part}`,
    )
  })
  if (more > 0) chips.push(h('li', { class: 'more' }, `and ${more} more`))
  lane.replaceChildren(...chips)
  lane.hidden = whole === null ? shown.length < 1 : shown.length < 2
}
