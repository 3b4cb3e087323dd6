// A quiet point: all are well, give everything back, and say all that they have; then all must hold the same.

import { setTimeout as pause } from 'node:timers/promises'
import * as checker from './checker.js'
import { looked, ranged, shown, tokens } from './copies.js'
import { Person } from './person.js'

/** Longest time until nothing is under way any more, in milliseconds. The longest bound of the clocks is a fifth of this, on an idle machine. */
const SETTLED = 60_000

/** Longest time in which a condition that the server meets in milliseconds is met on a busy machine. */
const PATIENCE = 20_000

const LOOK = 20

export class Quiet {
  /** The last `set-mode`, and the connection on which it was asked for. */
  #mode = null

  constructor (room) {
    this.room = room
    this.world = room.world
  }

  /** @param {boolean} alone the server dies while none is connected, and a newcomer alone looks first */
  async come (alone) {
    const { room, world } = this
    for (const person of room.people) {
      person.polite = true
      person.heal()
    }
    await this.#settle()
    room.witnessed()
    world.check(room.histories())
    world.check([room.witness, ...room.people].flatMap((person) =>
      person.connection ? checker.results(person, person.connection, true) : []))
    if (alone) {
      await this.#compare(false)
      await world.alone()
      await this.#compare(true)
      for (const other of world.rooms) await new Quiet(other).#settle()
    }
    room.rounds += 1
    await this.#compare(false, (judge) => this.#decide(judge))
    if (room.worn) await this.#compare(false)
    this.#forget()
    for (const person of room.people) person.polite = false
  }

  // Until nothing is under way

  async #settle () {
    const { room, world } = this
    const end = performance.now() + SETTLED
    const counts = ([oracle]) => !world.skip.includes(oracle)
    for (;;) {
      room.witnessed()
      const open = [...room.people, room.witness].flatMap((person) => this.#step(person).filter(counts))
      const { view, connection } = room.witness
      if (connection?.welcome && view.mode !== 'exclusive-when-held') {
        open.push(['life', room.witness, `the mode is ${view.mode}`])
        // Any of those who may: the witness, an observer, may not.
        if (!this.#mode || this.#mode.asked.answers > 0 || this.#mode.connection.code !== null) this.#mode = this.#sets()
      }
      if (open.length === 0 && !connection?.welcome) open.push(['life', room.witness, 'is not there'])
      if (open.length === 0 && counts(['waiters']) && (view.grants.length > 0 || view.waiting > 0)) {
        open.push(['waiters', room.witness, `the lock is not at rest: ${JSON.stringify(view)}`])
      }
      if (open.length === 0) break
      if (performance.now() > end) {
        world.check(open.map(([oracle, person, text]) => ({ oracle, text: `after ${SETTLED / 1000} s: ${text}`, people: [person] })))
        world.count('gave up')
        break
      }
      await pause(LOOK)
    }
    world.count('settled')
  }

  #sets () {
    const person = this.room.people.find(({ channel, connection }) => channel && connection?.welcome)
    const asked = person?.ask({ type: 'set-mode', mode: 'exclusive-when-held' })
    return asked ? { asked, connection: person.connection } : null
  }

  /** Does what a polite client does next; returns what is still open with it. */
  #step (person) {
    const { connection } = person
    if (connection === null) {
      if (performance.now() > person.comes) {
        if (person.copy.diverged) person.fresh()
        person.copy.outbox = []
        person.connect()
      }
      return [['life', person, 'does not come in']]
    }
    if (!connection.synced || (person.channel && !connection.welcome)) return [['life', person, `connection ${connection.number} gets no first sync or no welcome`]]
    person.flush()
    const open = []
    for (const [nonce, { type, answers, message }] of connection.asked) {
      if (answers === 0) open.push(['results', person, `${type} (nonce ${nonce}) has no result: ${JSON.stringify(message)}`])
    }
    for (const offer of person.locks.offers.values()) {
      if (!offer.claimed) connection.say({ type: 'claim', fence: offer.fence })
      offer.claimed = true
    }
    if (person.locks.offers.size > 0) open.push(['waiters', person, 'has an offer'])
    for (const holding of person.locks.holdings.values()) open.push(this.#gives(person, connection, holding))
    const { ticket } = person.locks
    if (ticket !== null) {
      const since = ((performance.now() - ticket.since) / 1000).toFixed(1)
      open.push(['waiters', person, `waits since ${since} s for ${JSON.stringify(ticket.paths)}; the lock is ${JSON.stringify(person.view)}`])
    }
    if (open.length > 0 && open.some(([oracle]) => !this.world.skip.includes(oracle))) return open
    if (person.channel && connection.saved < connection.sent.length && !person.copy.refused) {
      const { saved, sent } = connection
      return [['saved-stands', person, `${saved} of ${sent.length} messages are saved; the next holds ${JSON.stringify(sent[saved])}`]]
    }
    if (person.copy.diverged) {
      // All that it sent is dealt with: now it begins afresh.
      person.anew()
      return [['life', person, 'opens the document afresh']]
    }
    return []
  }

