/**
 * `BatonProvider`: a Yjs provider with the constructor, properties and events of y-websocket's, and beside them
 * sessions, the roster, the edit locks, `saved`, parks and drafts.
 *
 * Owns the wiring: which message goes to which part, and when the copy of the document is changed for a fresh one. The
 * parts decide: `Link` when there is a socket, `DocSync` what of the document travels, `Session` what is said on
 * Baton's channel, `Divergence` when a copy is left.
 */
import { ObservableV2 } from 'lib0/observable'
import { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import { watchActivity } from './activity.js'
import { placeOf, urlOf } from './address.js'
import { encodeClientMessage, type ClientMessage, type LockView, type Mode, type ParkView, type Peer, type Right, type ServerMessage, type Timings, type User } from './channel.js'
import { endWords } from './close-codes.js'
import { decodeFrame, encodeFrame, type Frame } from './codec.js'
import { Divergence } from './divergence.js'
import { defaultDrafts, type Draft } from './drafts.js'
import type { BatonEvents, BatonOptions, Emit, Experiments } from './events.js'
import { experiments } from './experiments.js'
import type { LockHandle } from './handle.js'
import { Inflow, type Taken } from './inflow.js'
import { Link, type Closed } from './link.js'
import { watchPage } from './page.js'
import type { Answer, ParkAnswer } from './requests.js'
import type { EditReason } from './rights.js'
import type { SaveState } from './saves.js'
import { scopeOf, WHOLE, type Path } from './scope.js'
import { Session } from './session.js'
import { decodeServerMessage } from './shapes.js'
import { Siblings } from './siblings.js'
import { DocSync } from './sync.js'
import { dropTicket, leaveTicket, takeTicket } from './tickets.js'
import { Watcher } from './watcher.js'

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

  readonly #place: string
  readonly #options: BatonOptions
  readonly #session: Session
  readonly #link: Link
  readonly #inflow = new Inflow({ take: (frame) => this.#take(frame), failed: (error) => this.#misread(error) })
  readonly #divergence: Divergence
  readonly #watcher: Watcher
  readonly #siblings: Siblings
  readonly #unwatch: () => void
  #copy: DocSync
  #synced = false
  #refusal = false
  #hidden: Record<string, unknown> | null = null

  constructor(serverUrl: string, roomname: string, doc: Y.Doc, options: BatonOptions = {}) {
    super()
    this.serverUrl = serverUrl.replace(/\/+$/, '')
    this.roomname = roomname
    this.params = options.params ?? {}
    this.protocols = options.protocols ?? []
    this.maxBackoffTime = options.maxBackoffTime ?? 2500
    this.#options = options
    this.#place = placeOf(this.serverUrl, roomname)
    this.#siblings = new Siblings(this.#place)
    this.#copy = new DocSync(doc, options.awareness ?? new Awareness(doc), {
      send: (bytes) => this.#link.send(bytes),
      isOpen: () => this.#link.isOpen,
      synced: () => (this.synced = true),
      saves: () => this.#watcher.look(),
    })
    this.#link = this.#newLink()
    this.#session = this.#newSession()
    this.#watcher = new Watcher(this.#session, () => this.saveState, this.#emit)
    this.lock = this.lockFor()
    this.#divergence = new Divergence(this.#place, options.drafts ?? defaultDrafts(), {
      copy: () => this.#copy,
      isOpen: () => this.#link.isOpen,
      leave: (draft, park, reason) => this.#goOn(draft, park, reason),
      drafts: () => this.emit('drafts', [this.drafts]),
      failed: (error) => this.emit('channel-error', [{ code: 'draft', message: `a draft is not kept beyond this page: ${String(error)}`, retry: false }]),
    })
    this.debug = experiments(this.#link, this.#session)
    watchActivity()
    this.#unwatch = watchPage({
      hidden: () => this.#onHidden(),
      restored: () => this.#onRestored(),
      awake: () => this.#link.nudge(),
    })
    if (options.connect !== false) this.connect()
  }

  // ---- as in y-websocket ----

  /** The document. It becomes another one when this one has diverged; the event `doc` tells. */
  get doc(): Y.Doc {
    return this.#copy.doc
  }

  /** The cursors; changes together with `doc`. */
  get awareness(): Awareness {
    return this.#copy.awareness
  }

  get url(): string {
    return urlOf(this.#place, this.params)
  }

  get wsconnected(): boolean {
    return this.#link.isOpen
  }

  get wsconnecting(): boolean {
    return this.#link.isConnecting
  }

  get shouldConnect(): boolean {
    return this.#link.isWanted
  }

  get ws(): WebSocket | null {
    return this.#link.socket
  }

  get synced(): boolean {
    return this.#synced
  }

  set synced(state: boolean) {
    if (this.#synced === state) return
    this.#synced = state
    this.emit('synced', [state])
    this.emit('sync', [state])
  }

  connect(): void {
    this.#link.connect()
  }

  /** Leaves, and may come back: the server keeps the session, and for the grace time its locks. */
  disconnect(): void {
    this.#link.disconnect(3000)
  }

  /** Leaves for good: the locks pass to the next in the queue at once. */
  override destroy(): void {
    this.#watcher.destroy()
    this.#divergence.destroy()
    this.#unwatch()
    this.#siblings.destroy()
    this.#copy.hide('destroy')
    this.#link.disconnect(1000)
    this.#copy.destroy()
    if (this.awareness !== this.#options.awareness) this.awareness.destroy()
    dropTicket(this.#place)
    super.destroy()
  }

  // ---- Baton's own ----

  /** The lock of these parts of the document, or, without paths, of all of it: the same handle for the same paths. */
  lockFor(paths?: readonly Path[]): LockHandle {
    return this.#watcher.handle(paths === undefined ? WHOLE : scopeOf(paths))
  }

  /** Everybody in the document, by session, this one included. */
  get roster(): ReadonlyMap<number, Peer> {
    return this.#session.roster
  }

  /** This session's number, once there is one. */
  get session(): number | null {
    return this.#session.id
  }

  /** Whether that session is a tab of this browser, so that its lock can be moved here. */
  isOwn(session: number): boolean {
    return this.#siblings.has(session)
  }

  /** The server's clocks, once it has told them. */
  get timings(): Timings | null {
    return this.#session.timings
  }

  /** What this session may do. */
  get rights(): ReadonlySet<Right> {
    return this.#session.rights
  }

  /** Who may write in this document, once the server has told. */
  get mode(): Mode | null {
    return this.#session.machine.mode
  }

  /** All locks of the document as the server shows them, once it has. */
  get locks(): LockView | null {
    return this.#session.machine.view
  }

  /** Changes who may write; needs the right `manage`. */
  setMode(mode: Mode): Promise<Answer> {
    return this.#session.ask({ type: 'set-mode', mode })
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
    return this.#session.parks
  }

  /** Takes a park's edits into the document. */
  mergePark(id: number): Promise<Answer> {
    return this.#session.ask({ type: 'merge-park', id })
  }

  /** Puts a park away; it can be recovered for some time. */
  discardPark(id: number): Promise<Answer> {
    return this.#session.ask({ type: 'discard-park', id })
  }

  /** Opens a discarded park again. */
  recoverPark(id: number): Promise<Answer> {
    return this.#session.ask({ type: 'recover-park', id })
  }

  /** What merging a park would change. */
  showPark(id: number): Promise<ParkAnswer> {
    return this.#session.ask({ type: 'show-park', id })
  }

  /** Copies of this document that hold edits which were set aside, by the number of their park. */
  get drafts(): ReadonlyMap<number, Draft> {
    return this.#divergence.drafts
  }

  /** Forgets a draft. One that the server has all of goes by itself when its parks are decided. */
  dropDraft(draft: Draft): void {
    this.#divergence.drop(draft)
    this.emit('drafts', [this.drafts])
  }

  /** Milliseconds since the server was heard; 0 while not connected. */
  get serverSilentFor(): number {
    return this.#link.silentFor
  }

  get saveState(): SaveState {
    return this.#copy.saves.state
  }

  /** Whether this copy holds something that the server has not acknowledged as durable. */
  get hasUnsaved(): boolean {
    return this.#copy.saves.unsaved
  }

  /** Who is editing; tells the server and the other cursors. */
  get user(): User {
    return this.#session.user
  }

  set user(user: User) {
    this.#session.setUser(user)
  }

  // ---- the wiring ----

  readonly #emit: Emit = (event, ...args) => {
    this.emit(event, args as never)
  }

  #newLink(): Link {
    const options = {
      url: () => this.url,
      protocols: this.protocols,
      WebSocket: this.#options.WebSocketPolyfill ?? WebSocket,
      maxBackoff: () => this.maxBackoffTime,
    }
    return new Link(options, {
      connecting: () => this.emit('status', [{ status: 'connecting' }]),
      open: () => this.#opened(),
      message: (bytes) => this.#received(bytes),
      closed: (closed, wasOpen) => this.#closed(closed, wasOpen),
      refused: (closed) => this.#refused(closed),
    })
  }

  #newSession(): Session {
    return new Session(this.#options, this.#options.resume === false ? null : takeTicket(this.#place), {
      say: (message) => this.#say(message),
      emit: this.#emit,
      changed: () => this.#watcher.look(),
      welcomed: (session, timings) => {
        this.#siblings.joined(session)
        this.#link.settled(timings.server_silent_after)
      },
      saved: (updates) => this.#copy.saves.acknowledged(updates),
      // On a new connection the edits that were not taken count as saved when they are.
      mayWriteAgain: () => {
        if (this.#copy.saves.unsaved) this.#link.renew('this page may edit again')
      },
      parked: (id, reason) => this.#parked(id, reason),
      parks: (parks, epoch) => this.#divergence.decided(parks, epoch),
    })
  }

  #say(message: ClientMessage): void {
    this.#link.send(encodeFrame({ kind: 'baton', json: encodeClientMessage(message) }))
  }

  #opened(): void {
    this.#session.opened(this.doc.clientID)
    this.#copy.opened()
    this.emit('status', [{ status: 'connected' }])
    this.#watcher.look()
  }

  #closed(closed: Closed, wasOpen: boolean): void {
    this.#inflow.closed()
    this.#session.closed()
    if (wasOpen) {
      this.synced = false
      this.#copy.closed()
      this.emit('status', [{ status: 'disconnected' }])
      this.emit('connection-close', [closed, this])
    } else {
      this.emit('connection-error', [closed, this])
    }
    this.#watcher.look()
  }

  #refused(closed: Closed): void {
    this.#refusal = true
    this.#session.refused()
    this.emit('refused', [{ code: closed.code, reason: endWords(closed) }])
    this.#watcher.look()
  }

  #received(bytes: Uint8Array): void {
    let frame: Frame
    try {
      frame = decodeFrame(bytes)
    } catch (error) {
      return this.#misread(error)
    }
    this.#inflow.add(frame)
  }

  /** It may have been an edit: only a new connection brings this copy in step again. */
  #misread(error: unknown): void {
    this.emit('channel-error', [{ code: 'protocol', message: `the server sent what is no frame: ${String(error)}`, retry: true }])
    this.#link.giveUp('a frame of the server was not understood')
  }

  #take(frame: Taken): void {
    let message: ServerMessage | null
    try {
      message = frame.kind === 'baton' ? decodeServerMessage(frame.json) : null
    } catch (error) {
      return this.#misread(error)
    }
    if (this.#copy.frame(frame)) return
    if (frame.kind === 'denied') this.emit('denied', [frame.reason])
    if (message === null) return
    this.#session.told(message)
    this.#divergence.look()
    this.#watcher.look()
  }

  #parked(id: number, reason: string): void {
    const { id: session, epoch } = this.#session
    if (session === null || epoch === null) return
    // A suggestion: a fresh copy of a reader could suggest the same again and again.
    if (!this.rights.has('write')) return void this.emit('parked', [{ id, reason }])
    this.#session.machine.bar('diverged')
    this.#watcher.look()
    this.emit('parked', [{ id, reason }])
    this.#divergence.parked(id, reason, session, epoch)
  }

  /** The copy at hand is left; the page goes on with a fresh one, as the same session over a new connection. */
  #goOn(draft: Draft, park: number, reason: string): void {
    const old = this.#copy
    if (!this.#refusal) this.#session.machine.bar(null)
    const fresh = old.leave()
    this.#copy = fresh
    this.#link.renew('this copy has diverged')
    this.emit('doc', [fresh.doc, old.doc])
    this.emit('diverged', [{ draft, park, reason }])
    if (old.awareness !== this.#options.awareness) old.awareness.destroy()
    this.#watcher.look()
  }

  /** The page may be reloading: the others no longer see its cursor, but the session and its locks are kept. */
  #onHidden(): void {
    this.#hidden = this.#copy.hide('pagehide')
    if (this.#session.ticket) leaveTicket(this.#place, this.#session.ticket)
  }

  #onRestored(): void {
    dropTicket(this.#place)
    if (this.#hidden) this.awareness.setLocalState(this.#hidden)
    this.#link.nudge()
  }
}
