/**
 * The page's sentences, for people who never heard of its machinery. Owns words only.
 *
 * Each sentence is about facts that the server or the client gave; unknown facts are left out. A
 * reader is never named in the third person. `passing.ts` finds the facts about a lock.
 */
import type { Answer, DrainReason, EditReason, Mode, ParkView, Peer, PeerState } from 'baton-client'
import { readable } from './colors'
import type { Came, Loss } from './passing'

// ---- numbers and times ----

/** 1st, 2nd, 3rd, 4th. */
export function ordinal(n: number): string {
  const tens = n % 100
  const ending = tens >= 11 && tens <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th')
  return `${n}${ending}`
}

/** Seconds with one decimal below ten, whole above. */
export function seconds(milliseconds: number): string {
  const s = milliseconds / 1000
  return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`
}

/** Whole seconds, or minutes, in a sentence. */
export function lasting(milliseconds: number): string {
  const s = Math.max(1, Math.round(milliseconds / 1000))
  return s < 120 ? count(s, 'second') : count(Math.round(s / 60), 'minute')
}

/** A time of day, to the second. */
export function clockTime(milliseconds: number): string {
  return new Date(milliseconds).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false })
}

/** How long ago, roughly. */
export function ago(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000)
  if (minutes < 1) return 'just now'
  if (minutes < 60) return `${minutes} min ago`
  const hours = Math.floor(minutes / 60)
  return hours < 24 ? `${hours} h ago` : `${count(Math.floor(hours / 24), 'day')} ago`
}

/** 1 edit, 2 edits. */
export function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`
}

/** With a capital letter at the beginning. */
export const capital = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1)

/** Makes a sentence of the server's words. */
export function sentence(words: string): string {
  const text = capital(words.trim())
  return /[.!?…]$/.test(text) ? text : `${text}.`
}

// ---- people ----

/** The longest name that is shown, in characters. */
const NAME = 40

/** A name without what cannot be seen; '' when nothing is left. Others may send anything. */
export function cleanName(name: unknown): string {
  if (typeof name !== 'string') return ''
  // The two joiners belong to some scripts and to emoji; alone they are nothing.
  const seen = name.replaceAll(/(?![\u200c\u200d])\p{C}|[\u115f\u1160\u2800\u3164\uffa0]/gu, ' ').replaceAll(/\s+/gu, ' ').trim()
  return /[^\s\u200c\u200d]/u.test(seen) ? [...seen].slice(0, NAME).join('') : ''
}

/** A peer's name, or something to call one without a name. */
export function nameOf(peer: Peer | null | undefined): string {
  return peer ? cleanName(peer.user.name) || `Guest ${peer.session}` : 'somebody'
}

/** A person's colour, fit to be read; grey when it is no colour. */
export const colorOf = (color: unknown): string => readable(color)

export const STATE_WORDS: Record<PeerState, string> = { online: 'online', shaky: 'is slow to answer', offline: 'offline', gone: 'gone' }

/** A peer's change of state, for the list of events. */
export const COMINGS: Record<PeerState, string> = { online: 'is back', shaky: 'is slow to answer', offline: 'is offline', gone: 'left' }

/** The same, of this page. */
export const OWN_STATE: Record<PeerState, string> = {
  online: 'The server hears this page again',
  shaky: 'This page is slow to answer the server',
  offline: 'The server took this page for offline',
  gone: 'The server has let this page go',
}

// ---- who may write ----

export const MODES: Record<Mode, { label: string; hint: string; news: string }> = {
  open: { label: 'Anyone', hint: 'Anyone may write at any time. A lock only asks the others to wait.', news: 'Anyone may write now; a lock only asks the others to wait' },
  'exclusive-when-held': {
    label: 'One at a time, if locked',
    hint: 'Anyone may write, until somebody takes the lock: then only they can.',
    news: 'Anyone may write now, until somebody takes the lock',
  },
  required: { label: 'Only with the lock', hint: 'Nobody writes without the lock: take it first.', news: 'Only who has the lock may write now' },
}

/** Explains the right to write, or its absence. `holder` names another holder; `null` for none. */
export function editWords(why: EditReason, holder: string | null): string {
  switch (why) {
    case 'open':
      return 'You can write, and so can everybody'
    case 'draining':
      return 'Paused while the lock is handed over'
    case 'required':
      return 'Take the lock to write here'
    case 'connecting':
      return 'Waiting for the server to say who may write'
    case 'free':
      return 'You can write: nobody has the lock'
    case 'free-offline':
      return 'You can write. If somebody takes the lock before you are back online, your words wait beside the text'
    case 'holder':
      return 'You can write: you have the lock'
    case 'unconfirmed':
      return 'Paused: waiting for the server'
    case 'offered':
      return 'The lock is on its way to you'
    case 'releasing':
      return 'Paused while you give the lock back'
    case 'theirs':
      return holder === null ? 'The lock has just passed on' : `Only ${holder} can write now`
    case 'read-only':
      return 'You can read here, and not write'
    case 'diverged':
      return 'A moment: what you wrote is being kept beside the text'
    case 'closed':
      return 'The server turned this page away'
  }
}

