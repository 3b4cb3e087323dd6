/**
 * `BatonProvider`: a Yjs provider with the constructor, properties and events of y-websocket's, and beside them
 * sessions, the roster, the edit lock, `saved` and `parked`.
 *
 * Owns the wiring: which message goes to which part, and which event follows. The parts decide: `Link` when there is
 * a socket, `DocSync` what of the document travels, `LockMachine` whether this page may edit.
 */
import { ObservableV2 } from 'lib0/observable'
import { Awareness, removeAwarenessStates } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import { idleFor, isVisible, watchActivity } from './activity'
import { VERSION, decodeServerMessage, encodeClientMessage } from './channel'
import type { ClientMessage, Outcome, Peer, ServerMessage, Timings, User, Welcome } from './channel'
import { now } from './clock'
import { closeWords } from './close-codes'
import { decodeFrame, encodeFrame, type Frame } from './codec'
import type { BatonEvents, BatonLock, BatonOptions, Experiments, Offer } from './events'
import { Link, type Closed } from './link'
import { LockMachine, type EditReason, type EditRight, type LockEffect } from './lock'
import { watchPage } from './page'
import { Requests, type Answer } from './requests'
import { Saves, type SaveState } from './saves'
import { DocSync } from './sync'
import { dropTicket, leaveTicket, takeTicket, type Ticket } from './tickets'

export class BatonProvider extends ObservableV2<BatonEvents> {
  readonly serverUrl: string
  readonly roomname: string
  readonly doc: Y.Doc
  readonly awareness: Awareness
  params: Record<string, string>
  protocols: string[]
  maxBackoffTime: number
  /** Everybody in the document, by session, this one included. */
  readonly roster: ReadonlyMap<number, Peer>
  /** The server's clocks, once it has told them. */
  timings: Timings | null = null
  /** This session's number, once there is one. */
  session: number | null = null
  /** For experiments with failure, in a demo or a test. */
  readonly debug: Experiments

  readonly #roster = new Map<number, Peer>()
  readonly #options: BatonOptions
  readonly #lock = new LockMachine()
  readonly #saves = new Saves()
  readonly #link: Link
  readonly #sync: DocSync
  readonly #unwatch: () => void
  readonly #requests = new Requests((message) => this.#say(message))
  #user: User
  #ticket: Ticket | null
  #epoch: number | null = null
  #synced = false
  #welcomed = false
  #mute = false
  #hidden: Record<string, unknown> | null = null
  #last: { lock: string; right: EditRight; saved: SaveState }
  #recheck: ReturnType<typeof setTimeout> | undefined

