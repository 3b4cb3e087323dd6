/**
 * One logical connection that comes back: sockets, the watchdog over a silent server, the growing delays between
 * attempts, and the experiment that cuts the network.
 *
 * Owns when a socket is opened and given up; never reads what travels through it.
 */
import { delayBefore } from './backoff.js'
import { advance, now, type Instant } from './clock.js'
import { OPEN, type WebSocketClass, type WebSocketLike } from './socket.js'

/** Why and how a connection ended. */
export interface Closed {
  readonly code: number
  readonly reason: string
}

export interface LinkOptions {
  /** Asked for at each attempt, so that query parameters may change. */
  url: () => string
  protocols: () => string[]
  WebSocket: () => WebSocketClass
  /** Done before each attempt, where there is something to do; a promise that fails is an attempt that failed. */
  prepare: () => Promise<void> | undefined
  /** Returns true for a close after which it is no use to come again. */
  isFinal: (closed: Closed) => boolean
  /** Largest delay between attempts, in milliseconds. */
  maxBackoff: () => number
}

export interface LinkEvents {
  connecting(): void
  open(): void
  message(bytes: Uint8Array): void
  /** The connection that was open, or the attempt, is over. `wasOpen` tells which. */
  closed(closed: Closed, wasOpen: boolean): void
  /** A close that is final: this link stays away. */
  refused(closed: Closed): void
}

/** Not one of the codes with a meaning: the server starts the grace time, and a resume within it goes on. */
const LEFT_ALONE = 3000

/** How long the preparation of an attempt may take, in milliseconds. */
const PREPARATION = 30_000

/** How long an attempt seems to take while the network is cut, in milliseconds. */
const CUT_ATTEMPT = 300

type Phase =
  /** Nobody wants a connection. */
  | 'idle'
  | 'connecting'
  | 'open'
  /** Until the next attempt. */
  | 'waiting'

export class Link {
  readonly #options: LinkOptions
  readonly #events: LinkEvents
  #phase: Phase = 'idle'
  #socket: WebSocketLike | null = null
  #cut = false
  #attempt = 0
  /** Counts the times of dialling: a preparation for an earlier one comes too late. */
  #dialled = 0
  /** Ends the phase `waiting`, a preparation that takes too long, and the pretended attempts while the network is cut. */
  #timer: ReturnType<typeof setTimeout> | undefined
  #watch: ReturnType<typeof setTimeout> | undefined
  #silentAfter = 10_000
  #lastHeard: Instant = now()
  /** The connection before this one, while this one takes its place. */
  #retired: WebSocketLike | null = null
  /** Sockets given up while the network was cut: closing them then would tell the server, which a cut cannot. */
  readonly #stranded = new Set<WebSocketLike>()

  constructor(options: LinkOptions, events: LinkEvents) {
    this.#options = options
    this.#events = events
  }

  get isOpen(): boolean {
    return this.#phase === 'open'
  }

  get isConnecting(): boolean {
    return this.#phase === 'connecting'
  }

  get isWanted(): boolean {
    return this.#phase !== 'idle'
  }

  get isCut(): boolean {
    return this.#cut
  }

  /** The socket of this moment; it changes with every attempt. */
  get socket(): WebSocketLike | null {
    return this.#socket
  }

