/**
 * `BatonProvider`: a Yjs provider with the constructor, properties and events of y-websocket's, and beside them
 * sessions, the roster, the edit locks, `saved`, parks and drafts. Owns this public face; `Client` does the work.
 */
import { ObservableV2 } from 'lib0/observable'
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import { placeOf, urlOf } from './address.js'
import type { LockView, Mode, ParkView, Peer, Right, Timings, User } from './channel.js'
import { Client } from './client.js'
import type { Draft } from './drafts.js'
import type { Emit, Experiments, ProviderEvents, ProviderOptions } from './events.js'
import { experiments } from './experiments.js'
import type { LockHandle } from './handle.js'
import type { Answer, ParkAnswer } from './requests.js'
import type { EditReason } from './rights.js'
import type { SaveState } from './saves.js'
import { scopeOf, WHOLE, type Path } from './scope.js'
import { socketClass, type WebSocketLike } from './socket.js'
import type { WaitOptions } from './waits.js'

/** Options of the constructor. */
export type BatonOptions = ProviderOptions<BatonProvider>

/** The events, and their arguments. */
export type BatonEvents = ProviderEvents<BatonProvider>

export class BatonProvider extends ObservableV2<BatonEvents> {
  readonly serverUrl: string
  readonly roomname: string
  params: Record<string, string>
  protocols: string[]
  maxBackoffTime: number
  /** The lock of the whole document. */
  readonly lock: LockHandle
  /** For experiments with failure, in a demo or a test. */
  readonly debug: Experiments

  readonly #client: Client<BatonProvider>

