/**
 * Finds out, from what the server said, in which way a lock came to this page or left it. Pure.
 */
import type { DrainReason, GrantView, PeerState } from 'baton-client'

/** The ways in which this page loses a lock. */
export type Loss =
  | DrainReason
  /** Nothing was heard of the page, though its connection was there. */
  | 'silent'
  /** The connection was gone for too long. */
  | 'dropped'
  /** Its server started again or is gone, and the page did not come back in time. */
  | 'restart'
  /** It was taken while the page could not be reached. */
  | 'taken-away'
  /** It was asked to stop, and did not say in time that it had. */
  | 'late'
  /** It came back believing in an older grant. */
  | 'outdated'
  | 'unknown'

/** The ways in which a lock comes to this page. */
export type Came = 'kept' | 'taken' | 'moved' | 'handed' | 'requested' | 'idle' | 'dropped' | 'silent' | 'left' | 'restart' | 'let-go'

/**
 * The reasons of `lost`, by what they speak of, the more special first; the server's sentence is
 * shown for any other.
 */
const LOSSES: readonly (readonly [RegExp, Loss])[] = [
  [/could not be reached/, 'taken-away'],
  [/server was lost|server[’']s start|server started/, 'restart'],
  [/among your fences|another grant/, 'outdated'],
  [/asked to stop|said in time that you had stopped/, 'late'],
  [/were silent/, 'silent'],
  [/connection was gone|out of reach|while you were away/, 'dropped'],
  [/handed it over/, 'transfer'],
  [/was taken over/, 'taken-over'],
  [/moved to another session/, 'moved'],
  [/requested/, 'requested'],
  [/no input/, 'idle'],
  [/no longer hold a lock/, 'revoked'],
]

/**
 * Finds the way in which a lock was lost.
 *
 * @param reason the server's, of `lost`; `null` when only a newer view of the locks told
 * @param drain why the page had been asked to stop before, if it was
 */
export function lossOf(reason: string | null, drain: DrainReason | null): Loss {
  const said = LOSSES.find(([words]) => reason !== null && words.test(reason))?.[1] ?? 'unknown'
  // That it had to stop at all is the news, not that it was late.
  return drain !== null && (said === 'late' || said === 'unknown') ? drain : said
}

/** The grant that was there before this page's, as last seen, and what became of its holder. */
export interface Before {
  readonly state: GrantView['state']
  readonly reason?: DrainReason | undefined
  readonly to?: number | undefined
  readonly holder: PeerState
}

/**
 * Finds the way in which a lock came; `null` when it was free before.
 *
 * @param before `null` when it was free
 * @param own this session
 * @param took this page has just asked to take it over, or to move it here
 */
export function cameOf(before: Before | null, own: number | null, took: 'taken' | 'moved' | null): Came | null {
  if (took !== null && before !== null) return took
  if (before === null) return null
  switch (before.state) {
    case 'suspect':
      return before.holder === 'gone' ? 'left' : 'dropped'
    case 'recovering':
      return 'restart'
    case 'draining':
      return cameByDrain(before, own)
    case 'offered':
      // It was on its way to a session that did not take it.
      return 'let-go'
    case 'held':
      return before.holder === 'gone' ? 'left' : before.holder === 'offline' ? 'silent' : 'let-go'
  }
}

function cameByDrain({ reason, to }: Before, own: number | null): Came {
  switch (reason) {
    case 'taken-over':
      return to === own ? 'taken' : 'let-go'
    case 'moved':
      return to === own ? 'moved' : 'let-go'
    case 'transfer':
      return to === own ? 'handed' : 'let-go'
    case 'requested':
      return 'requested'
    case 'idle':
      return 'idle'
    default:
      return 'let-go'
  }
}
