/**
 * A small server for tests of the client: rooms in memory, the channel of docs/protocol.md as far as a client can
 * see it. It stores nothing and makes no promise; it is not a second implementation of Baton.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { deflateRawSync } from 'node:zlib'
import * as encoding from 'lib0/encoding'
import { WebSocketServer, type WebSocket } from 'ws'
import * as awarenessProtocol from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { ClientMessage, Hello, Outcome, ParkView, Peer, Right, ServerMessage, Timings } from '../client/src/channel'
import { decodeFrame, encodeFrame } from '../client/src/codec'
import { FakeLocks } from './fake-locks'
import { encodeServerFrame } from './server-frames'

/** The defaults of docs/protocol.md. */
export const TIMINGS: Timings = {
  beat_every: 5000,
  server_silent_after: 10_000,
  offline_after: 10_000,
  offer: 2000,
  grace: 5000,
  client_stop: 6500,
  drain: 3000,
  request: 30_000,
  idle_yield: 90_000,
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
}

interface Connection {
  socket: WebSocket
  session: Session | null
  syncs: number
  /** It asked for a compressed first sync. */
  compressed: boolean
  clients: Set<number>
}

/** Edits that were set aside. */
interface Park {
  view: ParkView
  updates: Uint8Array[]
  /** Yjs client of the copy that they came from. */
  client: number
}

export class Room {
  readonly doc = new Y.Doc()
  readonly awareness = new awarenessProtocol.Awareness(this.doc)
  readonly sessions = new Map<number, Session>()
  readonly connections = new Set<Connection>()
  readonly parks = new Map<number, Park>()
  readonly locks: FakeLocks
  /** Everything that clients said on the channel, for tests to look at. */
  readonly heard: ClientMessage[] = []
  /** While true, nothing is acknowledged as saved. */
  holdSaves = false
  /** What a hostile server makes of a compressed update. */
  spoil: (payload: Uint8Array) => Uint8Array = (payload) => payload
  rights: Right[] = ['write', 'lock', 'take-over', 'manage']
  #position = 10
  readonly #beats: ReturnType<typeof setInterval>
  readonly #timings: Timings

  constructor(timings: Timings) {
    this.#timings = timings
    this.locks = new FakeLocks({
      position: () => ++this.#position,
      timings,
      tell: (session, message) => this.tell(session, message),
      all: (message) => this.#all(message),
      live: () => [...this.sessions.values()].filter((s) => s.connection !== null && s.peer.state !== 'offline' && !s.peer.observer).map((s) => s.id),
      granted: (session) => this.#mergeOwn(session),
    })
    this.awareness.setLocalState(null)
    this.#beats = setInterval(() => this.#tick(), Math.max(20, timings.beat_every * 0.4))
    this.doc.on('update', (update: Uint8Array, origin: unknown) => {
      for (const other of this.connections) if (other !== origin) this.#frame(other, encodeFrame({ kind: 'update', bytes: update }))
    })
    this.awareness.on('update', ({ added, updated, removed }: Record<'added' | 'updated' | 'removed', number[]>) => {
      const update = awarenessProtocol.encodeAwarenessUpdate(this.awareness, [...added, ...updated, ...removed])
      for (const one of this.connections) this.#frame(one, encodeFrame({ kind: 'awareness', bytes: update }))
    })
  }

