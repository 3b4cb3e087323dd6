/**
 * The news about this page's own locks: won, lost, handed over; somebody asks for one; the holder seems to be away.
 *
 * Owns three banners, their clocks, and the memory of who had a lock last. `passing.ts` reads the
 * server's words, and `words.ts` makes sentences.
 */
import { conflict, idleFor, type BatonProvider, type DrainReason, type Fence, type GrantView, type HandOverRequest, type Scope } from 'baton-client'
import { announcer } from '../announcer'
import { h, setAttribute, setText } from '../dom'
import { cameOf, lossOf, type Came, type Loss } from '../passing'
import { lockName, scopeIn } from '../regions'
import { cameWords, colorOf, lostWords, nameOf } from '../words'
import { whoIs } from './who'

/** A banner that only tells stays this long, in milliseconds. */
const STAYS = 9000

/**
 * A lock that comes within this time after it was asked for out of turn came because of that, in
 * milliseconds.
 */
const TAKING = 15_000

export interface Banners {
  readonly element: HTMLElement
  /** Says why something was not done. */
  say(words: string): void
  /** This page asks for a lock out of turn: it takes it over, or moves it here. */
  takes(how: 'taken' | 'moved'): void
  /** Looks at the clocks again. */
  tick(): void
}

export function banners(provider: BatonProvider): Banners {
  const news = newsPlace()
  const request = requestBanner(provider)
  const idle = idleBanner(provider)
  const away = new Away(provider)
  const coming = comings(provider, news)
  goings(provider, news, away)
  return {
    element: h('div', { class: 'banners' }, request.element, idle.element, news.element),
    say: (words) => news.say('note', words),
    takes: coming.takes,
    tick() {
      request.tick()
      idle.tick()
    },
  }
}

type NewsKind = 'won' | 'lost' | 'note'

interface News {
  readonly element: HTMLElement
  /**
   * Says it; returns how to say it better when more is known, which does nothing once something
   * else was said.
   */
  say(kind: NewsKind, words: string): (words: string) => void
  /** Takes back what was said, of one kind or of any. */
  hush(kind?: NewsKind): void
}

function newsPlace(): News {
  let stay: ReturnType<typeof setTimeout> | undefined
  let turn = 0
  const text = h('span')
  const hush = (kind?: NewsKind): void => {
    if (kind !== undefined && element.dataset.kind !== kind) return
    clearTimeout(stay)
    turn += 1
    setAttribute(element, 'data-kind', null)
    setText(text, '')
  }
  const element = h(
    'div',
    { class: 'banner', role: 'alert', 'data-testid': 'banner' },
    text,
    h('button', { type: 'button', class: 'quiet', onclick: () => hush(), 'aria-label': 'Close this message' }, '×'),
  )
  return {
    element,
    hush,
    say(kind, words) {
      clearTimeout(stay)
      turn += 1
      const mine = turn
      setText(text, words)
      setAttribute(element, 'data-kind', kind)
      if (kind !== 'lost') stay = setTimeout(() => hush(), STAYS)
      return (better) => {
        if (mine === turn) setText(text, better)
      }
    },
  }
}

/** Time that this page was out of touch, the last time, by its own clock. */
class Away {
  #since: number | null = null
  #last: { for: number; until: number } | null = null

