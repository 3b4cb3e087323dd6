// A trial of one sign: writers write all the time, the server is killed at random moments and started again, and newcomers
// alone read what it has. An edit that a writer's client showed as confirmed and that is not there is lost.

import { setTimeout as pause } from 'node:timers/promises'
import * as Y from 'yjs'
import { Random } from '../driver/random.js'
import { waitFor } from '../harness.js'
import { Ledger } from './ledger.js'

const DOCUMENTS = ['one', 'two']
const WRITERS = 2

/** How long the server runs before it is killed, in milliseconds, from the moment at which all writers are connected. */
const LEAST = 0
const MOST = 400

/** Between two edits of one writer, in milliseconds: now and then several at once. */
const BEAT = 2

/** Edits of one writer while the server is away. */
const AWAY = 3

/** How long everything may take to come together in the end. */
const END = 60_000

/** A client that writes. */
class Writer {
  constructor (sign, server, document, name, random) {
    this.document = document
    this.doc = new Y.Doc()
    this.ledger = new Ledger(this.doc, name, random)
    this.connection = sign.open(server, document, this.doc, this.ledger)
  }

  leave () {
    this.connection.leave()
    this.doc.destroy()
  }
}

/** Whatever the server has of a document, read by somebody new who then goes. */
async function alone (wire, server, document, look) {
  const doc = new Y.Doc()
  const connection = wire.open(server, document, doc)
  try {
    await waitFor(`a newcomer to ${document}`, connection.isSynced)
    return look(doc)
  } finally {
    connection.leave()
    doc.destroy()
  }
}

/**
 * Runs it.
 *
 * @param {object} options
 * @param {import('../harness.js').Server} options.server running
 * @param {object} options.sign one of `signs`
 * @param {object} options.through what the writers talk to: the server, or something before it
 * @param {number} options.kills
 * @param {number} options.seed
 * @param {number} options.settled milliseconds for which others must have seen an edit, where that is the only sign
 * @returns {Promise<{kills: number, edits: number, confirmed: number, lost: string[], gone: number}>} `gone`: edits that
 *   nobody was told are safe, and that only their writers brought back
 */
export async function trial ({ server, sign, through = server, kills, seed, settled = 500 }) {
  const random = new Random(seed)
  const writers = DOCUMENTS.flatMap((document) => Array.from({ length: WRITERS }, (_, number) =>
    new Writer(sign, through, document, `${document}-${number}`, random.fork())))
  const found = { kills, edits: 0, confirmed: 0, lost: [], gone: 0 }
  try {
    for (let kill = 0; kill < kills; kill++) {
      await waitFor('all writers connected', () => writers.every(({ connection }) => connection.isConnected()), END)
      await writeFor(random.between(LEAST, MOST), writers, sign, random)
      await server.kill()
      const killed = performance.now()
      // All that had arrived before the end has been read then.
      await waitFor('all noticed', () => writers.every(({ connection }) => !connection.isConnected()))
      await Promise.all(writers.map(({ connection }) => connection.disconnect()))
      if (sign.bySight) for (const { ledger } of writers) ledger.settle(killed, settled)
      await server.start()
      await check(writers, sign, server, found)
      for (const { ledger, connection } of writers) {
        for (let n = 0; n < AWAY; n++) ledger.write()
        connection.connect()
      }
    }
    await end(writers, sign, server)
  } finally {
    for (const writer of writers) writer.leave()
  }
  for (const { ledger } of writers) {
    found.edits += ledger.made
    found.confirmed += ledger.confirmed
  }
  return found
}

async function writeFor (time, writers, sign, random) {
  const until = performance.now() + time
  while (performance.now() < until) {
    for (const { ledger } of writers) {
      for (let n = random.below(8) === 0 ? 5 : 1; n > 0; n--) ledger.write()
    }
    if (sign.bySight) see(writers)
    await pause(BEAT)
  }
}

/** Writers of one document see each other's edits. */
function see (writers) {
  for (const writer of writers) {
    const other = writers.find(({ document, doc }) => document === writer.document && doc !== writer.doc)
    writer.ledger.seenBy(other.doc)
  }
}

async function check (writers, sign, server, found) {
  for (const document of DOCUMENTS) {
    await alone(sign.wire, server, document, (doc) => {
      for (const { ledger } of writers.filter((writer) => writer.document === document)) {
        const { lost, unconfirmed } = ledger.lacking(doc)
        found.lost.push(...lost)
        found.gone += unconfirmed
      }
    })
  }
}

/** Writers were never gone for good: in the end all that they wrote is there, and shown as confirmed. */
async function end (writers, sign, server) {
  await waitFor('all writers in step', () => writers.every(({ connection }) => connection.isSynced()), END)
  if (!sign.mayBeMissed) {
    await waitFor('everything confirmed', () => writers.every(({ ledger }) => ledger.confirmed === ledger.made), END)
  }
  for (const document of DOCUMENTS) {
    await waitFor(`all of ${document} there`, () => alone(sign.wire, server, document, (doc) =>
      writers.filter((writer) => writer.document === document).every(({ ledger }) => {
        const { lost, unconfirmed } = ledger.lacking(doc)
        return lost.length + unconfirmed === 0
      })), END)
  }
}