  join(socket: WebSocket): void {
    const connection: Connection = { socket, session: null, syncs: 0, compressed: false, clients: new Set() }
    this.connections.add(connection)
    this.#frame(connection, encodeFrame({ kind: 'step1', bytes: Y.encodeStateVector(this.doc) }))
    const here = [...this.awareness.getStates().keys()]
    if (here.length > 0) {
      this.#frame(connection, encodeFrame({ kind: 'awareness', bytes: awarenessProtocol.encodeAwarenessUpdate(this.awareness, here) }))
    }
    socket.on('message', (data: Buffer) => this.#received(connection, new Uint8Array(data)))
    socket.on('close', (code: number) => this.#left(connection, code))
  }

  /** Says something to one session, as a server might. */
  tell(session: number, message: ServerMessage): void {
    const connection = this.sessions.get(session)?.connection
    if (connection) this.#say(connection, message)
  }

  close(): void {
    clearInterval(this.#beats)
    this.locks.close()
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
      this.#answer(from, Y.encodeStateAsUpdate(this.doc, frame.bytes))
    } else if (frame.kind === 'step2' || frame.kind === 'update') {
      this.#edit(from, frame.bytes)
    } else if (frame.kind === 'awareness') {
      awarenessProtocol.applyAwarenessUpdate(this.awareness, frame.bytes, from)
      for (const client of this.awareness.getStates().keys()) if (client === from.session?.peer.client) from.clients.add(client)
    } else if (frame.kind === 'baton') {
      const message = JSON.parse(frame.json) as ClientMessage
      this.heard.push(message)
      if (message.type === 'hello') this.#hello(from, message)
      else if (from.session) this.#told(from.session, message)
    }
  }

  #answer(to: Connection, update: Uint8Array): void {
    if (!to.compressed || update.length < 1024) return this.#frame(to, encodeFrame({ kind: 'step2', bytes: update }))
    const payload = this.spoil(compressed(update))
    this.#frame(to, encodeServerFrame({ kind: 'compressed', step: 'step2', payload }))
  }

  #edit(from: Connection, update: Uint8Array): void {
    const mine = ++from.syncs
    const session = from.session
    const roots = rootsChanged(this.doc, update)
    const diverged = session && [...this.parks.values()].find((park) => park.client === session.peer.client && park.view.state === 'open')
    if (session && roots !== null && (diverged || !this.locks.mayWrite(session.id, roots))) this.#park(session, update, diverged)
    else Y.applyUpdate(this.doc, update, from)
    if (session && !this.holdSaves) setTimeout(() => this.#say(from, { type: 'saved', updates: mine }), 5)
  }

  #park(session: Session, update: Uint8Array, into: Park | null | undefined): void {
    const id = into?.view.id ?? ++this.#position
    const { user, client = 0 } = session.peer
    const park: Park = into ?? {
      view: { id, session: session.id, user, at_ms: Date.now(), reason: 'locked', edits: 0, inserted: 0, deleted: 0, bytes: 0, state: 'open' },
      updates: [],
      client,
    }
    park.updates.push(update)
    park.view = { ...park.view, edits: park.updates.length, bytes: park.view.bytes + update.length }
    this.parks.set(id, park)
    this.tell(session.id, { type: 'parked', id, reason: 'somebody else holds the lock' })
    this.#all({ type: 'park', park: park.view })
  }

