/**
 * What this client and the server say to each other on Baton's channel (docs/protocol.md, section 3).
 *
 * Owns the shapes of the messages; `shapes.ts` checks that a received one has the shape that it claims. It never decides
 * what a message means.
 */
import type { Path } from './scope.js'

/** The version of the channel that this package speaks. */
export const VERSION = 1

/** Names one grant of a lock; later grants are larger, by epoch, then by position. */
export interface Fence {
  readonly epoch: number
  readonly position: number
}

/** What a person wants to be called, and drawn in. */
export interface User {
  readonly name: string
  readonly color: string
  /** Id of the user, where a token stated it. From a client it means nothing. */
  readonly id?: string
}

/** How alive a peer is. */
export type PeerState = 'online' | 'shaky' | 'offline' | 'gone'

/** One line of the roster. A smaller session number has been in the document longer. */
export interface Peer {
  readonly session: number
  readonly user: User
  /** Yjs client id, where known. */
  readonly client?: number
  readonly state: PeerState
  /** Speaks this channel, and so can hold a lock. */
  readonly lock: boolean
  readonly observer?: boolean
  /** Has no right to edit. */
  readonly read_only?: boolean
}

/**
 * Who may write. `open`: all, locks are advice. `exclusive-when-held`: all where nobody holds a lock, else its holder.
 * `required`: holders only.
 */
export type Mode = 'open' | 'exclusive-when-held' | 'required'

/** What this session may do; one without any only reads. */
export type Right = 'write' | 'lock' | 'take-over' | 'manage'

export type GrantState = 'offered' | 'held' | 'suspect' | 'recovering' | 'draining'

/** One lock that is offered or held; absent `paths` are the whole document. */
export interface GrantView {
  readonly paths?: readonly Path[]
  readonly state: GrantState
  readonly session: number
  readonly fence: Fence
  /** Who asked its holder to hand it over, while that runs. */
  readonly requested_by?: number
  /** Whom it goes to when it is drained, where that is settled. */
  readonly to?: number
  /** Why it drains, while it does. */
  readonly reason?: DrainReason
}

/** One that waits, with what for. */
export interface Waiter {
  readonly session: number
  readonly paths?: readonly Path[]
}

/** The locks of the document as the server shows them; one with a smaller version is older. No grant: all is free. */
export interface LockView {
  readonly version: number
  readonly mode: Mode
  readonly grants: readonly GrantView[]
  /** The first 100 that wait, in order. */
  readonly queue: readonly Waiter[]
  /** How many wait. */
  readonly waiting: number
}

/** The server's clocks, in milliseconds. */
export interface Timings {
  readonly beat_every: number
  readonly server_silent_after: number
  readonly offline_after: number
  readonly offer: number
  readonly grace: number
  readonly client_stop: number
  /** A holder that is asked to stop has this long for its last edits. */
  readonly drain: number
  /** A holder that is asked for the lock keeps it at most this long. */
  readonly request: number
  /** Without input for this long while somebody waits, the lock passes on. */
  readonly idle_yield: number
}

/** Why a holder is asked to stop. */
export type DrainReason = 'transfer' | 'taken-over' | 'moved' | 'requested' | 'idle' | 'revoked'

export type ParkState = 'open' | 'merged' | 'discarded'

/** Edits of one session that it might not make, and that are kept beside the document. */
export interface ParkView {
  readonly id: number
  readonly session: number
  readonly user: User
  /** Milliseconds since 1970. */
  readonly at_ms: number
  readonly reason: 'locked' | 'quarantined' | 'suggestion'
  readonly edits: number
  /** UTF-16 units of text, or elements. */
  readonly inserted: number
  readonly deleted: number
  readonly bytes: number
  readonly state: ParkState
  /** A discarded one can be recovered until then; milliseconds since 1970. */
  readonly until_ms?: number
  /** Session that made it what it is now; absent where no person did. */
  readonly by?: number
}

/** A run of the difference between the document and the document with a park merged. */
export interface DiffPart {
  /** Name of the root type. */
  readonly root: string
  readonly kind: 'equal' | 'insert' | 'delete'
  readonly text: string
}

