/** How this page says things: places, durations, names, reasons. Owns words only. */
import type { Answer, EditReason, Peer } from '@baton/client'

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

/** Why something was not done; `null` when it was, or will be. */
export function answerWords({ outcome, message }: Answer): string | null {
  switch (outcome) {
    case 'done':
    case 'queued':
      return null
    case 'unsent':
      return 'The server is out of reach: try again when it is back.'
    default:
      if (message !== null) return message.charAt(0).toUpperCase() + message.slice(1)
  }
  switch (outcome) {
    case 'would-wait':
      return 'Nobody waits while holding: give back what you hold first.'
    case 'not-allowed':
      return 'You have no right to do that here.'
    case 'cooldown':
      return 'Somebody took it over a moment ago: wait a minute.'
    case 'busy':
      return 'Somebody else has the lock there.'
    case 'forbidden':
      return 'This session cannot hold a lock.'
    case 'full':
      return 'There is no room for more.'
    default:
      return 'That is not so any more.'
  }
}

/** What a person wants to be drawn in, or grey when it is no plain colour: others may send anything. */
export function colorOf(color: string | undefined): string {
  return color !== undefined && /^(#[0-9a-f]{3,8}|[a-z]{3,24})$/i.test(color) ? color : '#64748b'
}

/** A peer's name, or something to call one without a name. */
export function nameOf(peer: Peer | null | undefined): string {
  return peer ? peer.user.name || `Guest ${peer.session}` : 'somebody'
}

export const STATE_WORDS = { online: 'online', shaky: 'shaky', offline: 'offline', gone: 'gone' } as const

/** Why one may edit or not, in a line under the text. */
export function editWords(why: EditReason, holder: string): string {
  switch (why) {
    case 'open':
      return 'You may type: locks are only advice here'
    case 'draining':
      return 'Read-only while you hand the lock over'
    case 'required':
      return 'Read-only: take a lock to write'
    case 'connecting':
      return 'Read-only until the server says who holds the lock'
    case 'free':
      return 'You may type: nobody holds the lock'
    case 'free-offline':
      return 'You may type; what you write offline is set aside if somebody takes the lock meanwhile'
    case 'holder':
      return 'You may type: you hold the lock'
    case 'unconfirmed':
      return 'Read-only: the server has not confirmed for a while that you still hold the lock'
    case 'offered':
      return 'Read-only until the lock is in your hand'
    case 'releasing':
      return 'Read-only while you give the lock back'
    case 'theirs':
      return `Read-only: ${holder} has the lock`
    case 'diverged':
      return 'Read-only for a moment: your edit is being set aside'
    case 'closed':
      return 'Read-only: the server turned this page away'
  }
}