  /**
   * @param serverUrl where the server takes sockets, such as `wss://example.org/ws`
   * @param roomname name of the document
   * @throws RangeError for a name that no address can hold; Error where there is no WebSocket to connect with
   */
  constructor(serverUrl: string, roomname: string, doc: Y.Doc, options: BatonOptions = {}) {
    super()
    // Before anything is made that would have to be ended.
    if (options.connect !== false) socketClass(options.WebSocketPolyfill)
    this.serverUrl = serverUrl.replace(/\/+$/, '')
    this.roomname = roomname
    this.params = options.params ?? {}
    this.protocols = options.protocols ?? []
    this.maxBackoffTime = options.maxBackoffTime ?? 2500
    const emit: Emit = (event, ...args) => this.emit(event, args as never)
    this.#client = new Client<BatonProvider>(placeOf(this.serverUrl, roomname), doc, options, this, emit)
    this.lock = this.lockFor()
    this.debug = experiments(this.#client.link, this.#client.session)
    if (options.connect !== false) this.connect()
  }

  // ---- as in y-websocket ----

  /** The document. It becomes another one when this one has diverged; the event `doc` tells. */
  get doc(): Y.Doc {
    return this.#client.copy.doc
  }

  /** The cursors; changes together with `doc`. */
  get awareness(): Awareness {
    return this.#client.copy.awareness
  }

  get url(): string {
    return urlOf(placeOf(this.serverUrl, this.roomname), this.params)
  }

  get wsconnected(): boolean {
    return this.#client.link.isOpen
  }

  get wsconnecting(): boolean {
    return this.#client.link.isConnecting
  }

  get shouldConnect(): boolean {
    return this.#client.link.isWanted
  }

  get ws(): WebSocketLike | null {
    return this.#client.link.socket
  }

  get synced(): boolean {
    return this.#client.isSynced
  }

  /** Comes back after `disconnect`, or after a refusal. */
  connect(): void {
    this.#client.connect()
  }

  /** Leaves, and may come back: the server keeps the session, and for the grace time its locks. */
  disconnect(): void {
    this.#client.link.disconnect(3000)
  }

  /** Leaves for good: the locks pass to the next in the queue at once. */
  override destroy(): void {
    this.#client.destroy()
    super.destroy()
  }

  // ---- Baton's own ----

  /**
   * Resolves when this provider has its session and the document is in step. Lost connections are waited out.
   *
   * @throws BatonError `refused`, `destroyed`, or `aborted` by the signal, with the close code of the last failure
   */
  ready(options?: WaitOptions): Promise<void> {
    return this.#client.ready(options)
  }

  /**
   * Resolves when all that this copy holds now is on the server's disk. Lost connections are waited out.
   *
   * @throws BatonError `parked` when an edit was set aside meanwhile, `read-only`, `refused`, `destroyed`, `aborted`
   */
  saved(options?: WaitOptions): Promise<void> {
    return this.#client.saved(options)
  }

  /** The lock of these parts of the document, or, without paths, of all of it: the same handle for the same paths. */
  lockFor(paths?: readonly Path[]): LockHandle {
    return this.#client.watcher.handle(paths === undefined ? WHOLE : scopeOf(paths))
  }

  /** Everybody in the document, by session, this one included. */
  get roster(): ReadonlyMap<number, Peer> {
    return this.#client.session.roster
  }

  /** This session's number, once there is one. */
  get session(): number | null {
    return this.#client.session.id
  }

  /** Whether that session is a tab of this browser, so that its lock can be moved here. */
  isOwn(session: number): boolean {
    return this.#client.siblings.has(session)
  }

  /** The server's clocks, once it has told them. */
  get timings(): Timings | null {
    return this.#client.session.timings
  }

  /** What this session may do. */
  get rights(): ReadonlySet<Right> {
    return this.#client.session.rights
  }

  /** Who may write in this document, once the server has told. */
  get mode(): Mode | null {
    return this.#client.session.machine.mode
  }

  /** All locks of the document as the server shows them, once it has. */
  get locks(): LockView | null {
    return this.#client.session.machine.view
  }

  /** Changes who may write; needs the right `manage`. */
  setMode(mode: Mode): Promise<Answer> {
    return this.#client.session.ask({ type: 'set-mode', mode })
  }

  /** Whether this page may edit all of the document at this very moment. For a part, ask its handle. */
  get mayEdit(): boolean {
    return this.lock.mayEdit
  }

  /** Why it may, or may not. */
  get mayEditWhy(): EditReason {
    return this.lock.right.why
  }

  /** Edits that are kept beside the document, by number. */
  get parks(): ReadonlyMap<number, ParkView> {
    return this.#client.session.parks
  }

  /** Takes a park's edits into the document. */
  mergePark(id: number): Promise<Answer> {
    return this.#client.session.ask({ type: 'merge-park', id })
  }

  /** Puts a park away; it can be recovered for some time. */
  discardPark(id: number): Promise<Answer> {
    return this.#client.session.ask({ type: 'discard-park', id })
  }

  /** Opens a discarded park again. */
  recoverPark(id: number): Promise<Answer> {
    return this.#client.session.ask({ type: 'recover-park', id })
  }

  /** What merging a park would change. */
  showPark(id: number): Promise<ParkAnswer> {
    return this.#client.session.ask({ type: 'show-park', id })
  }

  /** Copies of this document that hold edits which were set aside, by the number of their park. */
  get drafts(): ReadonlyMap<number, Draft> {
    return this.#client.divergence.drafts
  }

  /** Forgets a draft. One that the server has all of goes by itself when its parks are decided. */
  dropDraft(draft: Draft): void {
    this.#client.divergence.drop(draft)
    this.emit('drafts', [this.drafts])
  }

  /** Milliseconds since the server was heard; 0 while not connected. */
  get serverSilentFor(): number {
    return this.#client.link.silentFor
  }

  get saveState(): SaveState {
    return this.#client.copy.saves.state
  }

  /** Whether this copy holds something that the server has not acknowledged as durable. */
  get hasUnsaved(): boolean {
    return this.#client.copy.saves.unsaved
  }

  /** The person who edits; setting it tells the server, and the cursors by the awareness state's `user`. */
  get user(): User {
    return this.#client.session.user
  }

  set user(user: User) {
    this.#client.setUser(user)
  }
}
