// One document, who is in it, and the history of all of them.

import * as checker from './checker.js'
import { Person } from './person.js'
import * as wire from './wire.js'

/** Clients in a document: of the channel, and stock ones. */
const PEOPLE = [7, 3]

/** A session comes back with its token within this time, in milliseconds: the server has not given it up. */
const SOON = 1_500

/** Rounds after which a document is left for a new one. */
const WORN = 3

export class Room {
  people = []
  /** All connections that there ever were: `{person, connection}`. */
  connections = []
  /** Messages of the channel, in the order in which they came: `{person, connection, message}`. */
  told = []
  /** `lock`s that the witness was told. */
  views = []
  /** Grants as clients see them: `{person, interval}`. */
  intervals = []
  /** Messages that were called saved. */
  ledger = []
  /** Ranges that some client has deleted. */
  deleted = []
  parks = new Map()
  /** Locks that were given back, see the checker. */
  releases = []
  /** By token, the edit that wrote it. */
  tokens = new Map()
  rounds = 0
  #welcomes = []
  #fences = []
  #ended = new Set()

  /** A document in which none is yet. */
  static bare (world) {
    const number = world.roomNumber()
    return Object.assign(new Room(), { world, number, name: `document ${world.seed}.${number}` })
  }

  static async open (world) {
    const room = Room.bare(world)
    const random = () => world.random.fork()
    const [channel, stock] = PEOPLE
    for (let i = 1; i <= channel + stock; i++) room.people.push(new Person(room, i, random(), { channel: i <= channel }))
    // It does nothing, so that what it is told is the server's own order.
    room.witness = new Person(room, 0, random(), { channel: true, direct: true, observer: true })
    room.witness.polite = true
    for (const person of room.people) await person.ready()
    room.witness.connect()
    return room
  }

  /** A mark for the next edit. */
  token () {
    return wire.token(this.tokens.size)
  }

  /** It is left after this round: for a new one, before its tokens are used up. */
  get worn () {
    return this.rounds >= WORN || this.tokens.size > wire.TOKENS / 2
  }

  /** Takes note of what was told, and of what ended, since the last time. */
  witnessed () {
    for (const { person, connection, message, at } of this.told.splice(0)) {
      if (person === this.witness && (message.type === 'lock' || message.type === 'welcome')) {
        this.views.push({ incarnation: this.world.incarnation, lock: message.lock })
      }
      if (message.type === 'welcome') {
        const { back: resume } = connection
        const soon = resume?.soon && at - resume.gone < SOON && !this.#hurtLately(person, resume.gone)
        this.#welcomes.push({ person, resume, soon, welcome: message })
      }
      if (message.type === 'offer' || message.type === 'granted') {
        this.#fences.push({ person, session: connection.welcome?.session, message })
      }
    }
    for (const known of this.connections) {
      const { connection, person } = known
      if (connection.code === null || this.#ended.has(connection)) continue
      this.#ended.add(connection)
      known.ended = connection.endedAt
      this.world.count(`closed ${connection.code}`)
      const down = this.world.down(known.ended)
      this.world.check(checker.closes([{ person, connection, down }]))
    }
    const { witness } = this
    if (witness.connection === null && performance.now() > witness.comes && this.world.server.ended === null) witness.connect()
  }

  /** Its line was not good before it went: the server may have given it up by then. */
  #hurtLately (person, gone) {
    return this.connections.some(({ person: other, connection, ended }) => other === person && connection.hurt && (ended ?? Infinity) > gone - 10_000)
  }

  /** Findings in all that was told so far. */
  histories () {
    const now = performance.now()
    const found = [
      ...checker.locks(this.views),
      ...checker.fences(this.#fences),
      ...checker.overlaps(this.intervals, now),
      ...checker.resumed(this.#welcomes),
      ...checker.holders(this.releases.splice(0)),
      ...this.connections.filter(({ connection }) => connection.savedBack)
        .map(({ person, connection }) => ({ oracle: 'saved', text: `connection ${connection.number}: saved went back, or beyond what was sent`, people: [person] }))
    ]
    this.intervals = this.intervals.filter(({ interval }) => interval.to === null)
    return found
  }

  async close () {
    for (const person of [...this.people, this.witness]) await person?.close()
  }
}
