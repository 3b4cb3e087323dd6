// The locks of one session, as a client knows them: what it is offered, holds, and waits for.

import { reaches } from './paths.js'

/** Longest time that a client takes to answer an offer or a drain, if it does so at all, in milliseconds. */
const SLOW = 700

/** Operations after which a session may have another ticket, or none. */
const TICKETS = ['acquire', 'request', 'cancel', 'take-over', 'move-here']

export const key = ({ epoch, position }) => `${epoch}.${position}`

export class Locks {
  /** By fence: `{fence, paths, state, interval, beat}`; `state` is held, draining or released. */
  holdings = new Map()
  /** By fence: `{fence, paths, claimed}`. */
  offers = new Map()
  /** The ticket in the queue: `{nonce, paths, since}`. */
  ticket = null
  #person

  /** @param {import('./person.js').Person} person whose they are */
  constructor (person) {
    this.#person = person
  }

  get fences () {
    return [...this.holdings.values()].map(({ fence }) => fence)
  }

  reach (root) {
    return [...this.holdings.values()].some(({ state, paths }) => state === 'held' && reaches(paths, root))
  }

  /** The connection is gone: it holds nothing that it knows of, until it is told again. */
  stops () {
    for (const holding of this.holdings.values()) close(holding)
    // It does not know if the lock was granted, and lost again.
    if ([...this.offers.values()].some(({ claimed }) => claimed)) this.ticket = null
    this.offers.clear()
  }

  /** Operations went down with a connection: it does not know if they were done. */
  unanswered (types) {
    if (types.some((type) => TICKETS.includes(type))) this.ticket = null
  }

  /** A new connection was welcomed: what is its own still is told again. */
  welcomed (resumed) {
    this.stops()
    this.holdings.clear()
    if (!resumed) this.ticket = null
  }

  /** Something about the client is out of order: what it believes counts for nothing. */
  unclear () {
    for (const { interval } of this.holdings.values()) if (interval) interval.clear = false
  }

  /** An operation was answered. */
  answered ({ type, message, outcome }) {
    if ((type === 'acquire' || type === 'request') && outcome === 'queued') {
      this.ticket = { nonce: message.nonce, paths: message.paths, since: performance.now() }
    }
    // A session has one ticket: what is taken takes its place.
    if (['cancel', 'take-over', 'move-here'].includes(type) && outcome === 'done') this.ticket = null
    if (type === 'release') {
      const { fence } = message
      const believed = this.holdings.get(key(fence))?.state === 'released'
      this.#person.room.releases.push({ person: this.#person, fence, outcome, believed })
      this.holdings.delete(key(fence))
    }
  }

  hears (message) {
    switch (message.type) {
      case 'offer': return this.#offered(message)
      case 'granted': return this.#granted(message)
      case 'lost': return this.#lost(message)
      case 'drain': return this.#drains(message)
      case 'requested':
        if (this.#person.polite || this.#person.random.chance(0.4)) this.release(message.fence)
    }
  }

  #offered ({ fence, paths }) {
    const person = this.#person
    const offer = { fence, paths, claimed: false }
    this.offers.set(key(fence), offer)
    const what = person.polite ? 'claim' : person.random.weighted([[17, 'claim'], [2, 'decline'], [2, 'nothing']])
    if (what === 'nothing') return
    this.#later(0.4, () => {
      if (what === 'decline') {
        this.offers.delete(key(fence))
        this.ticket = null
      }
      offer.claimed = what === 'claim'
      person.connection.say({ type: what, fence })
      person.note(`${what}s ${key(fence)}`)
    })
  }

  #granted ({ fence, paths }) {
    const person = this.#person
    this.offers.delete(key(fence))
    this.ticket = null
    const before = this.holdings.get(key(fence))
    if (before) close(before)
    const interval = { session: person.session, fence, paths, from: performance.now(), to: null, clear: person.well }
    person.room.intervals.push({ person, interval })
    const beat = person.connection.beats.at(-1)?.n ?? 0
    this.holdings.set(key(fence), { fence, paths, state: 'held', interval, beat })
  }

  #lost ({ fence }) {
    const holding = this.holdings.get(key(fence))
    if (holding) close(holding)
    this.holdings.delete(key(fence))
    this.offers.delete(key(fence))
  }

  #drains ({ fence }) {
    const person = this.#person
    const holding = this.holdings.get(key(fence)) ?? { fence }
    holding.state = 'draining'
    close(holding)
    this.holdings.set(key(fence), holding)
    // One in ten never says it.
    if (!person.polite && person.random.chance(0.1)) return
    this.#later(0.5, () => {
      person.flush()
      person.connection.say({ type: 'drained', fence })
      person.note(`has drained ${key(fence)}`)
    })
  }

  release (fence) {
    const holding = this.holdings.get(key(fence))
    if (holding) {
      if (holding.state === 'released') return
      holding.state = 'released'
      close(holding)
    }
    this.#person.flush()
    this.#person.ask({ type: 'release', fence })
  }

  /** Does it at once, or in so many cases after a while, if the connection is the same then and the client is awake. */
  #later (share, action) {
    const person = this.#person
    const { connection } = person
    const act = () => { if (person.answers && person.connection === connection) action() }
    if (person.polite || !person.random.chance(share)) act()
    else setTimeout(act, person.random.below(SLOW))
  }
}

/** From now on its client does not believe to hold it. */
function close ({ interval }) {
  if (interval) interval.to ??= performance.now()
}