  constructor(provider: BatonProvider) {
    let heard = Date.now()
    provider.on('beat', () => (heard = Date.now()))
    provider.on('connection-close', ({ code }) => (this.#since ??= code === 1006 ? heard : Date.now()))
    provider.on('welcome', () => {
      if (this.#since !== null) this.#last = { for: Date.now() - this.#since, until: Date.now() }
      this.#since = null
      heard = Date.now()
    })
  }

  /** Milliseconds; `null` when it has been in touch for a while. */
  get recent(): number | null {
    if (this.#since !== null) return Date.now() - this.#since
    return this.#last !== null && Date.now() - this.#last.until < TAKING ? this.#last.for : null
  }
}

const keyOf = ({ epoch, position }: Fence): string => `${epoch}.${position}`

/** Banners for locks that come. */
function comings(provider: BatonProvider, { say, hush }: News): Pick<Banners, 'takes'> {
  /** The grants of others as they were last seen, the newest last. */
  const others = new Map<string, GrantView & { readonly name: string }>()
  let waited = false
  let taking: { how: 'taken' | 'moved'; at: number } | null = null
  provider.on('lock', () => {
    const isOurs = ({ session }: { session: number }): boolean => session === provider.session
    const ours = provider.locks?.grants.some(isOurs) === true
    if (provider.locks?.queue.some(isOurs)) waited = true
    else if (!ours) waited = false
    // Good news that is no longer so.
    if (!ours) hush('won')
    for (const grant of provider.locks?.grants ?? []) {
      if (grant.session === provider.session) continue
      others.delete(keyOf(grant.fence))
      others.set(keyOf(grant.fence), { ...grant, name: nameOf(provider.roster.get(grant.session)) })
    }
    // A grant that no other grant followed is over: a later holder did not get it from there.
    for (const [key, one] of others) {
      if (!provider.locks?.grants.some((grant) => conflict(scopeIn(grant), scopeIn(one)))) others.delete(key)
    }
  })
  provider.on('lock-granted', ({ scope, kept, fence }) => {
    const what = lockName(scope)
    if (kept) return void say('won', cameWords('kept', { what, who: null }, false))
    const older = ({ fence: one }: GrantView): boolean => one.epoch < fence.epoch || (one.epoch === fence.epoch && one.position < fence.position)
    const before = [...others.values()].filter((one) => older(one) && conflict(scopeIn(one), scope)).at(-1) ?? null
    const how = taking !== null && performance.now() - taking.at < TAKING ? taking.how : null
    taking = null
    for (const [key, one] of others) if (conflict(scopeIn(one), scope)) others.delete(key)
    const holder = before && (provider.roster.get(before.session)?.state ?? 'gone')
    const came: Came | null = before && holder && cameOf({ state: before.state, reason: before.reason, to: before.to, holder }, provider.session, how)
    // A lock that was free is no news to the person who took it.
    if (came === null || before === null) return hush()
    const who = provider.isOwn(before.session) ? 'your other tab' : before.name
    say('won', cameWords(came, { what, who }, waited))
  })
  provider.on('may-edit', ({ why }) => {
    if (why === 'unconfirmed') hush('won')
  })
  return { takes: (how) => (taking = { how, at: performance.now() }) }
}

/** Banners for locks that go. */
function goings(provider: BatonProvider, news: News, away: Away): void {
  /** Reason and heir of each drain, by the fence. */
  const drains = new Map<string, { reason: DrainReason; to: number | null }>()
  /** The last loss, until its heir is known and has the lock no more. */
  let last: { fence: string; scope: Scope; loss: Loss; heir: number | null; isThere: boolean; tell(heir: number | null): void } | null = null

  const heirOf = (scope: Scope): number | null =>
    provider.locks?.grants.find((grant) => grant.session !== provider.session && conflict(scopeIn(grant), scope))?.session ?? null
  const gone = (fence: Fence, scope: Scope, loss: Loss, kind: NewsKind, to: number | null, reason: string | null): void => {
    const what = lockName(scope)
    const outage = away.recent ?? (loss === 'silent' ? (provider.timings?.offline_after ?? null) : null)
    const words = (heir: number | null): string => lostWords(loss, { what, who: heir === null ? null : whoIs(provider, heir), away: outage, reason })
    const heir = to ?? heirOf(scope)
    const better = news.say(kind, words(heir))
    last = { fence: keyOf(fence), scope, loss, heir, isThere: false, tell: (known) => better(words(known)) }
  }

  provider.on('draining', ({ fence, reason, to }) => drains.set(keyOf(fence), { reason, to }))
  provider.on('lock-lost', ({ fence, scope, reason }) => {
    const drain = drains.get(keyOf(fence)) ?? null
    const loss = lossOf(reason, drain?.reason ?? null)
    // Of a second word about the same loss, the one that says more stays.
    if (last?.fence === keyOf(fence) && (loss === 'unknown' || loss === last.loss)) return
    gone(fence, scope, loss, 'lost', drain?.to ?? null, reason)
  })
  provider.on('lock-handed-over', ({ fence, scope, reason, to }) => {
    gone(fence, scope, reason ?? 'unknown', reason === 'taken-over' ? 'lost' : 'note', to, null)
  })
  provider.on('lock-granted', () => {
    last = null
    news.hush('lost')
  })
  provider.on('lock', () => {
    if (last === null) return
    const now = heirOf(last.scope)
    if (last.heir === null && now !== null) {
      last.heir = now
      last.tell(now)
    }
    if (now !== null && now === last.heir) last.isThere = true
    else if (last.isThere) {
      // The heir has it no more: the news is old.
      last = null
      news.hush('lost')
    }
  })
}

/** Somebody asks for what this page holds: who, their words, how long there is, and "hand over now". */
function requestBanner(provider: BatonProvider): { element: HTMLElement; tick(): void } {
  let current: (HandOverRequest & { scope: Scope }) | null = null
  const who = h('p', { class: 'ask-who' })
  const note = h('blockquote', { class: 'ask-note' })
  const left = h('span', { class: 'ask-left' })
  const clock = h('div', { class: 'clock', 'aria-hidden': 'true' }, h('i'))
  const give = h(
    'button',
    {
      type: 'button',
      class: 'primary',
      'data-testid': 'request-hand-over',
      // To who asked, not to who is first in line: they may have asked out of turn.
      onclick: () => current && void provider.lockFor(current.scope ?? undefined).transfer(current.by),
    },
    'Hand over now',
  )
  const element = h(
    'section',
    { class: 'asked', 'aria-label': 'Somebody asks for the lock', 'data-testid': 'request-banner', hidden: true },
    // Without the seconds, which would be read out one by one.
    h('div', { role: 'alert' }, who, note),
    h('div', { class: 'asked-act' }, left, give),
    clock,
  )
  let whole = 1
  const countdown = announcer.countdown()
  provider.on('requested', ({ scope, by, note: words, until }) => {
    current = { scope, by, note: words, until }
    whole = Math.max(1, until - Date.now())
    show()
  })
  const show = (): void => {
    const held = current === null ? null : provider.lockFor(current.scope ?? undefined).status
    if (current === null || held?.request == null || held.state !== 'mine') {
      current = null
      element.hidden = true
      return setAttribute(element, 'data-by', null)
    }
    const peer = provider.roster.get(current.by)
    const seconds = Math.max(0, Math.ceil((current.until - Date.now()) / 1000))
    element.hidden = false
    element.style.setProperty('--who', colorOf(peer?.user.color))
    setAttribute(element, 'data-by', current.by)
    setAttribute(element, 'data-left', seconds)
    setText(who, `${nameOf(peer)} asks for ${lockName(current.scope)}`)
    setText(note, current.note)
    note.hidden = current.note === ''
    setText(left, `passes on in ${seconds} s`)
    countdown.left(seconds, (n) => `${lockName(current?.scope ?? null)} passes on in ${n} seconds`)
    const bar = clock.firstElementChild as HTMLElement
    bar.style.transform = `scaleX(${Math.min(1, (current.until - Date.now()) / whole).toFixed(3)})`
  }
  provider.on('lock', show)
  provider.on('roster', show)
  return { element, tick: () => current && show() }
}

/** Whoever seems to be away while somebody waits. */
function idleBanner(provider: BatonProvider): { element: HTMLElement; tick(): void } {
  let warned: { at: number; until: number; scope: Scope } | null = null
  const text = h('span', { role: 'alert' })
  const clock = h('span', { class: 'idle-left' })
  const countdown = announcer.countdown()
  const element = h(
    'section',
    { class: 'banner', 'aria-label': 'Are you still there?', 'data-testid': 'idle-banner' },
    h('span', {}, text, ' ', clock),
    // Any touch of the page says it, this one too.
    h('button', { type: 'button', 'data-testid': 'idle-keep', onclick: () => show() }, 'I am here'),
  )
  provider.on('idle-warning', ({ left_ms, scope }) => {
    warned = { at: performance.now(), until: performance.now() + left_ms, scope }
    show()
  })
  const show = (): void => {
    const now = performance.now()
    const over = warned === null || now > warned.until || idleFor() < now - warned.at || provider.lockFor(warned.scope ?? undefined).state !== 'mine'
    if (over) warned = null
    setAttribute(element, 'data-kind', over ? null : 'idle')
    const what = warned === null ? '' : lockName(warned.scope)
    setText(text, warned === null ? '' : `Still there? Somebody waits, and ${what} passes on. You keep it when you click or type.`)
    const seconds = warned === null ? 0 : Math.ceil((warned.until - now) / 1000)
    setText(clock, warned === null ? '' : `${seconds} s left.`)
    if (warned !== null) countdown.left(seconds, (n) => `${what} passes on in ${n} seconds`)
  }
  return { element, tick: () => warned && show() }
}