/** Explains a refused key, and names the text that an input method had to take back. */
export function refusedWords(why: EditReason, holder: string | null, takenBack?: string): string {
  const words = editWords(why, holder)
  return takenBack ? `“${takenBack}” was not added. ${words}` : words
}

/** Tells the reader's place in the queue, from 1; it may be beyond those that the server names. */
export function placeWords(place: number | null, waiting: number): string {
  if (place === null) return 'You are in line'
  if (place === 1) return waiting > 1 ? `You are next, of ${waiting} in line` : 'You are next'
  return `You are ${ordinal(place)} of ${waiting} in line`
}

// ---- how a lock came and went ----

/** The facts of a sentence about a lock that came or went. */
export interface Passing {
  /** “the lock”, or “the lock on “Body””. */
  readonly what: string
  /** The other party, by name; `null` while it is not known. */
  readonly who: string | null
  /** Time for which this page was out of touch, in milliseconds, where it was. */
  readonly away?: number | null
  /** The server's own words, for a reason that this page does not know. */
  readonly reason?: string | null
}

/** Tells that this page has lost a lock. */
export function lostWords(loss: Loss, { what, who, away, reason }: Passing): string {
  const went = who === null ? 'passed on' : `went to ${who}`
  const by = who === null ? 'Somebody' : capital(who)
  switch (loss) {
    case 'transfer':
      return who === null ? `You handed ${what} on.` : `You handed ${what} to ${who}.`
    case 'taken-over':
      return `${by} took over ${what}.`
    case 'moved':
      return `${capital(what)} moved to your other tab.`
    case 'requested':
      return `You were asked for ${what}, and the time was up: it ${went}.`
    case 'idle':
      return `You did not write for a while, so ${what} ${went}.`
    case 'revoked':
      return `You may no longer hold ${what}: it ${went}.`
    case 'silent':
      return `The server heard nothing from this page${away ? ` for ${lasting(away)}` : ''}, so ${what} ${went}.`
    case 'dropped':
      return `Your connection dropped${away ? ` for ${lasting(away)}` : ''}, so ${what} ${went}.`
    case 'restart':
      return `This page lost its server and was not back in time: ${what} ${went}.`
    case 'taken-away':
      return `${by} took ${what} while you were offline.`
    case 'late':
      return `${capital(what)} ${went}: this page did not finish in time.`
    case 'outdated':
      return `This page was not up to date about ${what}, and gave it up.`
    case 'unknown':
      return reason ? `You no longer have ${what}: ${reason.replace(/\.$/, '')}.` : `${capital(what)} ${went}.`
  }
}

/** Tells that a lock is this page's now. `waited` says that it had asked. */
export function cameWords(came: Came, { what, who }: Passing, waited: boolean): string {
  const from = who ?? 'somebody'
  const turn = waited ? 'It is your turn. ' : ''
  switch (came) {
    case 'kept':
      return `You are back, and you still have ${what}.`
    case 'taken':
      return `You took over ${what} from ${from}.`
    case 'moved':
      return `${capital(what)} is here now. Your other tab stopped writing.`
    case 'handed':
      return `${capital(from)} handed you ${what}.`
    case 'requested':
      return `${turn}${capital(from)} was asked for ${what}, and the time was up.`
    case 'idle':
      return `${turn}${capital(from)} did not write for a while, so ${what} passed to you.`
    case 'dropped':
      return `${turn}${capital(from)} lost the connection, so ${what} passed to you.`
    case 'silent':
      return `${turn}${capital(from)} is offline, so ${what} passed to you.`
    case 'left':
      return `${turn}${capital(from)} left, so ${what} passed to you.`
    case 'restart':
      return `${turn}${capital(from)} lost the server and was not back in time, so ${what} passed to you.`
    case 'let-go':
      return `${turn}${capital(from)} let go of ${what}, and it is yours now.`
  }
}

/** The reason for which another person's lock passes on, for the list of events. */
export const DRAIN_WORDS: Record<DrainReason, string> = {
  transfer: 'is handing it over',
  'taken-over': 'has to give it up',
  moved: 'is moving it to another tab',
  requested: 'was asked, and the time is up',
  idle: 'did not write for a while',
  revoked: 'may no longer hold it',
}

// ---- what is not in the text yet ----

/** The unit of writing on a page, and the name of its place. */
export interface Matter {
  readonly thing: string
  readonly place: string
}

export const TEXT: Matter = { thing: 'character', place: 'the text' }
export const CHAT: Matter = { thing: 'message', place: 'the chat' }

