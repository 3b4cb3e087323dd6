/**
 * What this client and the server say to each other on Baton's channel (docs/protocol.md, section 3).
 *
 * Owns the shapes of the messages and the check that a received one has the shape that it claims. It never
 * decides what a message means.
 */

/** The version of the channel that this package speaks. */
export const VERSION = 1

/** Names one grant of the lock; later grants are larger, by epoch, then by position. */
export interface Fence {
  readonly epoch: number
  readonly position: number
}

/** What a person wants to be called, and drawn in. */
export interface User {
  readonly name: string
  readonly color: string
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
  /** Speaks this channel, and so can hold the lock. */
  readonly lock: boolean
  readonly observer?: boolean
}

/** The lock as the server shows it; one with a smaller version is older. */
export interface LockView {
  readonly version: number
  readonly state: 'free' | 'offered' | 'held' | 'suspect' | 'recovering'
  readonly session?: number
  readonly fence?: Fence
  /** The first 100 that wait, in order. */
  readonly queue: readonly number[]
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
}

/** What became of a lock operation. */
export type Outcome = 'done' | 'queued' | 'busy' | 'stale' | 'forbidden'

/** From this client to the server. */
export type ClientMessage =
  | {
      type: 'hello'
      version: number
      resume?: { session: number; token: string }
      epoch?: number
      fence?: Fence
      user?: User
      client?: number
      observer?: boolean
    }
  | { type: 'answer'; n: number; visible: boolean; idle_ms: number }
  | { type: 'acquire' | 'try' | 'cancel'; nonce: number }
  | { type: 'release'; nonce: number; fence: Fence }
  | { type: 'claim' | 'decline'; fence: Fence }
  | { type: 'profile'; user: User }

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
}

/** From the server to this client. */
export type ServerMessage =
  | Welcome
  | { type: 'beat'; n: number; confirmed: number }
  | { type: 'peer'; peer: Peer }
  | { type: 'lock'; lock: LockView }
  | { type: 'offer'; fence: Fence; expires_ms: number }
  | { type: 'granted'; fence: Fence }
  | { type: 'lost'; fence: Fence; reason: string }
  | { type: 'result'; nonce: number; outcome: Outcome }
  | { type: 'saved'; updates: number }
  | { type: 'parked'; id: number; reason: string }
  | { type: 'error'; code: string; message: string; retry: boolean }

type Shape = Record<string, (value: unknown) => boolean>

const number = (v: unknown): boolean => Number.isSafeInteger(v) && (v as number) >= 0
const text = (v: unknown): boolean => typeof v === 'string'
const flag = (v: unknown): boolean => typeof v === 'boolean'
const object = (shape: Shape) => (v: unknown): boolean =>
  typeof v === 'object' && v !== null && Object.entries(shape).every(([k, ok]) => ok((v as Record<string, unknown>)[k]))
const list = (item: (v: unknown) => boolean) => (v: unknown): boolean => Array.isArray(v) && v.every(item)
const maybe = (ok: (v: unknown) => boolean) => (v: unknown): boolean => v === undefined || v === null || ok(v)

const fence = object({ epoch: number, position: number })
const peer = object({
  session: number,
  user: object({ name: text, color: text }),
  client: maybe(number),
  state: text,
  lock: flag,
})
const lock = object({
  version: number,
  state: text,
  session: maybe(number),
  fence: maybe(fence),
  queue: list(number),
  waiting: number,
})
const timings = object({
  beat_every: number,
  server_silent_after: number,
  offline_after: number,
  offer: number,
  grace: number,
  client_stop: number,
})

const SHAPES: Record<ServerMessage['type'], (v: unknown) => boolean> = {
  welcome: object({ version: number, session: number, token: text, resumed: flag, epoch: number, timings, roster: list(peer), lock }),
  beat: object({ n: number, confirmed: number }),
  peer: object({ peer }),
  lock: object({ lock }),
  offer: object({ fence, expires_ms: number }),
  granted: object({ fence }),
  lost: object({ fence, reason: text }),
  result: object({ nonce: number, outcome: text }),
  saved: object({ updates: number }),
  parked: object({ id: number, reason: text }),
  error: object({ code: text, message: text, retry: flag }),
}

/**
 * Reads a server's message; `null` for a type that is newer than this package.
 *
 * @throws Error when the text is no JSON object, or lacks a field that its type must have.
 */
export function decodeServerMessage(json: string): ServerMessage | null {
  const value = JSON.parse(json) as { type?: unknown }
  if (typeof value !== 'object' || value === null || typeof value.type !== 'string') {
    throw new Error('a message of the channel is an object with a type')
  }
  if (!Object.hasOwn(SHAPES, value.type)) return null
  if (!SHAPES[value.type as ServerMessage['type']](value)) {
    throw new Error(`a "${value.type}" without the fields that it must have`)
  }
  return value as ServerMessage
}

/** Writes a message to the server. */
export function encodeClientMessage(message: ClientMessage): string {
  return JSON.stringify(message)
}

/** Negative when `a` is the older grant, 0 when they are the same, positive when `a` is the newer. */
export function compareFences(a: Fence, b: Fence): number {
  return a.epoch - b.epoch || a.position - b.position
}

/** Whether both name the same grant; nothing equals the absence of one. */
export function sameFence(a: Fence | null | undefined, b: Fence | null | undefined): boolean {
  return a != null && b != null && compareFences(a, b) === 0
}