  /** A holder sees its beats confirmed, and then gives the lock back. */
  #gives (person, connection, holding) {
    const { interval, beat, state } = holding
    if (state === 'draining' || state === 'released') return ['waiters', person, `gives ${JSON.stringify(holding.fence)} back`]
    const newest = Math.max(0, ...connection.beats.map(({ confirmed }) => confirmed))
    const skip = this.world.skip.includes('confirmed') && performance.now() - interval.from > 500
    if (newest > beat || skip) person.locks.release(holding.fence)
    const [found] = checker.confirmed(person, connection.beats, beat)
    return found ? ['confirmed', person, found.text] : ['life', person, `holds ${JSON.stringify(holding.fence)} and hears too few beats`]
  }

  // The same for all

  async #compare (alone, then = () => {}) {
    const { room, world } = this
    const newcomer = new Person(room, 99, world.random.fork(), { channel: true, direct: true })
    newcomer.polite = true
    newcomer.connect('none')
    const found = await this.#until(() => {
      if (!newcomer.connection?.synced || !newcomer.connection.welcome) return [{ oracle: 'life', text: 'gets no first sync', people: [newcomer] }]
      // Yjs tidies formats when others' edits come, also when a park is merged.
      for (const person of [...room.people, newcomer]) person.flush()
      return checker.converged(shown(newcomer), alone ? [] : room.people.filter((person) => person.connection).map(shown))
    })
    world.check(found)
    const view = looked(newcomer)
    const parks = await this.#parks(newcomer)
    const lists = { words: parks.map(({ words }) => words).join('\n'), count: parks.length, any: parks.some(({ whole }) => !whole) }
    const listed = parks.map((park) => JSON.stringify({ ...park, words: park.words.slice(0, 400) })).join('\n  ')
    const context = `parks:\n  ${listed}`
    world.check(checker.saved(room.ledger, view, lists, ranged(room.deleted), room.tokens).map((found) => ({ ...found, context })))
    world.check(checker.both(parks, view, tokens(room.ledger)))
    if (!alone) {
      const people = [...room.people, room.witness, newcomer].filter(({ connection }) => connection)
      world.check(await this.#until(() => checker.roster([...newcomer.roster.values()], {
        sessions: people.filter(({ channel }) => channel).map(({ session }) => session),
        stock: people.filter(({ channel }) => !channel).length
      }).map((found) => ({ ...found, people: [newcomer] }))))
    }
    await then(newcomer)
    newcomer.connection?.close(1000)
    await this.#until(() => newcomer.connection === null ? [] : [{ oracle: 'life', text: 'cannot leave', people: [newcomer] }])
    await newcomer.close()
    world.counts.ledger = (world.counts.ledger ?? 0) + room.ledger.length
    world.count('compared')
  }

  async #until (look) {
    const end = performance.now() + PATIENCE
    for (;;) {
      this.room.witnessed()
      const found = look()
      if (found.length === 0 || performance.now() > end) return found
      await pause(LOOK)
    }
  }

  /** All parks that are listed, with what is in them. */
  async #parks (newcomer) {
    const all = []
    for (const park of newcomer.parks.values()) {
      if (park.state === 'merged') continue
      const asked = newcomer.ask({ type: 'show-park', id: park.id })
      this.world.check(await this.#until(() => asked.answers > 0 ? [] : [{ oracle: 'results', text: `no answer to show-park ${park.id}`, people: [newcomer] }]))
      const { parts, truncated } = asked.result
      const words = (wanted) => parts?.filter(({ kind }) => kind === wanted).map(({ text }) => text).join('\n') ?? ''
      all.push({ ...park, words: words('insert'), gone: words('delete'), whole: parts !== undefined && !truncated })
    }
    this.world.counts.parks = Math.max(this.world.counts.parks ?? 0, all.length)
    return all
  }

  /** Parks do not pile up: each is merged or left out. In the end all are merged: then everything is in the document. */
  async #decide (judge) {
    const { room, world } = this
    for (const { id, state } of [...judge.parks.values()]) {
      if (room.worn && state === 'discarded') await this.#asks(judge, 'recover-park', id)
      if (state === 'open' || (room.worn && state === 'discarded')) {
        await this.#asks(judge, room.worn || world.random.chance(0.7) ? 'merge-park' : 'discard-park', id)
      }
    }
  }

  async #asks (judge, type, id) {
    const { world } = this
    const asked = judge.ask({ type, id })
    world.check(await this.#until(() => asked.answers > 0
      ? []
      : [{ oracle: 'results', text: `no answer to ${type} ${id}`, people: [judge] }]))
    world.count(`${type} ${asked.outcome}`)
    world.check(checker.decided(judge, asked, judge.parks.get(id)))
  }

  /** Keeps histories small. */
  #forget () {
    const { room } = this
    room.connections = room.connections.filter(({ connection }) => connection.code === null)
  }
}
