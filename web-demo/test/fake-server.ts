/**
 * A small server for tests of the client: rooms in memory, the channel of docs/protocol.md as far as a client can
 * see it. It stores nothing and makes no promise; it is not a second implementation of Baton.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import * as awarenessProtocol from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { ClientMessage, Fence, LockView, Peer, ServerMessage, Timings } from '../client/src/channel'
import { decodeFrame, encodeFrame } from '../client/src/codec'

/** The defaults of docs/protocol.md. */
export const TIMINGS: Timings = {
  beat_every: 5000,
  server_silent_after: 10_000,
  offline_after: 10_000,
  offer: 2000,
  grace: 5000,
  client_stop: 7000,
}

interface Session {
  id: number
  token: string
  peer: Peer
  connection: Connection | null
  /** When the newest answer came, and which beat it answered. */
  answeredAt: number
  confirmed: number
  beat: number
  diverged: boolean
}

interface Connection {
  socket: WebSocket
  session: Session | null
  syncs: number
  clients: Set<number>
}

export class Room {
  readonly doc = new Y.Doc()
  readonly awareness = new awarenessProtocol.Awareness(this.doc)
  readonly sessions = new Map<number, Session>()
  readonly connections = new Set<Connection>()
  /** Everything that clients said on the channel, for tests to look at. */
  readonly heard: ClientMessage[] = []
  /** While true, nothing is acknowledged as saved. */
  holdSaves = false
  /** While true, no offer is made by itself and no claim is granted. */
  holdGrants = false
  #position = 10
  #holder: { session: Session; fence: Fence; state: 'offered' | 'held' | 'suspect' } | null = null
  #queue: Session[] = []
  #timer: ReturnType<typeof setTimeout> | undefined
  readonly #beats: ReturnType<typeof setInterval>
  readonly #timings: Timings

  constructor(timings: Timings) {
    this.#timings = timings
    this.awareness.setLocalState(null)
    this.#beats = setInterval(() => this.#tick(), Math.max(20, timings.beat_every * 0.4))
    this.doc.on('update', (update: Uint8Array, origin: unknown) => {
      for (const other of this.connections) if (other !== origin) this.#frame(other, encodeFrame({ kind: 'update', update }))
    })
    this.awareness.on('update', ({ added, updated, removed }: Record<'added' | 'updated' | 'removed', number[]>) => {
      const update = awarenessProtocol.encodeAwarenessUpdate(this.awareness, [...added, ...updated, ...removed])
      for (const one of this.connections) this.#frame(one, encodeFrame({ kind: 'awareness', update }))
    })
  }

  view(): LockView {
    const lock = this.#holder
    return {
      version: ++this.#position,
      state: lock?.state ?? 'free',
      ...(lock && { session: lock.session.id, fence: lock.fence }),
      queue: this.#queue.map((s) => s.id),
      waiting: this.#queue.length,
    }
  }

  join(socket: WebSocket): void {
    const connection: Connection = { socket, session: null, syncs: 0, clients: new Set() }
    this.connections.add(connection)
    this.#frame(connection, encodeFrame({ kind: 'step1', stateVector: Y.encodeStateVector(this.doc) }))
    const here = [...this.awareness.getStates().keys()]
    if (here.length > 0) {
      this.#frame(connection, encodeFrame({ kind: 'awareness', update: awarenessProtocol.encodeAwarenessUpdate(this.awareness, here) }))
    }
    socket.on('message', (data: Buffer) => this.#received(connection, new Uint8Array(data)))
    socket.on('close', (code: number) => this.#left(connection, code))
  }

  /** Says something to one session, as a server might. */
  tell(session: number, message: ServerMessage): void {
    const connection = this.sessions.get(session)?.connection
    if (connection) this.#say(connection, message)
  }

  /** Passes the lock on, as if its holder had been declared offline. */
  passOn(reason: string): void {
    const holder = this.#holder
    if (!holder) return
    this.tell(holder.session.id, { type: 'lost', fence: holder.fence, reason })
    this.#holder = null
    this.#next(holder.session)
  }

  close(): void {
    clearInterval(this.#beats)
    clearTimeout(this.#timer)
    this.awareness.destroy()
  }

  #frame(to: Connection, bytes: Uint8Array): void {
    if (to.socket.readyState === to.socket.OPEN) to.socket.send(bytes)
  }

  #say(to: Connection, message: ServerMessage): void {
    this.#frame(to, encodeFrame({ kind: 'baton', json: JSON.stringify(message) }))
  }

  #all(message: ServerMessage): void {
    for (const one of this.connections) if (one.session) this.#say(one, message)
  }

  #received(from: Connection, bytes: Uint8Array): void {
    const frame = decodeFrame(bytes)
    if (frame.kind === 'step1') {
      this.#frame(from, encodeFrame({ kind: 'step2', update: Y.encodeStateAsUpdate(this.doc, frame.stateVector) }))
    } else if (frame.kind === 'step2' || frame.kind === 'update') {
      this.#edit(from, frame.update)
    } else if (frame.kind === 'awareness') {
      awarenessProtocol.applyAwarenessUpdate(this.awareness, frame.update, from)
      for (const client of this.awareness.getStates().keys()) if (client === from.session?.peer.client) from.clients.add(client)
    } else if (frame.kind === 'baton') {
      const message = JSON.parse(frame.json) as ClientMessage
      this.heard.push(message)
      if (message.type === 'hello') this.#hello(from, message)
      else if (from.session) this.#told(from.session, message)
    }
  }

