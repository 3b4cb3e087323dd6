/**
 * The news about this page's own locks: won, lost, handed over; somebody asks for one; the holder seems to be away.
 *
 * Owns three banners and their clocks. What happened, the client says.
 */
import { idleFor, type BatonProvider, type HandOverRequest, type Scope } from '@baton/client'
import { announcer } from '../announcer'
import { h, setAttribute, setText } from '../dom'
import { lockName, partName } from '../regions'
import { colorOf, nameOf } from '../words'

/** A banner that only tells stays this long, in milliseconds. */
const STAYS = 9000

export interface Banners {
  readonly element: HTMLElement
  /** Says why something was not done. */
  say(words: string): void
  /** Looks at the clocks again. */
  tick(): void
}

export function banners(provider: BatonProvider): Banners {
  const news = newsPlace()
  const request = requestBanner(provider)
  const idle = idleBanner(provider)
  passings(provider, news)
  return {
    element: h('div', { class: 'banners' }, request.element, idle.element, news.element),
    say: (words) => news.say('note', words),
    tick() {
      request.tick()
      idle.tick()
    },
  }
}

interface News {
  readonly element: HTMLElement
  say(kind: 'won' | 'lost' | 'note', words: string): void
  hush(): void
}

function newsPlace(): News {
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
      if (kind !== 'lost') stay = setTimeout(hush, STAYS)
    },
  }
}

/** Banners for what happens to this page's own hold on a lock. */
function passings(provider: BatonProvider, { say, hush }: News): void {
  /** Who had it before, by the name of what they had. */
  const previous = new Map<string, { session: number; name: string }>()
  let asked = false
  provider.on('lock', (whole) => {
    const { state } = whole
    if (state === 'waiting') asked = true
    else if (state === 'theirs' || state === 'free') asked = false
    for (const { paths, session } of provider.locks?.grants ?? []) {
      if (session !== provider.session) previous.set(JSON.stringify(paths ?? null), { session, name: nameOf(provider.roster.get(session)) })
    }
  })
  provider.on('lock-granted', ({ scope, kept }) => {
    if (kept) return say('won', `You are back, and you still have ${lockName(scope)}.`)
    const before = previous.get(JSON.stringify(scope))
    previous.delete(JSON.stringify(scope))
    if (!before) return hush()
    const state = provider.roster.get(before.session)?.state ?? 'gone'
    const why = `${before.name} ${state === 'gone' ? 'left' : state === 'offline' ? 'went offline' : 'gave it up'}`
    const part = partName(scope)
    const what = part === null ? 'the lock' : part
    say('won', asked ? `It is your turn: ${why}, and ${what} passed to you.` : `${capital(what)} passed to you: ${why}.`)
  })
  provider.on('may-edit', ({ why }) => {
    // Good news that is no longer so.
    if (why === 'unconfirmed') hush()
  })
  provider.on('lock-lost', ({ scope, reason }) => {
    asked = false
    const what = lockName(scope)
    say('lost', reason ? `You lost ${what}: ${reason.replace(/\.$/, '')}.` : `You lost ${what}: it passed on.`)
  })
  provider.on('lock-handed-over', ({ scope, reason, to }) => {
    const heir = to === null ? 'the next in line' : nameOf(provider.roster.get(to))
    const what = lockName(scope)
    const words = {
      transfer: `You handed ${what} to ${heir}.`,
      'taken-over': `${capital(heir)} took ${what} over.`,
      moved: `${capital(what)} moved to your other tab.`,
      requested: `The time was up: ${what} passed on to who had asked.`,
      idle: `You seemed to be away: ${what} passed to ${heir}.`,
    }
    say(reason === 'taken-over' ? 'lost' : 'note', reason === null ? `${capital(what)} passed on.` : words[reason])
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

const capital = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1)
