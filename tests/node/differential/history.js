// Random histories of several stock Yjs clients, and the updates that a server would hear of them.
//
// Owns how a history goes: who edits, who syncs with whom, which updates are lost, doubled, merged, cut, and in which
// order the rest is delivered. `edits.js` owns what an edit is. All of it follows from the seed.

import * as encoding from 'lib0/encoding'
import * as prng from 'lib0/prng'
import * as Y from 'yjs'
import * as Y14 from '@y/y'
import { dump } from './dump.js'
import * as edits from './edits.js'
import * as edits14 from './edits-14.js'
import { isWaiting, replica, writeDeletes, writeKnowledge, writeVector } from './replica.js'

const FROM_OTHERS = 'from others'

/** Rounds of syncing that settle what clients add by themselves (they tidy up formatting). */
const ROUNDS = 10

const CLIENT_IDS = [
  () => 1,
  (random) => prng.uint32(random, 2, 127),
  (random) => prng.uint32(random, 128, 70_000),
  (random) => prng.uint32(random, 0x7ffffff0, 0xffffffff),
  (random) => prng.uint53(random, 2 ** 32, Number.MAX_SAFE_INTEGER - 1)
]

/**
 * Writes one history: its deliveries, each with what Yjs knows after it unless something is waiting; states of
 * clients on the way; and what Yjs knows at the end.
 */
export function history (seed, kinds, encoder) {
  const random = prng.create(seed)
  const clients = makeClients(random, kinds)
  const heard = []
  for (const client of clients) {
    client.doc.on('update', (update, origin) => {
      if (origin !== FROM_OTHERS) heard.push(update)
    })
  }
  const states = [{ vector: new Map(), update: null }]
  const steps = prng.int31(random, 3, 40)
  for (let step = 0; step < steps; step++) {
    const client = prng.oneOf(random, clients)
    if (prng.real53(random) < 0.3) {
      const update = pull(prng.oneOf(random, clients), client)
      if (prng.real53(random) < 0.3) heard.push(update)
    } else {
      client.edit(random, client, kinds)
    }
    if (prng.real53(random) < 0.1) states.push(stateOf(client))
  }
  settle(clients)
  const server = replica(prng.bool(random))
  const deliveries = deliver(random, heard, clients, states)
  encoding.writeVarUint(encoder, deliveries.length + 1)
  const take = (update) => {
    Y.applyUpdate(server, update)
    encoding.writeVarUint8Array(encoder, update)
    encoding.writeUint8(encoder, isWaiting(server) ? 0 : 1)
    if (!isWaiting(server)) {
      writeVector(encoder, Y.decodeStateVector(Y.encodeStateVector(server)))
      writeDeletes(encoder, server)
    }
  }
  deliveries.forEach(take)
  take(all(clients[0], Y.encodeStateVector(server)))
  if (!kinds.has('torn')) agree(clients, server)
  encoding.writeVarUint(encoder, states.length)
  for (const { vector, update } of states) {
    writeVector(encoder, vector)
    encoding.writeVarUint8Array(encoder, update ?? new Uint8Array([0, 0]))
  }
  writeKnowledge(encoder, server)
  const collected = replica(true)
  Y.applyUpdate(collected, Y.encodeStateAsUpdate(server))
  encoding.writeVarUint(encoder, Y.encodeStateAsUpdate(collected).length)
  for (const doc of [server, collected, ...clients.map(({ doc }) => doc)]) doc.destroy()
}

function makeClients (random, kinds) {
  const clients = new Map()
  const many = prng.int31(random, 2, 6)
  while (clients.size < many) {
    const id = prng.oneOf(random, CLIENT_IDS)(random)
    if (clients.has(id)) continue
    const next = kinds.has('next') && prng.real53(random) < 0.3
    const [library, { edit, rootsOf }] = next ? [Y14, edits14] : [Y, edits]
    const doc = new library.Doc({ gc: prng.bool(random), guid: `client ${id}` })
    doc.clientID = id
    const roots = rootsOf(doc)
    const undo = kinds.has('undo') && !next && prng.real53(random) < 0.5
      ? new Y.UndoManager(roots, { captureTimeout: 0, ignoreRemoteMapChanges: prng.bool(random) })
      : null
    clients.set(id, { library, edit, doc, roots, undo })
  }
  return [...clients.values()]
}

/** The update for a document with that vector, or all of the client's document. */
const all = ({ library, doc }, vector) => library.encodeStateAsUpdate(doc, vector)

const vectorOf = ({ library, doc }) => library.encodeStateVector(doc)

/** Brings `to` what `from` has more, and returns the update. */
function pull (from, to) {
  const update = all(from, vectorOf(to))
  to.library.applyUpdate(to.doc, update, FROM_OTHERS)
  return update
}

function stateOf (client) {
  return { vector: Y.decodeStateVector(vectorOf(client)), update: all(client) }
}

/** All clients know all, also what they did on learning it. */
function settle (clients) {
  const knowledge = (client) => all(client).length + ' ' +
    [...Y.decodeStateVector(vectorOf(client))].sort().join(' ')
  let before
  for (let round = 0; round < ROUNDS; round++) {
    for (const one of clients) {
      for (const other of clients) if (one !== other) pull(one, other)
    }
    const now = clients.map(knowledge).join('\n')
    if (now === before) return
    before = now
  }
}

/** Yjs itself must show the same everywhere, or there is nothing to compare with. */
function agree (clients, server) {
  const expected = dump(server)
  for (const client of clients) {
    const doc = client.library === Y ? client.doc : replica(true)
    if (doc !== client.doc) Y.applyUpdate(doc, all(client))
    if (dump(doc) !== expected) throw new Error(`clients of Yjs differ:\n${dump(doc)}\nand\n${expected}`)
  }
}

/** The updates that a server hears of, in the order in which they come. */
function deliver (random, heard, clients, states) {
  const often = () => prng.real53(random)
  const [lost, doubled] = [often() * 0.3, often() * 0.3]
  const updates = []
  for (const update of heard) {
    if (often() < lost) continue
    updates.push(update)
    if (often() < doubled) updates.push(update)
  }
  for (let merges = prng.int31(random, 0, 3); merges > 0 && updates.length > 1; merges--) {
    const some = updates.filter(() => prng.bool(random))
    if (some.length < 2) continue
    const merged = Y.mergeUpdates(shuffled(random, some))
    const replaced = prng.bool(random) ? updates.filter((update) => !some.includes(update)) : [...updates]
    updates.splice(0, updates.length, ...replaced)
    updates.splice(prng.int31(random, 0, updates.length), 0, merged)
  }
  for (let cuts = prng.int31(random, 0, 3); cuts > 0; cuts--) {
    const vector = Y.encodeStateVector(new Map(prng.oneOf(random, states).vector))
    updates.splice(prng.int31(random, 0, updates.length), 0, all(prng.oneOf(random, clients), vector))
  }
  const order = prng.int31(random, 0, 2)
  if (order === 0) return updates
  if (order === 1) return shuffled(random, updates)
  // Not far from the order in which they were made.
  return updates
    .map((update, at) => ({ update, at: at + often() * 6 }))
    .sort((one, other) => one.at - other.at)
    .map(({ update }) => update)
}

function shuffled (random, list) {
  const all = [...list]
  for (let last = all.length - 1; last > 0; last--) {
    const other = prng.int31(random, 0, last)
    ;[all[last], all[other]] = [all[other], all[last]]
  }
  return all
}