  #edit(from: Connection, update: Uint8Array): void {
    const mine = ++from.syncs
    const session = from.session
    const nothing = update.length === 2
    const locked = this.#holder !== null && this.#holder.session !== session
    if (session && !nothing && (session.diverged || (locked && addsTo(this.doc, update)))) {
      session.diverged = true
      this.#say(from, { type: 'parked', id: ++this.#position, reason: 'somebody else holds the lock' })
    } else {
      Y.applyUpdate(this.doc, update, from)
    }
    if (session && !this.holdSaves) setTimeout(() => this.#say(from, { type: 'saved', updates: mine }), 5)
  }

  #hello(from: Connection, hello: ClientMessage & { type: 'hello' }): void {
    const old = hello.resume && this.sessions.get(hello.resume.session)
    const resumed = old?.token === hello.resume?.token && old !== undefined
    const session: Session = resumed ? old : this.#newSession(hello)
    if (session.connection) {
      session.connection.session = null
      session.connection.socket.close(4409)
    }
    Object.assign(session, { connection: from, token: randomUUID(), answeredAt: Date.now() })
    session.peer = { ...session.peer, user: hello.user ?? session.peer.user, state: 'online', ...(hello.client !== undefined && { client: hello.client }) }
    from.session = session
    if (this.#holder?.session === session && this.#holder.state === 'suspect') {
      clearTimeout(this.#timer)
      this.#holder.state = 'held'
    }
    const roster = [...this.sessions.values()].map((s) => s.peer)
    const lock = this.view()
    this.#say(from, {
      type: 'welcome', version: 1, session: session.id, token: session.token, resumed, epoch: 1, timings: this.#timings, roster, lock,
    })
    this.#all({ type: 'peer', peer: session.peer })
    if (resumed) this.#all({ type: 'lock', lock })
  }

  #newSession(hello: ClientMessage & { type: 'hello' }): Session {
    const id = ++this.#position
    const peer: Peer = { session: id, user: hello.user ?? { name: '', color: '' }, state: 'online', lock: true, observer: hello.observer ?? false }
    const session = { id, token: '', peer, connection: null, answeredAt: Date.now(), confirmed: 0, beat: 0, diverged: false }
    this.sessions.set(id, session)
    return session
  }

  #told(session: Session, message: ClientMessage): void {
    const result = (nonce: number, outcome: 'done' | 'queued' | 'busy' | 'stale'): void =>
      this.tell(session.id, { type: 'result', nonce, outcome })
    const holds = this.#holder?.session === session
    switch (message.type) {
      case 'answer':
        session.answeredAt = Date.now()
        session.confirmed = message.n
        return this.#state(session, 'online')
      case 'profile':
        session.peer = { ...session.peer, user: message.user }
        return this.#all({ type: 'peer', peer: session.peer })
      case 'acquire':
        if (!this.#queue.includes(session) && !holds) this.#queue.push(session)
        result(message.nonce, this.#holder && !holds ? 'queued' : 'done')
        return this.#holder ? this.#announce() : this.#next(null)
      case 'try':
        if (this.#holder && !holds) return result(message.nonce, 'busy')
        if (!holds) this.#queue.unshift(session)
        result(message.nonce, 'done')
        return this.#next(null)
      case 'cancel':
        this.#queue = this.#queue.filter((s) => s !== session)
        result(message.nonce, 'done')
        return this.#announce()
      case 'claim':
        return this.#claimed(session, message.fence)
      case 'decline':
        if (holds) this.#next(session)
        return
      case 'release':
        if (!holds || this.#holder?.fence.position !== message.fence.position) return result(message.nonce, 'stale')
        result(message.nonce, 'done')
        return this.#next(null, true)
    }
  }

  #claimed(session: Session, fence: Fence): void {
    const lock = this.#holder
    if (this.holdGrants || lock?.session !== session || lock.fence.position !== fence.position) return
    clearTimeout(this.#timer)
    lock.state = 'held'
    this.#queue = this.#queue.filter((s) => s !== session)
    this.tell(session.id, { type: 'granted', fence })
    this.#announce()
  }

  /** Offers the lock to the next, or frees it. `past` is one that shall not get it back at once. */
  #next(past: Session | null, byTicketOnly = past === null): void {
    if (this.holdGrants) return
    clearTimeout(this.#timer)
    const live = (s: Session): boolean => s !== past && s.connection !== null && s.peer.state !== 'offline'
    const heir = this.#queue.find(live) ?? (byTicketOnly ? undefined : [...this.sessions.values()].find((s) => live(s) && !s.peer.observer))
    this.#holder = heir ? { session: heir, fence: { epoch: 1, position: ++this.#position }, state: 'offered' } : null
    this.#announce()
    if (!heir || !this.#holder) return
    this.tell(heir.id, { type: 'offer', fence: this.#holder.fence, expires_ms: this.#timings.offer })
    this.#timer = setTimeout(() => this.passOn('the offer was not claimed in time'), this.#timings.offer)
  }

  #announce(): void {
    this.#all({ type: 'lock', lock: this.view() })
  }

  #state(session: Session, state: Peer['state']): void {
    if (session.peer.state === state) return
    session.peer = { ...session.peer, state }
    this.#all({ type: 'peer', peer: session.peer })
  }

  #tick(): void {
    for (const session of this.sessions.values()) {
      if (!session.connection) continue
      const silent = Date.now() - session.answeredAt
      this.#say(session.connection, { type: 'beat', n: ++session.beat, confirmed: session.confirmed })
      if (silent >= this.#timings.offline_after) {
        this.#state(session, 'offline')
        if (this.#holder?.session === session) this.passOn('nothing was heard from this page for too long')
      } else if (silent >= this.#timings.offline_after * 0.6) {
        this.#state(session, 'shaky')
      }
    }
  }

  #left(connection: Connection, code: number): void {
    this.connections.delete(connection)
    awarenessProtocol.removeAwarenessStates(this.awareness, [...connection.clients], connection)
    const session = connection.session
    if (!session || session.connection !== connection) return
    session.connection = null
    if (code === 1000) {
      this.sessions.delete(session.id)
      this.#queue = this.#queue.filter((s) => s !== session)
      this.#state(session, 'gone')
      if (this.#holder?.session === session) this.#next(null, true)
      return
    }
    this.#state(session, 'offline')
    if (this.#holder?.session !== session) return
    this.#holder.state = 'suspect'
    this.#announce()
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.passOn('the connection was lost'), this.#timings.grace)
  }
}

/** Whether an update would change the document. */
function addsTo(doc: Y.Doc, update: Uint8Array): boolean {
  const copy = new Y.Doc()
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc))
  let changed = false
  copy.on('update', () => (changed = true))
  Y.applyUpdate(copy, update)
  return changed
}

export interface FakeServer {
  readonly url: string
  readonly port: number
  room(name: string): Room
  /** Close code that new connections get instead of a room; `null` lets them in. */
  turnAway: number | null
  close(): Promise<void>
}

/** Starts a server on a free port of this machine, or on the one given. */
export async function fakeServer(timings: Partial<Timings> = {}, port = 0): Promise<FakeServer> {
  const rooms = new Map<string, Room>()
  const room = (name: string): Room => {
    const known = rooms.get(name) ?? new Room({ ...TIMINGS, ...timings })
    rooms.set(name, known)
    return known
  }
  const http: Server = createServer()
  const sockets = new WebSocketServer({ server: http })
  const fake = { turnAway: null as number | null }
  sockets.on('connection', (socket, request) => {
    const path = (request.url ?? '').split('?')[0] ?? ''
    if (fake.turnAway !== null) return socket.close(fake.turnAway)
    room(decodeURIComponent(path.replace(/^\/ws\//, ''))).join(socket)
  })
  await new Promise<void>((done) => http.listen(port, '127.0.0.1', done))
  const bound = (http.address() as AddressInfo).port
  return Object.assign(fake, {
    url: `ws://127.0.0.1:${bound}/ws`,
    port: bound,
    room,
    async close() {
      for (const one of rooms.values()) one.close()
      for (const socket of sockets.clients) socket.terminate()
      await new Promise((done) => http.close(done))
    },
  })
}
