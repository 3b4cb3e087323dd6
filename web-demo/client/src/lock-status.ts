/**
 * The lock of one scope as this session sees it at one moment. Owns the types only; `lock.ts` works them out.
 */
import type { DrainReason, Fence, GrantState } from './channel.js'
import type { Scope } from './scope.js'

/** What the lock of a scope is to this session. */
export type LockState =
  /** Nothing is known yet. */
  | 'unknown'
  /** Nobody else has any of it. */
  | 'free'
  /** Somebody else has it or a part of it, or is offered that. */
  | 'theirs'
  /** This session asked for it and has its place in the queue. */
  | 'waiting'
  /** This session is being offered it. */
  | 'offered'
  /** This session holds it. */
  | 'mine'
  /** This session holds it until its last edits are sent. */
  | 'draining'
  /** This session is giving it back. */
  | 'releasing'

/** Somebody asks the holder for its lock. */
export interface HandOverRequest {
  readonly by: number
  readonly note: string
  /** When it ends in the asker's favour, by the wall clock of this machine. */
  readonly until: number
}

/** The holder is asked to stop. */
export interface Drain {
  readonly reason: DrainReason
  /** Who gets it, where that is settled. */
  readonly to: number | null
}

/** The lock of one scope at one moment. */
export interface LockStatus {
  readonly state: LockState
  /** The server's own word for the state of the grant that matters here, once there is one. */
  readonly phase: GrantState | 'free' | null
  /** Session that holds it, or a part of it, or is offered that. */
  readonly holder: number | null
  /** That grant or offer. */
  readonly fence: Fence | null
  /** What that grant or offer covers, which may be more than this lock, or less; `undefined` when there is none. */
  readonly grantScope: Scope | undefined
  /** Sessions that wait for it or for a part of it, of the first 100 in order. */
  readonly queue: readonly number[]
  /** How many wait. */
  readonly waiting: number
  /** This session's place in that queue from 1; `null` when it has none, or one beyond the first 100. */
  readonly place: number | null
  /** Who asks this session, its holder, for it. */
  readonly request: HandOverRequest | null
  /** Who asked its holder for it. */
  readonly requestedBy: number | null
  /** Why this session has to stop, and for whom. */
  readonly drain: Drain | null
}
