/**
 * The client of one document: which message goes to which part, and when the copy of the document is changed for a fresh
 * one. The parts decide: `Link` when there is a socket, `DocSync` what of the document travels, `Session` what is said on
 * Baton's channel, `Divergence` when a copy is left.
 *
 * Owns the parts from their making to their end, and the promises that wait for a state of them.
 */
import { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import { watchActivity } from './activity.js'
import { urlOf } from './address.js'
import { isFinal } from './backoff.js'
import { encodeClientMessage, type ClientMessage, type ServerMessage, type User } from './channel.js'
import { decodeFrame, encodeFrame, type Frame } from './codec.js'
import { Divergence } from './divergence.js'
import { defaultDrafts, type Draft } from './drafts.js'
import { BatonError } from './error.js'
import type { Emit, ProviderOptions } from './events.js'
import { Inflow, type Taken } from './inflow.js'
import { Link, type Closed } from './link.js'
import { watchPage } from './page.js'
import { Session } from './session.js'
import { decodeServerMessage } from './shapes.js'
import { Siblings } from './siblings.js'
import { socketClass } from './socket.js'
import { DocSync } from './sync.js'
import { dropTicket, leaveTicket, takeTicket } from './tickets.js'
import { TokenSource } from './token.js'
import { Waits, type WaitOptions } from './waits.js'
import { Watcher } from './watcher.js'

/** What a program may change while the client works. */
interface Settings {
  readonly params: Record<string, string>
  readonly protocols: string[]
  readonly maxBackoffTime: number
}

export class Client<Provider extends Settings> {
  readonly session: Session
  readonly link: Link
  readonly divergence: Divergence
  readonly watcher: Watcher
  readonly siblings: Siblings
  readonly #place: string
  readonly #options: ProviderOptions<Provider>
  readonly #provider: Provider
  readonly #emit: Emit
  readonly #token: TokenSource
  readonly #inflow = new Inflow({ take: (frame) => this.#take(frame), failed: (error) => this.#misread(error) })
  readonly #waits = new Waits()
  readonly #unwatch: () => void
  #copy: DocSync
  #synced = false
  #last: Closed | null = null
  /** Why nothing more will come; `null` while something may. */
  #end: BatonError | null = null
  #hidden: Record<string, unknown> | null = null

  /** @param place address of the document, without parameters */
  constructor(place: string, doc: Y.Doc, options: ProviderOptions<Provider>, provider: Provider, emit: Emit) {
    this.#place = place
    this.#options = options
    this.#provider = provider
    this.#emit = emit
    this.#token = new TokenSource(options.token)
    this.siblings = new Siblings(place)
    this.#copy = new DocSync(doc, options.awareness ?? new Awareness(doc), {
      send: (bytes) => this.link.send(bytes),
      isOpen: () => this.link.isOpen,
      synced: () => this.#setSynced(true),
      saves: () => this.#look(),
    })
    this.link = this.#newLink()
    this.session = this.#newSession()
    this.watcher = new Watcher(this.session, () => this.#copy.saves.state, emit, {
      until: (condition, what, options) => this.#waits.until(() => this.#end ?? condition(), () => this.#late(what), options),
      changed: () => this.#look(),
    })
    this.divergence = new Divergence(place, options.drafts ?? defaultDrafts(), {
      copy: () => this.#copy,
      isOpen: () => this.link.isOpen,
      leave: (draft, park, reason) => this.#goOn(draft, park, reason),
      drafts: () => emit('drafts', this.divergence.drafts),
      failed: (error) => emit('channel-error', { code: 'draft', message: `a draft is not kept beyond this page: ${String(error)}`, retry: false }),
    })
    if (options.user) this.#copy.name(options.user)
    watchActivity()
    this.#unwatch = watchPage({
      hidden: () => this.#onHidden(),
      restored: () => this.#onRestored(),
      awake: () => this.link.nudge(),
    })
  }

  /** The copy of the document at hand. */
  get copy(): DocSync {
    return this.#copy
  }

  get isSynced(): boolean {
    return this.#synced
  }

  connect(): void {
    if (this.#end?.code === 'refused') {
      this.#end = null
      this.session.machine.bar(this.divergence.isLeaving ? 'diverged' : null)
    }
    this.link.connect()
  }

  setUser(user: User): void {
    this.session.setUser(user)
    this.#copy.name(user)
  }

  /** Resolves when the session is there and the first sync is complete. */
  ready(options?: WaitOptions): Promise<void> {
    const check = (): boolean | BatonError => this.#end ?? (this.#synced && this.session.isWelcome)
    return this.#waits.until(check, () => this.#late('the document was not in step'), options)
  }

  /** Resolves when all that this copy holds now is durable. */
  saved(options?: WaitOptions): Promise<void> {
    const copy = this.#copy
    const mark = copy.saves.mark()
    const parked = this.session.parked
    const check = (): boolean | BatonError => {
      if (this.#end) return this.#end
      if (this.session.parked !== parked) return new BatonError('parked', 'an edit of this copy was set aside in a park')
      if (copy.saves.reached(mark)) return true
      const isReader = this.session.isWelcome && !this.session.rights.has('write')
      return isReader && copy.saves.unsaved ? new BatonError('read-only', 'this session may not write') : false
    }
    return this.#waits.until(check, () => this.#late('not everything was saved'), options)
  }

  #late(what: string): BatonError {
    const last = this.#last
    const why = this.link.isOpen || last === null ? '' : inWords(last)
    return new BatonError('aborted', `${what} when the caller stopped waiting${why}`, last?.code ?? null)
  }

  /** Leaves for good. */
  destroy(): void {
    this.#end ??= new BatonError('destroyed', 'this provider was destroyed', this.#last?.code ?? null)
    this.watcher.destroy()
    this.divergence.destroy()
    this.#unwatch()
    this.siblings.destroy()
    this.#copy.hide('destroy')
    this.link.disconnect(1000)
    this.session.end()
    // The provider sends no edit from now on, so the editor must take none.
    this.session.machine.bar('closed')
    this.#waits.look()
    this.#copy.destroy()
    const { awareness } = this.#copy
    if (awareness !== this.#options.awareness) awareness.destroy()
    dropTicket(this.#place)
  }

  #look(): void {
    this.watcher.look()
    this.#waits.look()
  }

  #newLink(): Link {
    const options = this.#options
    const provider = this.#provider
    const comesAgain = options.shouldReconnect ?? ((closed: Closed) => !isFinal(closed.code))
    return new Link(
      {
        url: () => urlOf(this.#place, provider.params),
        protocols: () => provider.protocols,
        WebSocket: () => socketClass(options.WebSocketPolyfill),
        maxBackoff: () => provider.maxBackoffTime,
        prepare: () => this.#token.refresh(),
        isFinal: (closed) => !this.#token.isWorthAnother(closed.code) && !comesAgain(closed, provider),
      },
      {
        connecting: () => this.#emit('status', { status: 'connecting' }),
        open: () => this.#opened(),
        message: (bytes) => this.#received(bytes),
        closed: (closed, wasOpen) => this.#closed(closed, wasOpen),
        refused: (closed) => this.#refused(closed),
      },
    )
  }

  #newSession(): Session {
    const ticket = this.#options.resume === false ? null : takeTicket(this.#place)
    return new Session(this.#options, ticket, this.#token, {
      say: (message) => this.#say(message),
      emit: this.#emit,
      changed: () => this.#look(),
      welcomed: (session, timings) => {
        this.siblings.joined(session)
        this.link.settled(timings.server_silent_after)
      },
      saved: (updates) => this.#copy.saves.acknowledged(updates),
      // On a new connection the edits that were not taken count as saved when they are.
      mayWriteAgain: () => {
        if (this.#copy.saves.unsaved) this.link.renew('this page may edit again')
      },
      parked: (id, reason) => this.#parked(id, reason),
      parks: (parks, epoch) => this.divergence.decided(parks, epoch),
    })
  }

  #say(message: ClientMessage): void {
    this.link.send(encodeFrame({ kind: 'baton', json: encodeClientMessage(message) }))
  }

  #setSynced(synced: boolean): void {
    if (this.#synced === synced) return
    this.#synced = synced
    this.#emit('synced', synced)
    this.#emit('sync', synced)
    this.#waits.look()
  }

  #opened(): void {
    this.session.opened(this.#copy.doc.clientID)
    this.#copy.opened()
    this.#emit('status', { status: 'connected' })
    this.#look()
  }

  #closed(closed: Closed, wasOpen: boolean): void {
    this.#last = closed
    this.#inflow.closed()
    this.session.closed()
    if (wasOpen) {
      this.#setSynced(false)
      this.#copy.closed()
      this.#emit('status', { status: 'disconnected' })
      this.#emit('connection-close', closed, this.#provider)
    } else {
      this.#emit('connection-error', closed, this.#provider)
    }
    this.#look()
  }

  #refused(closed: Closed): void {
    this.#end = new BatonError('refused', `the server turned this client away${inWords(closed)}`, closed.code)
    this.session.refused()
    this.#emit('closed', closed, this.#provider)
    this.#look()
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
    this.#emit('channel-error', { code: 'protocol', message: `the server sent what is no frame: ${String(error)}`, retry: true })
    this.link.giveUp('a frame of the server was not understood')
  }

  #take(frame: Taken): void {
    let message: ServerMessage | null
    try {
      message = frame.kind === 'baton' ? decodeServerMessage(frame.json) : null
    } catch (error) {
      return this.#misread(error)
    }
    if (this.#copy.frame(frame)) return
    if (frame.kind === 'denied') this.#emit('denied', frame.reason)
    if (message === null) return
    this.session.told(message)
    this.divergence.look()
    this.#look()
  }

  #parked(id: number, reason: string): void {
    const { id: session, epoch } = this.session
    if (session === null || epoch === null) return
    // A suggestion: a fresh copy of a reader could suggest the same again and again.
    if (!this.session.rights.has('write')) return this.#emit('parked', { id, reason })
    this.session.machine.bar('diverged')
    this.#look()
    this.#emit('parked', { id, reason })
    this.divergence.parked(id, reason, session, epoch)
  }

  /** The copy at hand is left; the page goes on with a fresh one, as the same session over a new connection. */
  #goOn(draft: Draft, park: number, reason: string): void {
    const old = this.#copy
    if (this.#end?.code !== 'refused') this.session.machine.bar(null)
    const fresh = old.leave()
    this.#copy = fresh
    this.link.renew('this copy has diverged')
    this.#emit('doc', fresh.doc, old.doc)
    this.#emit('diverged', { draft, park, reason })
    if (old.awareness !== this.#options.awareness) old.awareness.destroy()
    this.#look()
  }

  /** The page may be reloading: the others no longer see its cursor, but the session and its locks are kept. */
  #onHidden(): void {
    this.#hidden = this.#copy.hide('pagehide')
    if (this.session.ticket) leaveTicket(this.#place, this.session.ticket)
    this.link.rest()
  }

  #onRestored(): void {
    dropTicket(this.#place)
    if (this.#hidden) this.#copy.awareness.setLocalState(this.#hidden)
    this.link.nudge()
  }
}

/** How the last connection ended, behind what follows from it. */
const inWords = ({ code, reason }: Closed): string => ` (close code ${code}${reason && `: ${reason}`})`