/** “Bob wrote 37 characters that are not in the text yet”. */
export function parkWords({ inserted, deleted, state }: Pick<ParkView, 'inserted' | 'deleted' | 'state'>, who: string, { thing, place }: Matter): string {
  const by = capital(who)
  const isOut = state === 'discarded'
  if (inserted === 0 && deleted === 0) return isOut ? `A change of ${who} was left out` : `${by} changed something that is not in ${place} yet`
  if (inserted === 0) return isOut ? `${by} removed ${count(deleted, thing)}, which stayed in ${place}` : `${by} removed ${count(deleted, thing)} that ${deleted === 1 ? 'is' : 'are'} still in ${place}`
  const more = deleted > 0 ? ` and removed ${deleted}` : ''
  if (isOut) return `${by} wrote ${count(inserted, thing)}${more}, which ${inserted === 1 && !more ? 'was' : 'were'} left out`
  return deleted > 0
    ? `${by} wrote ${count(inserted, thing)}${more}: that is not in ${place} yet`
    : `${by} wrote ${count(inserted, thing)} that ${inserted === 1 ? 'is' : 'are'} not in ${place} yet`
}

/**
 * Tells an author that an edit was set aside. `holder` names the lock's holder; `null` for none.
 */
export function asideWords(holder: string | null, wasOffline: boolean, mode: Mode | null): string {
  if (holder === null) {
    return mode === 'required'
      ? 'Only who has the lock may write here. What you wrote is safe: take the lock, and it is added.'
      : 'Somebody had the lock when you wrote. What you wrote is safe; you can add it.'
  }
  const how = wasOffline ? `${holder} took the lock while you were offline` : `${holder} had the lock when you wrote`
  return `${capital(how)}. What you wrote is safe; you or ${holder} can add it.`
}

/**
 * Tells the end of set-aside text.
 *
 * @param by the person who did it: 'you', a name, or `null` for no person
 * @param whose the author: 'you', or a name
 */
export function decidedWords(state: ParkView['state'], by: string | null, whose: string, { place }: Matter): string {
  const who = by === null ? null : capital(by)
  switch (state) {
    case 'merged':
      return who === null ? `What ${whose} wrote is in ${place} now.` : `${who} added what ${whose} wrote to ${place}.`
    case 'discarded':
      return who === null ? `What ${whose} wrote was left out.` : `${who} left out what ${whose} wrote.`
    case 'open':
      return who === null ? `What ${whose} wrote can be added again.` : `${who} brought back what ${whose} wrote: it can be added again.`
  }
}

/** The server turned this page away for good. */
export function turnedAwayWords(code: number, reason: string): string {
  switch (code) {
    case 4404:
      return 'This name cannot be used for a document. Choose another one above.'
    case 4409:
      return 'You went on with this document in another window. To go on here as well, start afresh.'
    case 4410:
      return 'The document was put back to an earlier state, and this window still has the later one. Start afresh to see it.'
    case 4413:
      return 'What this page sent was larger than the server takes. What you wrote last may be in this window only: copy it before you start afresh.'
    default:
      return sentence(reason)
  }
}

// ---- why something was not done ----

/** The kind of operation that an answer is about. */
export type Wanted = 'lock' | 'park' | 'mode'

/** Explains a refused operation; `null` for one that was done, or is queued. */
export function answerWords({ outcome, message }: Answer, wanted: Wanted = 'lock'): string | null {
  switch (outcome) {
    case 'done':
    case 'queued':
      return null
    case 'unsent':
      return 'The server is out of reach: try again when it is back.'
    case 'would-wait':
      return 'You have a lock already: give it back before you wait for another.'
    case 'cooldown':
      return 'Somebody took it over a moment ago: wait a minute.'
    case 'not-allowed':
      if (wanted === 'park') return 'Only who wrote it, who has the lock, or who manages this document can decide that.'
      return wanted === 'mode' ? 'Only who manages this document can change that.' : 'You have no right to do that here.'
    case 'invalid':
      return 'The server did not understand this page: reload it.'
    case 'busy':
      if (message !== null && /counts as offline/.test(message)) return 'The server did not hear this page for a moment: try again.'
      return wanted === 'park' ? 'Somebody else has the lock there: it can be added when you have it, or by them.' : 'Somebody else has the lock there.'
    case 'forbidden':
      return wanted === 'park' ? 'This page only watches: it adds nothing.' : 'This page cannot have a lock: it only watches, or the server has lost sight of it. Reload it.'
    case 'stale':
      return wanted === 'park' ? 'That cannot be added as it is now.' : 'That lock has passed on already.'
    case 'unknown':
      return wanted === 'park' ? 'That was decided already.' : 'That cannot be done now: they are not here, cannot have it, or nobody has it.'
    case 'full':
      // Which limit was met, only the server knows.
      return message === null ? 'There is no room for more.' : sentence(message)
  }
}
