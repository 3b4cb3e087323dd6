// A client as docs/protocol.md describes it, of Baton's channel or a stock one, that can be told to misbehave.
//
// Owns one copy of a document after another, one session after another, and the history of both. It decides nothing at random but
// what its own random choices say, so that a seed repeats it as far as a server can be repeated.

import { Connection } from './connection.js'
import { Copy } from './copy.js'
import { Link } from './link.js'
import { Locks } from './locks.js'
import { reaches } from './paths.js'
import * as wire from './wire.js'

/** Events that a person remembers for a finding. */
const REMEMBERED = 80

export class Person {
  connection = null
  copy = null
  session = null
  token = null
  /** Tokens of before. */
  tokens = []
  view = null
  /** Answers beats. */
  answers = true
  /** Does everything at once and gives everything back: at quiet points. */
  polite = false
  /** A second connection that is to go on with the session of the first. */
  next = null
  /** Parks of the document, as it was told. */
  parks = new Map()
  events = []
  /** Time from which it may connect again. */
  comes = 0
  locks = new Locks(this)
  #nonce = 0

  constructor (room, number, random, { channel, direct = false, observer = false }) {
    Object.assign(this, { room, number, random, channel, observer })
    this.world = room.world
    this.name = `${observer ? 'witness' : channel ? 'person' : 'stock'} ${number}`
    this.link = direct ? null : new Link(() => this.world.server.address)
    this.key = random.chance(0.3) ? `a secret of two sessions ${number % 3}` : undefined
    this.fresh()
  }

  async ready () {
    await this.link?.open()
  }

  note (text) {
    this.events.push({ at: this.world.now(), text })
    if (this.events.length > REMEMBERED) this.events.shift()
  }

  // The document

  /** Starts a new copy under a new Yjs client id. */
  fresh (id = this.random.between(1, 2 ** 31)) {
    this.copy?.close()
    this.copy = new Copy(this, id)
  }

  /** Starts a new copy, and is welcomed with it. */
  anew () {
    this.hurt('opens the document afresh', () => {
      const { next, connection } = this
      this.next = null
      next?.drop()
      connection?.drop()
    })
    this.fresh()
  }

  /** Tells if a client that keeps to the rules may write there now. */
  mayEdit (root) {
    if (this.locks.reach(root)) return true
    const { mode = 'exclusive-when-held', grants = [] } = this.view ?? {}
    if (mode === 'open') return true
    if (mode === 'required') return false
    return !grants.some(({ paths, session }) => session !== this.session && reaches(paths, root))
  }

  /** Sends what waits, see {@link Copy.flush}, if it was greeted. */
  flush (manner = 'all') {
    const { connection } = this
    if (connection?.open && (connection.welcome || !this.channel)) this.copy.flush(connection, manner)
  }

  // Connecting

  /** @param {'own' | 'old' | 'wrong' | 'none'} resume with which token it comes back */
  connect (resume = 'own', fences = 'held') {
    this.connection = this.#dial(resume, fences)
  }

  /** Comes a second time with the session of a connection that still stands. */
  again () {
    if (this.next) return
    this.next = this.#dial('own', 'held')
    this.next.second = true
  }