  constructor(serverUrl: string, roomname: string, doc: Y.Doc, options: BatonOptions = {}) {
    super()
    this.serverUrl = serverUrl.replace(/\/+$/, '')
    this.roomname = roomname
    this.doc = doc
    this.awareness = options.awareness ?? new Awareness(doc)
    this.params = options.params ?? {}
    this.protocols = options.protocols ?? []
    this.maxBackoffTime = options.maxBackoffTime ?? 2500
    this.roster = this.#roster
    this.#options = options
    this.#user = options.user ?? { name: '', color: '' }
    this.#ticket = options.resume === false ? null : takeTicket(this.#place)
    this.#link = new Link(
      {
        url: () => this.url,
        protocols: this.protocols,
        WebSocket: options.WebSocketPolyfill ?? WebSocket,
        maxBackoff: () => this.maxBackoffTime,
      },
      {
        connecting: () => this.emit('status', [{ status: 'connecting' }]),
        open: () => this.#opened(),
        message: (bytes) => this.#received(bytes),
        closed: (closed, wasOpen) => this.#closed(closed, wasOpen),
        refused: (closed) => this.#refused(closed),
      },
    )
    this.#sync = new DocSync(doc, this.awareness, this.#saves, {
      send: (bytes) => this.#link.send(bytes),
      isOpen: () => this.#link.isOpen,
      synced: () => (this.synced = true),
      saves: () => this.#refresh(),
    })
    this.debug = this.#experiments()
    this.#last = { lock: '', right: this.#lock.right(now()), saved: this.#saves.state }
    watchActivity()
    this.#unwatch = watchPage({
      hidden: () => this.#onHidden(),
      restored: () => this.#onRestored(),
      awake: () => this.#link.nudge(),
    })
    if (options.connect !== false) this.connect()
  }

  // ---- as in y-websocket ----

  get url(): string {
    const query = new URLSearchParams(this.params).toString()
    return this.#place + (query === '' ? '' : `?${query}`)
  }

  /** The address without its parameters, which may hold secrets. */
  get #place(): string {
    return `${this.serverUrl}/${this.roomname.split('/').map(encodeURIComponent).join('/')}`
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

  /** Leaves, and may come back: the server keeps the session, and for the grace time the lock. */
  disconnect(): void {
    this.#link.disconnect(3000)
  }

  /** Leaves for good: the lock passes to the next in the queue at once. */
  override destroy(): void {
    clearTimeout(this.#recheck)
    this.#unwatch()
    removeAwarenessStates(this.awareness, [this.doc.clientID], 'destroy')
    this.#link.disconnect(1000)
    this.#sync.destroy()
    if (!this.#options.awareness) this.awareness.destroy()
    dropTicket(this.#place)
    super.destroy()
  }

  // ---- Baton's own ----

  /** The lock as it is now. */
  get lock(): BatonLock {
    const status = this.#lock.status()
    return { ...status, peer: status.holder === null ? null : (this.#roster.get(status.holder) ?? null) }
  }

  /** Whether this page may edit at this very moment. */
  get mayEdit(): boolean {
    return this.#lock.right(now()).mayEdit
  }

  /** Why it may, or may not. */
  get mayEditWhy(): EditReason {
    return this.#lock.right(now()).why
  }

  /** Milliseconds for which a holder may go on without news from the server; 0 for anybody else. */
  get leaseLeft(): number {
    return this.#lock.leaseLeft(now())
  }

  /** Milliseconds since the server was heard; 0 while not connected. */
  get serverSilentFor(): number {
    return this.#link.silentFor
  }

  get saveState(): SaveState {
    return this.#saves.state
  }

  /** Whether this copy holds something that the server has not acknowledged as durable. */
  get hasUnsaved(): boolean {
    return this.#saves.unsaved
  }

  /** Who is editing; tells the server and the other cursors. */
  get user(): User {
    return this.#user
  }

  set user(user: User) {
    this.#user = user
    if (this.#welcomed) this.#say({ type: 'profile', user })
  }

  /**
   * Asks for the lock, and waits for it. The wish survives lost connections until `cancelLock`.
   * Resolves with what the server did first: `done`, `queued`, `forbidden`; `unsent` when it could not be reached
   * (it is asked again when it can be).
   */
  acquireLock(): Promise<Answer> {
    this.#lock.asked()
    return this.#operate(() => this.#requests.ask('acquire'))
  }

  /** Asks for the lock if it can be had now; `busy` when it cannot. */
  tryLock(): Promise<Answer> {
    return this.#operate(() => this.#requests.ask('try'))
  }

  /** Leaves the queue, and declines an offer. */
  cancelLock(): Promise<Answer> {
    this.#lock.gaveUp()
    return this.#operate(() => this.#requests.ask('cancel'))
  }

  /** Gives the lock back; this page stops editing at once. `stale` when there was nothing to give back. */
  releaseLock(): Promise<Answer> {
    const fence = this.#lock.grant
    if (fence === null) return Promise.resolve('stale')
    this.#lock.releaseSent()
    return this.#operate(() => this.#requests.release(fence))
  }

  #operate(send: () => Promise<Answer>): Promise<Answer> {
    const answer = this.#welcomed ? send() : Promise.resolve('unsent' as const)
    this.#refresh()
    return answer
  }

  #say(message: ClientMessage): void {
    this.#link.send(encodeFrame({ kind: 'baton', json: encodeClientMessage(message) }))
  }

  #opened(): void {
    const grant = this.#lock.grant ?? this.#ticket?.fence ?? null
    this.#lock.helloSent(now())
    this.#say({
      type: 'hello',
      version: VERSION,
      ...(this.#ticket && { resume: { session: this.#ticket.session, token: this.#ticket.token } }),
      ...(this.#epoch !== null && { epoch: this.#epoch }),
      ...(this.#ticket && grant && { fence: grant }),
      user: this.#user,
      client: this.doc.clientID,
      ...(this.#options.observer && { observer: true }),
    })
    this.#sync.opened()
    this.emit('status', [{ status: 'connected' }])
    this.#refresh()
  }

  #closed(closed: Closed, wasOpen: boolean): void {
    this.#welcomed = false
    this.#requests.abandon()
    if (wasOpen) {
      this.synced = false
      this.#lock.disconnected()
      this.#sync.closed()
      this.emit('status', [{ status: 'disconnected' }])
      this.emit('connection-close', [closed, this])
    } else {
      this.emit('connection-error', [closed, this])
    }
    this.#refresh()
  }

  #refused(closed: Closed): void {
    this.#lock.bar('closed')
    this.#ticket = null
    this.emit('refused', [{ code: closed.code, reason: closed.reason || closeWords(closed.code) }])
    this.#refresh()
  }

  #received(bytes: Uint8Array): void {
    let frame: Frame
    let message: ServerMessage | null
    try {
      frame = decodeFrame(bytes)
      message = frame.kind === 'baton' ? decodeServerMessage(frame.json) : null
    } catch (error) {
      // It may have been an edit: only a new connection brings this copy in step again.
      this.emit('channel-error', [{ code: 'protocol', message: `the server sent what is no frame: ${String(error)}`, retry: true }])
      return this.#link.giveUp('a frame of the server was not understood')
    }
    if (this.#sync.frame(frame)) return
    if (frame.kind === 'denied') this.emit('denied', [frame.reason])
    if (message === null) return
    this.#told(message)
    this.#refresh()
  }

  #told(message: ServerMessage): void {
    switch (message.type) {
      case 'welcome':
        return this.#welcome(message)
      case 'beat':
        return this.#beat(message.n, message.confirmed)
      case 'peer':
        return this.#peer(message.peer)
      case 'lock':
        return this.#follow(this.#lock.viewed(message.lock))
      case 'offer':
        return this.#offered(message)
      case 'granted':
        return this.#follow(this.#lock.granted(message.fence))
      case 'lost':
        return this.#follow(this.#lock.lost(message.fence, message.reason))
      case 'result':
        return this.#result(message.nonce, message.outcome)
      case 'saved':
        return this.#saves.acknowledged(message.updates)
      case 'parked':
        return this.#parked(message.id, message.reason)
      case 'error':
        return this.emit('channel-error', [message])
    }
  }

  #welcome(welcome: Welcome): void {
    const { session, resumed, timings } = welcome
    this.#welcomed = true
    this.session = session
    this.timings = timings
    this.#epoch = welcome.epoch
    this.#ticket = { session, token: welcome.token, fence: null }
    this.#link.settled(timings.server_silent_after)
    this.#roster.clear()
    for (const peer of welcome.roster) this.#roster.set(peer.session, peer)
    const effects = this.#lock.welcomed(welcome)
    this.emit('welcome', [{ session, resumed }])
    this.emit('roster', [this.roster, null])
    this.#follow(effects)
  }

  #beat(n: number, confirmed: number): void {
    if (!this.#mute) {
      this.#say({ type: 'answer', n, visible: isVisible(), idle_ms: idleFor() })
      this.#lock.answered(n, now())
    }
    this.#lock.confirmed(confirmed)
    this.emit('beat', [{ n, confirmed, answered: !this.#mute }])
  }

  #peer(peer: Peer): void {
    const before = this.#roster.get(peer.session) ?? null
    if (peer.state === 'gone') this.#roster.delete(peer.session)
    else this.#roster.set(peer.session, peer)
    this.emit('roster', [this.roster, { peer, before }])
  }

  #offered(offer: Offer): void {
    this.#lock.offered(offer.fence)
    this.emit('offer', [offer])
    const claim = this.#options.claim ?? 'auto'
    if (claim !== 'auto' && !claim(offer)) {
      this.#lock.declined()
      return this.#say({ type: 'decline', fence: offer.fence })
    }
    this.#say({ type: 'claim', fence: offer.fence })
    this.#lock.claimSent(offer.fence, now())
  }

  #result(nonce: number, outcome: Outcome): void {
    const asked = this.#requests.result(nonce, outcome)
    if (asked === 'acquire' && (outcome === 'forbidden' || outcome === 'busy')) this.#lock.gaveUp()
    if (asked === 'release' && outcome === 'stale') this.#follow(this.#lock.releaseStale())
  }

  #parked(id: number, reason: string): void {
    this.#sync.diverge()
    this.#lock.bar('diverged')
    this.emit('parked', [{ id, reason }])
    this.emit('diverged', [{ id, reason }])
  }

  #follow(effects: LockEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'granted') this.emit('lock-granted', [{ fence: effect.fence, kept: effect.kept }])
      else if (effect.type === 'lost') this.emit('lock-lost', [{ fence: effect.fence, reason: effect.reason }])
      else if (effect.type === 'offer-ended') this.emit('offer-ended', [{ fence: effect.fence, reason: effect.reason }])
      else if (effect.type === 'ask-again') void this.#requests.ask('acquire')
      else void this.#requests.release(effect.fence)
    }
  }

  /** Emits what has changed, and looks again when the lease would run out. */
  #refresh(): void {
    const lock = this.lock
    const right = this.#lock.right(now())
    const saved = this.#saves.state
    const before = this.#last
    const key = JSON.stringify(lock)
    this.#last = { lock: key, right, saved }
    clearTimeout(this.#recheck)
    const left = this.leaseLeft
    if (left > 0) this.#recheck = setTimeout(() => this.#refresh(), Math.ceil(left))
    if (key !== before.lock) this.emit('lock', [lock])
    if (right.mayEdit !== before.right.mayEdit || right.why !== before.right.why) this.emit('may-edit', [right])
    if (saved !== before.saved) this.emit('saved', [saved])
  }

  /** The page may be reloading: the others no longer see its cursor, but the session and the lock are kept. */
  #onHidden(): void {
    this.#hidden = this.awareness.getLocalState()
    removeAwarenessStates(this.awareness, [this.doc.clientID], 'pagehide')
    if (this.#ticket) leaveTicket(this.#place, { ...this.#ticket, fence: this.#lock.grant ?? this.#ticket.fence })
  }

  #onRestored(): void {
    dropTicket(this.#place)
    if (this.#hidden) this.awareness.setLocalState(this.#hidden)
    this.#link.nudge()
  }

  #experiments(): Experiments {
    const muted = (): boolean => this.#mute
    const link = this.#link
    return {
      stopHeartbeat: (on) => (this.#mute = on),
      cutNetwork: (on) => link.cut(on),
      get heartbeatStopped() {
        return muted()
      },
      get networkCut() {
        return link.isCut
      },
    }
  }
}
