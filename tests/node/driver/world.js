// A server and everything that is done to it: storms, quiet points, ends and starts.

import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import * as checker from './checker.js'
import { Quiet } from './quiet.js'
import { Random } from './random.js'
import { Room } from './room.js'
import { act } from './storm.js'
import { twins } from './twins.js'

/** A fifth of the clocks, but for those that a story must live through, or that this machine may need. */
export const CLOCKS = [
  '--profile', 'fast', '--grace', '1s', '--ticket-life', '6s', '--recovery', '2500ms', '--request', '1500ms',
  '--idle-yield', '4s', '--idle-warning', '1s', '--take-over-cooldown', '500ms',
  '--unload-after', '1s', '--rest-after', '1s', '--compact-after', '16KiB'
]

/** Resident memory that a server of a few small documents may have, in bytes. */
const MOST = 1.5 * 2 ** 30

/** Time between the end or start of a server and what comes of it, in milliseconds. */
const ABOUT = 10_000

/** Documents that are written in at the same time. */
const ROOMS = 2

/** A storm lasts so long, in milliseconds. */
const STORM = [1_500, 4_500]

/** Thrown with the first finding. */
export class Found extends Error {
  constructor (findings, report) {
    super(report)
    this.findings = findings
  }
}

export class World {
  rooms = []
  /** Counts the lives of the server. */
  incarnation = 0
  /** Times at which it was ended or started. */
  #downs = []
  counts = {}
  #number = 0
  #rooms = 0
  #began = performance.now()

  /**
   * @param {{seed: number, server: import('../harness.js').Server, skip?: string[], say?: (line: string) => void}} options
   */
  constructor ({ seed, server, skip = [], say = () => {} }) {
    Object.assign(this, { seed, server, skip, say })
    this.random = new Random(seed)
  }

  now () {
    return performance.now() - this.#began
  }

  /** Tells if the server was down about then. */
  down (at) {
    return this.#downs.some((down) => Math.abs(down - at) < ABOUT)
  }

  /** A number for a connection. */
  number () {
    return ++this.#number
  }

  /** A number for a document. */
  roomNumber () {
    return ++this.#rooms
  }

  count (what) {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  /** Rounds of a storm and a quiet point, for so many milliseconds. */
  async run (time) {
    const end = performance.now() + time
    for (let round = 1; performance.now() < end; round++) {
      while (this.rooms.length < ROOMS) this.rooms.push(await Room.open(this))
      await this.#storm()
      const calamity = this.random.weighted([[4, 'none'], [3, 'kill'], [2, 'stop'], [2, 'alone']])
      this.say(`round ${round}: ${calamity}, ${JSON.stringify(this.counts)}`)
      if (calamity === 'kill') await this.#down('kill')
      if (calamity === 'stop') await this.#down('stop')
      this.check([this.#process()].flat())
      for (const room of this.rooms) await new Quiet(room).come(calamity === 'alone')
      await this.#leave()
      if (this.random.chance(0.3)) await twins(this)
    }
    await this.close()
  }

  /** All leave for good. */
  async close () {
    for (const room of this.rooms.splice(0)) await room.close()
  }

  async #storm () {
    const end = performance.now() + this.random.between(...STORM)
    while (performance.now() < end) {
      const room = this.random.pick(this.rooms)
      const person = this.random.pick(room.people)
      act(person)
      if (this.random.chance(0.2)) await pause(this.random.below(12))
      else await new Promise((resolve) => { setImmediate(resolve) })
      for (const room of this.rooms) room.witnessed()
    }
    this.count('storms')
  }

  /** The server ends, hard or in order, and comes back. */
  async #down (how) {
    this.#downs.push(performance.now())
    await this.server[how]()
    await pause(this.random.below(300))
    await this.server.start()
    this.incarnation += 1
    this.#downs.push(performance.now())
    this.count(how)
  }

  /** All are gone when the server dies and comes back. */
  async alone () {
    for (const room of this.rooms) for (const person of [...room.people, room.witness]) person.connection?.drop()
    await this.#down('kill')
  }

  async #leave () {
    for (const room of this.rooms.filter(({ worn }) => worn)) {
      await room.close()
      this.rooms.splice(this.rooms.indexOf(room), 1)
    }
  }

  #process () {
    const { pid, log, ended } = this.server
    const status = ended === null ? readFileSync(`/proc/${pid}/status`, 'utf8') : ''
    const resident = 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0)
    this.counts.megabytes = Math.max(this.counts.megabytes ?? 0, Math.round(resident / 2 ** 20))
    return checker.process({ log, ended, resident }, MOST)
  }

  /** Throws the findings, if there are any that count. */
  check (findings) {
    const counted = findings.filter(({ oracle }) => !this.skip.includes(oracle))
    if (counted.length > 0) throw new Found(counted, this.#report(counted))
  }

  #report (findings) {
    const people = [...new Set(findings.slice(0, 3).flatMap(({ people }) => people ?? []))].slice(0, 4)
    const lines = findings.slice(0, 10).map(({ oracle, text, people }) => `${oracle}: ${(people ?? []).map((person) => person.name)} ${text}`)
    for (const context of new Set(findings.map(({ context }) => context))) if (context) lines.push('', context)
    for (const person of people) {
      lines.push('', `${person.name} (session ${person.session}) in ${person.room.name}:`)
      for (const { at, text } of person.events) lines.push(`  ${(at / 1000).toFixed(3)} ${text}`)
    }
    lines.push('', `SEED=${this.seed} finds this again, as far as a server can be repeated`)
    return lines.join('\n')
  }
}
