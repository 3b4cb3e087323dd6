/**
 * What a provider can be told at the start, and what it tells. Owns the types only. `Provider` is that of the front page:
 * it builds on the parts that take these.
 */
import type * as Y from 'yjs'
import type { Awareness } from 'y-protocols/awareness'
import type { DrainReason, Fence, Mode, ParkView, Peer, Right, User } from './channel.js'
import type { Draft, DraftStore } from './drafts.js'
import type { LockHandle } from './handle.js'
import type { Closed } from './link.js'
import type { HandOverRequest } from './lock-status.js'
import type { EditRight } from './rights.js'
import type { SaveState } from './saves.js'
import type { Scope } from './scope.js'
import type { WebSocketClass } from './socket.js'
import type { Token } from './token.js'

/** An offer of a lock: claim it within `expires_ms` of its sending. */
export interface Offer {
  readonly fence: Fence
  readonly scope: Scope
  readonly expires_ms: number
}

/** A lock of this session is to pass on, and editing under it has ended. */
export interface Draining {
  readonly fence: Fence
  readonly scope: Scope
  readonly reason: DrainReason
  /** Session that gets it, where that is settled. */
  readonly to: number | null
  /** Milliseconds after which the server no longer waits. */
  readonly expires_ms: number
  /**
   * Lets the lock wait for what the application still has to write into the document, for instance a buffer of its own.
   * Without a call, the lock passes on when the listeners have returned.
   */
  waitUntil(last: Promise<unknown>): void
}

/** Failures on demand, for a demo or a test. */
export interface Experiments {
  /** Beats are not answered; everything else goes on. */
  stopHeartbeat(on: boolean): void
  /** A black hole: nothing leaves, nothing arrives, nobody is told. */
  cutNetwork(on: boolean): void
  readonly heartbeatStopped: boolean
  readonly networkCut: boolean
}

export interface ProviderOptions<Provider> {
  /** Connect at once; true unless told otherwise. */
  connect?: boolean | undefined
  awareness?: Awareness | undefined
  /**
   * Shown to a server that asks for tokens: in the first message, so that it is in no address and no log. A function, which
   * may be async, is asked before each attempt to connect, and when the server says that the token expires soon or has.
   */
  token?: Token | undefined
  /** Query parameters of the address. */
  params?: Record<string, string> | undefined
  /** Sub-protocols of the WebSocket. */
  protocols?: string[] | undefined
  /** For a JavaScript without a global `WebSocket` (Node before 22): the default export of `ws`. */
  WebSocketPolyfill?: WebSocketClass | undefined
  /** Largest delay between attempts, in milliseconds; 2500 unless told otherwise. */
  maxBackoffTime?: number | undefined
  /** Whether to come again after a close; unless told otherwise, after all but those with a code from 4400 to 4499. */
  shouldReconnect?: ((closed: Closed, provider: Provider) => boolean) | undefined
  /** Taken for compatibility with y-websocket; tabs meet only at the server. */
  disableBc?: boolean | undefined
  /** Taken for compatibility with y-websocket; the server asks by itself when it lacks something. */
  resyncInterval?: number | undefined

  /** Who is editing; also goes into the awareness state as `user`, from where cursors take it. */
  user?: User | undefined
  /** The secret that all tabs of this person share; in a browser, one that it keeps. `null` for none. */
  userKey?: string | null | undefined
  /**
   * What to do with an offer of a lock: take it (`auto`), or ask. `false` declines it and leaves the queue; `later` goes
   * on waiting behind the others, and is offered it again after a pause.
   */
  claim?: 'auto' | ((offer: Offer) => boolean | 'later') | undefined
  /** Only watches: is never offered a lock. */
  observer?: boolean | undefined
  /** `false` starts a new session even where this tab could go on with one. */
  resume?: boolean | undefined
  /** Where copies with edits that were set aside are kept; in a browser, its IndexedDB. */
  drafts?: DraftStore | undefined
}

/** The events, and their arguments. */
export type ProviderEvents<Provider> = {
  // As in y-websocket.
  status: (event: { status: 'connected' | 'connecting' | 'disconnected' }) => void
  sync: (synced: boolean) => void
  synced: (synced: boolean) => void
  'connection-close': (closed: Closed, provider: Provider) => void
  'connection-error': (closed: Closed, provider: Provider) => void

  /** This provider stays away after that close; `endWords` has words for it. */
  closed: (closed: Closed, provider: Provider) => void

  /** The server knows this session; `resumed` when it is the one from before. */
  welcome: (event: { session: number; resumed: boolean }) => void
  /** What this session may do, told with each welcome and when it changes. */
  rights: (rights: ReadonlySet<Right>) => void
  /** Somebody came, changed or went; `null` when the whole roster is new. */
  roster: (roster: ReadonlyMap<number, Peer>, change: { peer: Peer; before: Peer | null } | null) => void

  /** Something about the locks has changed, of the whole document or of a part: ask the handles. */
  lock: (whole: LockHandle) => void
  /** A lock is this session's; `kept` when it was before a lost connection or a reload. */
  'lock-granted': (event: { fence: Fence; scope: Scope; kept: boolean }) => void
  /** It is this session's no more. `reason` may be null first, and follow in a second event with the same fence. */
  'lock-lost': (event: { fence: Fence; scope: Scope; reason: string | null }) => void
  /** It passed on in good order after this session had been asked to stop. */
  'lock-handed-over': (event: { fence: Fence; scope: Scope; reason: DrainReason | null; to: number | null }) => void
  /** This session has to stop editing under a lock, and has. */
  draining: (event: Draining) => void
  /** Somebody asks for a lock that this session holds. */
  requested: (event: { fence: Fence; scope: Scope } & HandOverRequest) => void
  /** They ask no more. */
  'request-over': (event: { fence: Fence; scope: Scope }) => void
  /** Without input, a lock of this session passes on in `left_ms` milliseconds, because somebody waits for it. */
  'idle-warning': (event: { fence: Fence; scope: Scope; left_ms: number }) => void
  offer: (offer: Offer) => void
  'offer-ended': (event: { fence: Fence; reason: string }) => void
  /** The right to edit the document or a part has changed; told is that for the whole document. */
  'may-edit': (right: EditRight) => void
  mode: (mode: Mode) => void
  saved: (state: SaveState) => void

  /** Edits of somebody were set aside, are more now, or were decided on; `null` when all parks are new. */
  park: (parks: ReadonlyMap<number, ParkView>, change: { park: ParkView; before: ParkView | null } | null) => void
  /** An edit of this page was set aside, durably: it came under somebody else's lock, or is the suggestion of a reader. */
  parked: (event: { id: number; reason: string }) => void
  /** The copy with that edit was left and is kept as a draft; `doc` has told of the fresh one. */
  diverged: (event: { draft: Draft; park: number; reason: string }) => void
  /** From now on `provider.doc` and `provider.awareness` are these: bind editors to them. */
  doc: (doc: Y.Doc, before: Y.Doc) => void
  /** Drafts were added or dropped. */
  drafts: (drafts: ReadonlyMap<number, Draft>) => void

  /** A beat came, and was answered or not. */
  beat: (event: { n: number; confirmed: number; answered: boolean }) => void
  /** The server's word before it turns a client away. */
  denied: (reason: string) => void
  'channel-error': (error: { code: string; message: string; retry: boolean }) => void
}

/** Tells the listeners. */
export type Emit = <E extends keyof ProviderEvents<unknown>>(event: E, ...args: Parameters<ProviderEvents<unknown>[E]>) => void
