/** What `BatonProvider` can be told at the start, and what it tells. Owns the types only. */
import type { Awareness } from 'y-protocols/awareness'
import type { Fence, Peer, ServerMessage, User } from './channel'
import type { Closed } from './link'
import type { EditRight, LockStatus } from './lock'
import type { BatonProvider } from './provider'
import type { SaveState } from './saves'

/** An offer of the lock: claim it within `expires_ms` of its sending. */
export type Offer = Omit<Extract<ServerMessage, { type: 'offer' }>, 'type'>

/** The lock, with the peer that holds it or is offered it. */
export type BatonLock = LockStatus & { readonly peer: Peer | null }

/** Failures on demand, for a demo or a test. */
export interface Experiments {
  /** Beats are not answered; everything else goes on. */
  stopHeartbeat(on: boolean): void
  /** A black hole: nothing leaves, nothing arrives, nobody is told. */
  cutNetwork(on: boolean): void
  readonly heartbeatStopped: boolean
  readonly networkCut: boolean
}

export interface BatonOptions {
  /** Connect at once; true unless told otherwise. */
  connect?: boolean
  awareness?: Awareness
  /** Query parameters of the address. */
  params?: Record<string, string>
  /** Sub-protocols of the WebSocket. */
  protocols?: string[]
  WebSocketPolyfill?: typeof WebSocket
  /** Largest delay between attempts, in milliseconds; 2500 unless told otherwise. */
  maxBackoffTime?: number
  /** Taken for compatibility with y-websocket; tabs meet only at the server. */
  disableBc?: boolean
  /** Taken for compatibility with y-websocket; the server asks by itself when it lacks something. */
  resyncInterval?: number

  /** Who is editing. */
  user?: User
  /** What to do with an offer of the lock: take it (`auto`), or ask. */
  claim?: 'auto' | ((offer: Offer) => boolean)
  /** Only watches: is never offered the lock. */
  observer?: boolean
  /** `false` starts a new session even where this tab could go on with one. */
  resume?: boolean
}

/** The events, and their arguments. */
export type BatonEvents = {
  // As in y-websocket.
  status: (event: { status: 'connected' | 'connecting' | 'disconnected' }) => void
  sync: (synced: boolean) => void
  synced: (synced: boolean) => void
  'connection-close': (closed: Closed, provider: BatonProvider) => void
  'connection-error': (closed: Closed, provider: BatonProvider) => void

  /** The server knows this session; `resumed` when it is the one from before. */
  welcome: (event: { session: number; resumed: boolean }) => void
  /** Somebody came, changed or went; `null` when the whole roster is new. */
  roster: (roster: ReadonlyMap<number, Peer>, change: { peer: Peer; before: Peer | null } | null) => void
  lock: (lock: BatonLock) => void
  /** The lock is this session's; `kept` when it was before a lost connection or a reload. */
  'lock-granted': (event: { fence: Fence; kept: boolean }) => void
  /** It is this session's no more. `reason` may be null first, and follow in a second event with the same fence. */
  'lock-lost': (event: { fence: Fence; reason: string | null }) => void
  offer: (offer: Offer) => void
  'offer-ended': (event: { fence: Fence; reason: string }) => void
  'may-edit': (right: EditRight) => void
  saved: (state: SaveState) => void
  /** An edit came under somebody else's lock and was set aside, durably. */
  parked: (event: { id: number; reason: string }) => void
  /** This copy of the document sends nothing more: go on with a fresh `Y.Doc`. */
  diverged: (event: { id: number; reason: string }) => void
  /** A beat came, and was answered or not. */
  beat: (event: { n: number; confirmed: number; answered: boolean }) => void
  /** The server turned this client away for good. */
  refused: (event: { code: number; reason: string }) => void
  /** The server's word before it turns a client away. */
  denied: (reason: string) => void
  'channel-error': (error: { code: string; message: string; retry: boolean }) => void
}