/** What became of an operation. */
export type Outcome =
  | 'done'
  | 'queued'
  | 'busy'
  | 'stale'
  | 'forbidden'
  /** It would have to wait while it holds another lock: give that back first, or ask for all at once. */
  | 'would-wait'
  | 'not-allowed'
  /** Too soon after the last take-over. */
  | 'cooldown'
  /** There is no such park, session or grant. */
  | 'unknown'
  | 'full'
  /** The server did not understand it: a mistake of this package's. */
  | 'invalid'

/** An operation that is answered with a `result`, or with what it asks for. */
export type Ask =
  | { type: 'acquire' | 'try' | 'take-over' | 'move-here'; paths?: readonly Path[] }
  | { type: 'cancel' }
  | { type: 'release'; fence: Fence }
  | { type: 'transfer'; fence: Fence; to: number }
  | { type: 'request'; paths?: readonly Path[]; note: string }
  | { type: 'set-mode'; mode: Mode }
  | { type: 'merge-park' | 'discard-park' | 'recover-park' | 'show-park'; id: number }

/** Says who comes. Fields that are undefined are not written. */
export interface Hello {
  type: 'hello'
  version: number
  resume?: { session: number; token: string } | undefined
  epoch?: number | undefined
  /** Grants that this session believes in. */
  fences?: readonly Fence[] | undefined
  /** Version of the last lock view seen. */
  locks?: number | undefined
  user?: User | undefined
  /** A secret that all tabs of one person share. */
  user_key?: string | undefined
  /** What this client may do, for a server that asks for it. */
  token?: string | undefined
  client?: number | undefined
  observer?: boolean | undefined
  /** Compressed forms that this client reads. */
  encodings?: readonly string[] | undefined
}

/** From this client to the server. */
export type ClientMessage =
  | Hello
  | (Ask & { nonce: number })
  | { type: 'answer'; n: number; visible: boolean; idle_ms: number }
  | { type: 'claim' | 'drained'; fence: Fence }
  /** Leaves the queue as well, unless it is wanted `later`. */
  | { type: 'decline'; fence: Fence; later?: boolean }
  | { type: 'profile'; user: User }
  /** Another token of the same user, before the one at hand expires. */
  | { type: 'token'; token: string }

/** Answers a hello. */
export interface Welcome {
  type: 'welcome'
  version: number
  session: number
  token: string
  resumed: boolean
  epoch: number
  timings: Timings
  roster: Peer[]
  lock: LockView
  rights: Right[]
  parks: ParkView[]
  /** The compressed form that the server chose; its first frames may come before this. */
  encoding?: string
}

/** From the server to this client. */
export type ServerMessage =
  | Welcome
  | { type: 'rights'; rights: Right[] }
  /** The access of this session ends then, with its token. */
  | { type: 'token-expiring'; left_ms: number }
  | { type: 'beat'; n: number; confirmed: number }
  | { type: 'peer'; peer: Peer }
  | { type: 'lock'; lock: LockView }
  | { type: 'offer'; fence: Fence; paths?: readonly Path[]; expires_ms: number }
  | { type: 'granted'; fence: Fence; paths?: readonly Path[] }
  | { type: 'drain'; fence: Fence; reason: DrainReason; to?: number; expires_ms: number }
  | { type: 'requested'; fence: Fence; by: number; note: string; expires_ms: number }
  | { type: 'request-over'; fence: Fence }
  | { type: 'idle-warning'; fence: Fence; left_ms: number }
  | { type: 'lost'; fence: Fence; reason: string }
  | { type: 'result'; nonce: number; outcome: Outcome; message?: string }
  | { type: 'park'; park: ParkView }
  | { type: 'park-content'; nonce: number; id: number; parts: DiffPart[]; truncated: boolean }
  | { type: 'saved'; updates: number }
  | { type: 'parked'; id: number; reason: string }
  | { type: 'error'; code: string; message: string; retry: boolean }

/** Writes a message to the server. */
export function encodeClientMessage(message: ClientMessage): string {
  return JSON.stringify(message)
}

/** Names the grant: two fences are the same exactly when their names are. */
export function fenceKey(fence: Fence): string {
  return `${fence.epoch}.${fence.position}`
}