  #dial (resume, fences) {
    const connection = new Connection(this.world.number(), this.link?.address ?? this.world.server.address,
      this.world.server.address, this.room.name, {
        opened: (connection) => this.#hello(connection, resume, fences),
        came: (connection, frame) => this.#came(connection, frame),
        ended: (connection) => this.#ended(connection)
      })
    this.room.connections.push({ person: this, connection })
    this.note(`connects (${connection.number}${this.channel ? `, token ${resume}` : ''})`)
    return connection
  }

  #hello (connection, resume, fences) {
    if (this.channel) {
      const hello = { type: 'hello', version: 1, user: { name: this.name, color: '#30507a' }, client: this.copy.doc.clientID }
      if (this.key) hello.user_key = this.key
      if (this.observer) hello.observer = true
      if (this.session !== null && resume !== 'none') {
        const token = { own: this.token, old: this.random.pick([this.token, ...this.tokens]), wrong: 'no token of anybody' }[resume]
        hello.resume = { session: this.session, token }
        const held = this.locks.fences
        if (fences === 'held' && held.length > 0) hello.fences = held
        if (fences === 'wrong') hello.fences = [{ epoch: 1, position: 999_999_999 }]
        if (fences === 'some') hello.fences = held.slice(1)
      }
      connection.stranger = this.session !== null && resume !== 'own'
      connection.back = hello.resume && { session: this.session, resume, gone: this.gone?.at, soon: this.gone?.soon }
      connection.say(hello)
    }
    connection.send(wire.sync('step1', this.copy.vector))
  }

  #ended (connection) {
    this.note(`connection ${connection.number} ended: ${connection.code} ${connection.auth}`)
    if (connection.code === 4423 || connection.code === 4411) this.copy.diverged = true
    if (connection === this.next) this.next = null
    this.locks.unanswered([...connection.asked.values()].filter(({ answers }) => answers === 0).map(({ type }) => type))
    if (connection !== this.connection) return
    if (this.next) {
      // The other one has its session, or will have it.
      connection.replaced = true
      this.locks.stops()
      this.connection = this.next
      this.next = null
      return
    }
    this.connection = null
    // A token of a welcome that did not arrive may have taken its place; and who said goodbye has no session.
    this.gone = { at: performance.now(), soon: connection.welcome !== null && connection.code !== 1000 && connection.code !== 4409 }
    this.locks.stops()
    this.comes = performance.now() + (this.polite ? 0 : this.random.weighted([[4, 0], [3, this.random.below(500)], [1, this.random.below(4000)]]))
  }

  leave () {
    this.note('leaves')
    this.connection?.close(1000)
    this.locks.ticket = null
  }

  // Messages that come

  #came (connection, frame) {
    switch (frame.kind) {
      case 'step1': return this.copy.answer(connection, frame.payload)
      case 'step2':
      case 'update':
        this.copy.apply(frame.payload)
        if (frame.kind === 'step2') connection.synced = true
        return
      case 'auth':
        connection.auth = frame.reason
        return this.note(`is told: ${frame.reason}`)
      case 'channel': return this.#hears(connection, frame.message)
    }
  }

  #hears (connection, message) {
    if (message.type !== 'beat' && message.type !== 'peer') this.note(`< ${JSON.stringify(message).slice(0, 300)}`)
    this.room.told.push({ person: this, connection, message, at: performance.now() })
    switch (message.type) {
      case 'saved': return this.#saved(connection, message.updates)
      case 'result':
      case 'park-content': return this.#answered(connection, message)
      case 'welcome': return this.#welcomed(connection, message)
      case 'error':
        connection.errors = (connection.errors ?? 0) + 1
        if (message.code === 'park-full') this.copy.refused = this.copy.diverged = true
        return
      case 'parked':
        this.copy.diverged = true
        return
    }
    if (connection !== this.connection) return
    switch (message.type) {
      case 'beat': {
        const beat = { n: message.n, confirmed: message.confirmed, answered: this.answers }
        connection.beats.push(beat)
        if (connection.beats.length > 50) connection.beats.shift()
        if (this.answers) connection.say({ type: 'answer', n: message.n, visible: true, idle_ms: 0 })
        break
      }
      case 'lock':
        if (this.view === null || message.lock.version >= this.view.version) this.view = message.lock
        break
      case 'peer': this.#peer(message.peer); break
      case 'park': this.#parks([message.park]); break
      default: this.locks.hears(message)
    }
  }

  #parks (parks) {
    for (const park of parks) {
      this.parks.set(park.id, park)
      this.room.parks.set(park.id, park)
    }
  }

  #peer (peer) {
    if (peer.state === 'gone') this.roster?.delete(peer.session)
    else this.roster?.set(peer.session, peer)
  }

  #welcomed (connection, message) {
    connection.welcome = message
    if (connection !== this.connection) {
      if (!message.resumed) {
        // A new session has no use for it.
        connection.close(1000)
        return
      }
      if (this.connection) this.connection.replaced = true
      this.connection = connection
      this.next = null
    }
    if (this.token) this.tokens.push(this.token)
    this.session = message.session
    this.token = message.token
    this.view = message.lock
    this.roster = new Map(message.roster.map((peer) => [peer.session, peer]))
    this.parks = new Map()
    this.#parks(message.parks ?? [])
    this.locks.welcomed(message.resumed)
    // All of it once more: a connection that is replaced may not have come to it.
    if (connection.second) connection.edit('update', this.copy.whole)
  }

  #saved (connection, updates) {
    connection.savedBack ||= updates < connection.saved || updates > connection.sent.length
    for (const content of connection.sent.slice(connection.saved, updates)) {
      this.room.ledger.push({ person: this, connection, refused: this.copy.refused, ...content })
    }
    connection.saved = updates
  }

  #answered (connection, message) {
    const asked = connection.asked.get(message.nonce)
    if (asked === undefined) {
      connection.unasked = message
      return
    }
    asked.answers += 1
    asked.outcome = message.outcome ?? 'content'
    asked.result = message
    if (connection === this.connection) this.locks.answered(asked)
  }

  /** Does an operation; the nonce is its own. */
  ask (message, valid = true) {
    const { connection } = this
    if (!connection?.open || !connection.welcome) return null
    const nonce = ++this.#nonce
    this.note(`> ${JSON.stringify({ ...message, nonce }).slice(0, 300)}`)
    connection.ask({ ...message, nonce }, valid)
    return connection.asked.get(nonce)
  }

  // Misbehaviour

  /** Nothing about it is out of order: what it is told it hears, what it should say it says. */
  get well () {
    return this.answers && !this.link?.ill && !this.connection?.paused && (this.connection?.pongs ?? true)
  }

  hurt (what, apply) {
    this.note(what)
    if (this.connection) this.connection.hurt = true
    this.locks.unclear()
    apply()
  }

  heal () {
    this.link?.heal()
    this.answers = true
    if (this.connection) {
      this.connection.pongs = true
      this.connection.resume()
    }
  }

  async close () {
    this.next?.drop()
    this.connection?.drop()
    this.link?.close()
    this.copy.close()
  }
}