  #decide(id: number, what: 'merge' | 'discard' | 'recover'): Outcome {
    const park = this.parks.get(id)
    if (!park) return 'unknown'
    if (what === 'merge') for (const update of park.updates) Y.applyUpdate(this.doc, update)
    park.view = { ...park.view, state: what === 'merge' ? 'merged' : what === 'discard' ? 'discarded' : 'open' }
    this.#all({ type: 'park', park: park.view })
    return 'done'
  }

  #mergeOwn(session: number): void {
    for (const { view } of this.parks.values()) if (view.session === session && view.state === 'open') this.#decide(view.id, 'merge')
  }

  #hello(from: Connection, hello: Hello): void {
    from.compressed = hello.encodings?.includes('deflate-raw') ?? false
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
    this.locks.suspect(session.id, true)
    const roster = [...this.sessions.values()].map((s) => s.peer)
    const lock = this.locks.view()
    const parks = [...this.parks.values()].map(({ view }) => view)
    this.#say(from, {
      type: 'welcome', version: 1, session: session.id, token: session.token, resumed, epoch: 1, timings: this.#timings, roster, lock, rights: this.rights, parks,
    })
    this.#all({ type: 'peer', peer: session.peer })
    if (resumed) this.#all({ type: 'lock', lock })
  }

  #newSession(hello: Hello): Session {
    const id = ++this.#position
    const peer: Peer = { session: id, user: hello.user ?? { name: '', color: '' }, state: 'online', lock: true, observer: hello.observer ?? false }
    const session = { id, token: '', peer, connection: null, answeredAt: Date.now(), confirmed: 0, beat: 0 }
    this.sessions.set(id, session)
    return session
  }

  #told(session: Session, message: Exclude<ClientMessage, Hello>): void {
    const { locks } = this
    const result = (outcome: Outcome): void => {
      if ('nonce' in message) this.tell(session.id, { type: 'result', nonce: message.nonce, outcome })
    }
    switch (message.type) {
      case 'answer':
        session.answeredAt = Date.now()
        session.confirmed = message.n
        return this.#state(session, 'online')
      case 'profile':
        session.peer = { ...session.peer, user: message.user }
        return this.#all({ type: 'peer', peer: session.peer })
      case 'acquire':
      case 'try':
        return result(locks.acquire(session.id, message.paths, message.type === 'acquire'))
      case 'cancel':
        locks.cancel(session.id)
        return result('done')
      case 'claim':
        return locks.claim(session.id, message.fence)
      case 'decline':
        return locks.decline(session.id, message.fence, message.later ?? false)
      case 'drained':
        return locks.drained(session.id, message.fence)
      case 'release':
        return result(locks.release(session.id, message.fence))
      case 'transfer':
        return result(locks.transfer(session.id, message.fence, message.to))
      case 'request':
        return result(locks.request(session.id, message.paths, message.note))
      case 'take-over':
        return result(this.rights.includes('take-over') ? locks.take(session.id, message.paths, 'taken-over') : 'not-allowed')
      case 'move-here':
        return result(locks.take(session.id, message.paths, 'moved'))
      case 'set-mode':
        locks.mode = message.mode
        locks.announce()
        return result('done')
      case 'merge-park':
      case 'discard-park':
      case 'recover-park':
        return result(this.#decide(message.id, message.type.split('-')[0] as 'merge' | 'discard' | 'recover'))
      case 'show-park':
        if (!this.parks.has(message.id)) return result('unknown')
        return this.tell(session.id, { type: 'park-content', nonce: message.nonce, id: message.id, parts: [{ root: 'content', kind: 'insert', text: 'parked' }], truncated: false })
    }
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
        this.locks.expire(session.id, 'nothing was heard from this page for too long')
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
      this.#state(session, 'gone')
      return this.locks.left(session.id)
    }
    this.#state(session, 'offline')
    this.locks.suspect(session.id, false)
    this.locks.announce()
  }
}

/** The payload of a compressed update: its length, and the stream. `length` is what it states. */
export function compressed(update: Uint8Array, length = update.length): Uint8Array {
  return encoding.encode((to) => {
    encoding.writeVarUint(to, length)
    encoding.writeUint8Array(to, deflateRawSync(update))
  })
}

/** The root types that an update would change; `null` when it changes nothing. */
function rootsChanged(doc: Y.Doc, update: Uint8Array): string[] | null {
  const copy = new Y.Doc()
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc))
  const before = Y.encodeStateAsUpdate(copy).join()
  const changed = new Set<string>()
  copy.on('afterTransaction', (transaction: Y.Transaction) => {
    for (const type of transaction.changed.keys()) for (const [name, root] of copy.share) if ((root as unknown) === type) changed.add(name)
  })
  Y.applyUpdate(copy, update)
  return Y.encodeStateAsUpdate(copy).join() === before ? null : [...changed]
}

export interface FakeServer {
  readonly url: string
  readonly port: number
  room(name: string): Room
  /** Close code that new connections get instead of a room; `null` lets them in. */
  turnAway: number | null
  /** How many connections were turned away. */
  turnedAway: number
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
  const fake = { turnAway: null as number | null, turnedAway: 0 }
  sockets.on('connection', (socket, request) => {
    const path = (request.url ?? '').split('?')[0] ?? ''
    if (fake.turnAway !== null) {
      fake.turnedAway += 1
      return socket.close(fake.turnAway)
    }
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