  /** Milliseconds since anything came; 0 while not connected. */
  get silentFor(): number {
    return this.isOpen ? Math.max(0, advance(this.#lastHeard, now())) : 0
  }

  /** @throws Error when there is no WebSocket to connect with */
  connect(): void {
    if (this.#phase !== 'idle') return
    this.#options.WebSocket()
    this.#attempt = 0
    this.#dial()
  }

  /** Ends the connection and stays away. Code 1000 tells the server that this session is done. */
  disconnect(code: 1000 | 3000 = LEFT_ALONE): void {
    this.#drop('idle', { code, reason: 'closed by this side' }, code)
  }

  /** All is well: the next loss starts with a short delay, and silence is counted by the server's own clocks. */
  settled(silentAfter: number): void {
    this.#attempt = 0
    this.#closeRetired()
    this.#silentAfter = silentAfter
    clearTimeout(this.#watch)
    this.#watchFor(silentAfter)
  }

  /** Something suggests that an attempt would succeed now (the machine is online again, the tab is shown). */
  nudge(): void {
    if (this.#phase !== 'waiting') return
    clearTimeout(this.#timer)
    this.#dial()
  }

  /**
   * Ends the connection until `nudge`. A page with an open socket is not kept in the browser's cache of whole pages, and
   * one that is kept there runs no timers.
   */
  rest(): void {
    if (this.#phase !== 'idle') this.#drop('waiting', { code: LEFT_ALONE, reason: 'the page was left' })
  }

  /** The present connection is of no more use: end it and start another. */
  giveUp(reason: string): void {
    if (this.isOpen) this.#lost({ code: 1006, reason })
  }

  /**
   * Goes on over a new connection. The present one stays open until the server has taken the new one in its place: to
   * the server it was never lost.
   */
  renew(reason: string): void {
    if (this.#phase === 'idle') return
    const present = this.#phase === 'open' && !this.#cut ? this.#socket : null
    if (present) this.#socket = null
    this.#drop('idle', { code: 1006, reason })
    this.#retired = present
    this.connect()
  }

  #closeRetired(): void {
    this.#retired?.close(LEFT_ALONE)
    this.#retired = null
  }

  send(bytes: Uint8Array): void {
    // A cut network swallows what is sent, and the sender cannot tell.
    if (this.#cut || this.#phase !== 'open') return
    this.#socket?.send(bytes as never)
  }

  /**
   * The experiment: nothing is sent, all that comes is dropped, new attempts fail, and no socket is closed.
   * When the network is back, a socket that lost frames cannot be trusted, so the link starts a new one.
   */
  cut(on: boolean): void {
    if (this.#cut === on) return
    this.#cut = on
    if (on) return
    for (const socket of this.#stranded) socket.close(LEFT_ALONE)
    this.#stranded.clear()
    if (this.#phase === 'open' || this.#phase === 'connecting') {
      this.#lost({ code: 1006, reason: 'the network was cut' })
    }
    this.nudge()
  }

  #dial(): void {
    this.#phase = 'connecting'
    this.#events.connecting()
    // A listener may have changed its mind.
    if (this.#phase !== 'connecting') return
    if (this.#cut) {
      this.#timer = setTimeout(() => this.#lost({ code: 1006, reason: 'the network is cut' }), CUT_ATTEMPT)
      return
    }
    const dialled = ++this.#dialled
    const isLate = (): boolean => dialled !== this.#dialled || this.#phase !== 'connecting'
    const failed = (error: unknown): void => {
      if (!isLate()) this.#lost({ code: 1006, reason: `this attempt could not be prepared: ${String(error)}` })
    }
    const preparing = this.#options.prepare()
    if (preparing === undefined) return this.#open()
    this.#timer = setTimeout(() => failed(`not within ${PREPARATION} ms`), PREPARATION)
    const prepared = (): void => {
      if (isLate()) return
      clearTimeout(this.#timer)
      this.#open()
    }
    preparing.then(prepared).catch(failed)
  }

  #open(): void {
    const WebSocket = this.#options.WebSocket()
    const socket = new WebSocket(this.#options.url(), this.#options.protocols())
    socket.binaryType = 'arraybuffer'
    this.#socket = socket
    socket.onopen = () => this.#opened(socket)
    socket.onmessage = (event: { data: unknown }) => this.#received(socket, event.data)
    socket.onclose = (event: Closed) => this.#ended(socket, { code: event.code, reason: event.reason })
    // `onclose` follows and carries the code; without a handler some implementations throw.
    socket.onerror = () => {}
    this.#heard()
  }

  #opened(socket: WebSocketLike): void {
    if (socket !== this.#socket || this.#cut) return
    this.#phase = 'open'
    this.#heard()
    this.#events.open()
  }

  #received(socket: WebSocketLike, data: unknown): void {
    if (socket !== this.#socket || this.#cut) return
    this.#heard()
    if (data instanceof ArrayBuffer) this.#events.message(new Uint8Array(data))
  }

  #ended(socket: WebSocketLike, closed: Closed): void {
    this.#stranded.delete(socket)
    // The news of a close cannot cross a cut network either; the watchdog will find out.
    if (socket !== this.#socket || this.#cut) return
    if (this.#options.isFinal(closed)) {
      this.#drop('idle', closed)
      this.#events.refused(closed)
    } else {
      this.#lost(closed)
    }
  }

  #heard(): void {
    this.#lastHeard = now()
    if (this.#watch === undefined) this.#watchFor(this.#silentAfter)
  }

  /** One timer that is moved only when it fires: a message costs two clock reads. */
  #watchFor(milliseconds: number): void {
    this.#watch = setTimeout(() => {
      this.#watch = undefined
      if (this.#socket === null) return
      const silent = advance(this.#lastHeard, now())
      if (silent < this.#silentAfter) this.#watchFor(Math.max(1, this.#silentAfter - silent))
      else this.#lost({ code: 1006, reason: 'nothing came from the server for too long' })
    }, milliseconds)
  }

  #lost(closed: Closed): void {
    this.#drop('waiting', closed)
    // A listener may have changed its mind.
    if (this.#phase !== 'waiting') return
    const delay = delayBefore(this.#attempt, this.#options.maxBackoff(), closed.code)
    this.#attempt += 1
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#dial(), delay)
  }

  #drop(next: Phase, closed: Closed, code = LEFT_ALONE): void {
    const before = this.#phase
    const socket = this.#socket
    this.#closeRetired()
    clearTimeout(this.#timer)
    clearTimeout(this.#watch)
    this.#watch = undefined
    this.#phase = next
    this.#socket = null
    if (socket && this.#cut) this.#stranded.add(socket)
    else if (socket && socket.readyState <= OPEN) socket.close(code)
    if (before === 'open' || before === 'connecting') this.#events.closed(closed, before === 'open')
  }
}
