// A client as docs/protocol.md describes it, of Baton's channel or a stock one, that can be told to misbehave.
//
// Owns one copy of a document after another, one session after another, and the history of both. It decides nothing at random but
// what its own random choices say, so that a seed repeats it as far as a server can be repeated.

import * as Y from 'yjs'
import { Connection } from './connection.js'
import * as edits from './edits.js'
import { Link } from './link.js'
import { reaches } from './paths.js'
import * as wire from './wire.js'

/** Events that a person remembers for a finding. */
const REMEMBERED = 80

export const key = ({ epoch, position }) => `${epoch}.${position}`

export class Person {
  connection = null
  doc = null
  /** Updates that were made but not sent. */
  outbox = []
  session = null
  token = null
  /** Tokens of before. */
  tokens = []
  /** By fence: `{fence, paths, state, interval}`. */
  holdings = new Map()
  offers = new Map()
  /** The queue's ticket as this client knows it: `{nonce, paths}`. */
  ticket = null
  view = null
  mode = 'exclusive-when-held'
  /** This copy holds an edit that was set aside. */
  diverged = false
  /** An edit was refused for want of room: it is nowhere else. */
  refused = false
  /** Answers beats. */
  answers = true
  /** Does everything at once and gives everything back: at quiet points. */
  polite = false
  /** A second connection that is to go on with the session of the first. */
  next = null
  /** Parks that it was told of as its own. */
  parked = []
  intervals = []
  events = []
  /** When it may connect again. */
  comes = 0
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
    this.doc?.destroy()
    const doc = edits.open(new Y.Doc())
    doc.clientID = id
    this.doc = doc
    this.outbox = []
    this.diverged = this.refused = false
    doc.on('afterTransaction', (transaction) => {
      if (transaction.local) this.room.deleted.push(...wire.ranges(transaction.deleteSet))
    })
    doc.on('update', (update, origin) => {
      if (origin === 'remote') return
      // Also what Yjs tidies up by itself: a provider sends it.
      this.outbox.push(update)
      if (origin !== 'local') this.note(`tidies: ${JSON.stringify(wire.contents(update))}`)
    })
    this.note(`opens a copy as client ${id}`)
  }

  /** One edit in that root type; it waits in the outbox. */
  edit (root) {
    const token = this.room.token()
    const did = edits.edit(this.doc, this.random, root, token)
    this.room.tokens.set(token, did)
    this.note(did)
  }

  /** Whether a client that keeps to the rules may write there now. */
  mayEdit (root) {
    const mine = [...this.holdings.values()].filter(({ state }) => state === 'held')
    if (mine.some(({ paths }) => reaches(paths, root))) return true
    const { mode = 'exclusive-when-held', grants = [] } = this.view ?? {}
    if (mode === 'open') return true
    if (mode === 'required') return false
    return !grants.some(({ paths, session }) => session !== this.session && reaches(paths, root))
  }

  /** Sends what waits: all in order, or some of it out of order, or twice. */
  flush (manner = 'all') {
    const { connection, random } = this
    if (!connection?.open || !(connection.welcome || !this.channel)) return
    if (manner === 'shuffled') random.shuffle(this.outbox)
    const count = manner === 'some' ? random.below(this.outbox.length + 1) : this.outbox.length
    const now = this.outbox.splice(0, count)
    if (now.length === 0) return
    this.note(`sends ${now.length} updates (${manner})`)
    if (manner === 'merged') connection.edit('update', Y.mergeUpdates(now))
    else for (const update of now) connection.edit('update', update)
    if (manner === 'twice') connection.edit('update', random.pick(now))
  }

  #answerStep1 (connection, vector) {
    const { random } = this
    const answer = () => Y.encodeStateAsUpdate(this.doc, vector)
    const manner = this.polite ? 'now' : random.weighted([[8, 'now'], [2, 'late'], [1, 'pieces']])
    if (manner === 'now') connection.edit('step2', answer())
    else if (manner === 'late') {
      // Computed before the edits that are sent until then.
      const doc = this.doc
      const early = answer()
      setTimeout(() => { if (this.doc === doc) connection.edit('step2', early) }, random.below(300))
    } else {
      const all = answer()
      for (const piece of pieces(all)) connection.edit('update', piece)
      connection.edit('step2', all)
    }
    this.note(`answers a Step1 (${manner})`)
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
      const hello = { type: 'hello', version: 1, user: { name: this.name, color: '#30507a' }, client: this.doc.clientID }
      if (this.key) hello.user_key = this.key
      if (this.observer) hello.observer = true
      if (this.session !== null && resume !== 'none') {
        const token = { own: this.token, old: this.random.pick([this.token, ...this.tokens]), wrong: 'no token of anybody' }[resume]
        hello.resume = { session: this.session, token }
        const held = [...this.holdings.values()].map(({ fence }) => fence)
        if (fences === 'held' && held.length > 0) hello.fences = held
        if (fences === 'wrong') hello.fences = [{ epoch: 1, position: 999_999_999 }]
        if (fences === 'some') hello.fences = held.slice(1)
      }
      connection.back = hello.resume && { session: this.session, resume, gone: this.gone?.at, soon: this.gone?.soon }
      connection.say(hello)
    }
    connection.send(wire.sync('step1', Y.encodeStateVector(this.doc)))
  }

  #ended (connection) {
    this.note(`connection ${connection.number} ended: ${connection.code} ${connection.auth}`)
    if (connection.code === 4423) this.diverged = true
    if (connection === this.next) this.next = null
    if (connection !== this.connection) return
    if (this.next) {
      // The other one has its session, or will have it.
      connection.replaced = true
      this.#stops()
      this.connection = this.next
      this.next = null
      return
    }
    this.connection = null
    // A token of a welcome that did not arrive may have taken its place; and who said goodbye has no session.
    this.gone = { at: performance.now(), soon: connection.welcome !== null && connection.code !== 1000 && connection.code !== 4409 }
    this.#stops()
    this.comes = performance.now() + (this.polite ? 0 : this.random.weighted([[4, 0], [3, this.random.below(500)], [1, this.random.below(4000)]]))
  }

  /** From now on it holds nothing that it knows of. */
  #stops () {
    for (const holding of this.holdings.values()) this.#closeInterval(holding)
    this.offers.clear()
  }

  leave () {
    this.note('leaves')
    this.connection?.close(1000)
    this.ticket = null
  }

  // What comes

  #came (connection, frame) {
    switch (frame.kind) {
      case 'step1': return this.#answerStep1(connection, frame.payload)
      case 'step2':
      case 'update':
        Y.applyUpdate(this.doc, frame.payload, 'remote')
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
        if (message.code === 'park-full') this.refused = this.diverged = true
        return
      case 'parked':
        this.diverged = true
        return this.parked.push(message.id)
    }
    if (connection !== this.connection) return
    switch (message.type) {
      case 'beat': {
        const beat = { n: message.n, confirmed: message.confirmed, answered: this.answers }
        connection.beats.push(beat)
        if (connection.beats.length > 50) connection.beats.shift()
        if (this.answers) connection.say({ type: 'answer', n: message.n, visible: true, idle_ms: this.polite ? 0 : this.idle ?? 0 })
        break
      }
      case 'lock':
        if (this.view === null || message.lock.version >= this.view.version) this.view = message.lock
        break
      case 'peer': this.#peer(message.peer); break
      case 'park': this.room.parks.set(message.park.id, message.park); break
      case 'offer': this.#offered(message); break
      case 'granted': this.#granted(message); break
      case 'lost': this.#lost(message); break
      case 'drain': this.#drains(message); break
      case 'requested':
        if (this.polite || this.random.chance(0.4)) this.release(message.fence)
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
        // Somebody else now: it has no use for that.
        connection.close(1000)
        return
      }
      if (this.connection) this.connection.replaced = true
      this.connection = connection
      this.next = null
    }
    if (this.session !== null && !message.resumed) this.ticket = null
    if (this.token) this.tokens.push(this.token)
    this.session = message.session
    this.token = message.token
    this.view = message.lock
    this.roster = new Map(message.roster.map((peer) => [peer.session, peer]))
    for (const park of message.parks ?? []) this.room.parks.set(park.id, park)
    // What is still its own is told again.
    for (const holding of this.holdings.values()) this.#closeInterval(holding)
    this.holdings.clear()
    this.offers.clear()
    // All of it once more: a connection that is replaced may not have come to it.
    if (connection.second) connection.edit('update', Y.encodeStateAsUpdate(this.doc))
  }

  #saved (connection, updates) {
    connection.savedBack ||= updates < connection.saved || updates > connection.sent.length
    for (const content of connection.sent.slice(connection.saved, updates)) {
      this.room.ledger.push({ person: this, connection, refused: this.refused, ...content })
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
    const { type } = asked
    if (connection !== this.connection) return
    if ((type === 'acquire' || type === 'request') && message.outcome === 'queued') {
      this.ticket = { nonce: message.nonce, paths: asked.message.paths, since: performance.now() }
    }
    if (type === 'cancel' && message.outcome === 'done') this.ticket = null
    if (type === 'release') {
      const { fence } = asked.message
      this.room.releases.push({ person: this, fence, outcome: message.outcome, believed: this.holdings.get(key(fence))?.state === 'released' })
      this.holdings.delete(key(fence))
    }
  }

  // Locks

  #offered ({ fence, paths }) {
    this.offers.set(key(fence), { fence, paths })
    const { connection } = this
    const what = this.polite ? 'claim' : this.random.weighted([[17, 'claim'], [2, 'decline'], [2, 'nothing']])
    const answer = () => {
      if (what === 'nothing' || !this.answers || this.connection !== connection) return
      if (what === 'decline') {
        this.offers.delete(key(fence))
        this.ticket = null
      }
      connection.say({ type: what, fence })
      this.note(`${what}s ${key(fence)}`)
    }
    if (this.polite || this.random.chance(0.6)) answer()
    else setTimeout(answer, this.random.below(500))
  }

  #granted ({ fence, paths }) {
    const { connection } = this
    this.offers.delete(key(fence))
    this.ticket = null
    const before = this.holdings.get(key(fence))
    if (before) this.#closeInterval(before)
    const interval = { session: this.session, fence, paths, from: performance.now(), to: null, clear: this.well }
    this.intervals.push(interval)
    this.room.intervals.push({ person: this, interval })
    const beat = connection.beats.at(-1)?.n ?? 0
    this.holdings.set(key(fence), { fence, paths, state: 'held', interval, beat })
  }

  #lost ({ fence }) {
    const holding = this.holdings.get(key(fence))
    if (holding) this.#closeInterval(holding)
    if (this.offers.has(key(fence))) this.ticket = this.ticket && { ...this.ticket }
    this.holdings.delete(key(fence))
    this.offers.delete(key(fence))
  }

  #drains ({ fence }) {
    const holding = this.holdings.get(key(fence)) ?? { fence }
    holding.state = 'draining'
    this.#closeInterval(holding)
    this.holdings.set(key(fence), holding)
    const { connection } = this
    const answer = () => {
      if (this.connection !== connection || !this.answers) return
      this.flush()
      connection.say({ type: 'drained', fence })
      this.note(`has drained ${key(fence)}`)
    }
    if (this.polite || this.random.chance(0.5)) answer()
    else if (this.random.chance(0.8)) setTimeout(answer, this.random.below(700))
  }

  #closeInterval (holding) {
    if (holding.interval && holding.interval.to === null) holding.interval.to = performance.now()
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

  release (fence) {
    const holding = this.holdings.get(key(fence))
    if (holding) {
      if (holding.state === 'released') return
      holding.state = 'released'
      this.#closeInterval(holding)
    }
    this.flush()
    this.ask({ type: 'release', fence })
  }

  // Misbehaviour

  /** Nothing about it is out of order: what it is told it hears, what it should say it says. */
  get well () {
    return this.answers && !this.link?.ill && !this.connection?.paused && (this.connection?.pongs ?? true)
  }

  hurt (what, apply) {
    this.note(what)
    if (this.connection) this.connection.hurt = true
    for (const { interval } of this.holdings.values()) if (interval) interval.clear = false
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
    this.doc.destroy()
  }
}

/** The same update as several, each of which can be applied after those before it. */
function pieces (update) {
  const { from, to } = Y.parseUpdateMeta(update)
  const all = []
  for (const [client, start] of from) {
    const middle = start + Math.floor((to.get(client) - start) / 2)
    all.push(Y.diffUpdate(update, Y.encodeStateVector(new Map([...to].map(([other, end]) => [other, other === client ? middle : end])))))
  }
  return [...all, update]
}
