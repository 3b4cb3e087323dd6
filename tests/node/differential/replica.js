// Yjs documents that only take updates, and what they know, for comparison.
//
// Owns the one way in which such a document differs from a stock one: it never edits by itself.

import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import { dump } from './dump.js'

const replicas = new WeakSet()

// Yjs removes formatting marks that a remote change made redundant. That is an edit of its own, which no delivery
// has: two documents that took the same updates would differ.
for (const Text of [Y.Text, Y.XmlText]) {
  const observe = Text.prototype._callObserver
  if (!Object.hasOwn(Text.prototype, '_callObserver')) continue
  Text.prototype._callObserver = function (transaction, keys) {
    observe.call(this, transaction, keys)
    if (replicas.has(transaction.doc)) transaction._needFormattingCleanup = false
  }
}

/** A document that takes updates and does nothing else. */
export function replica (gc) {
  const doc = new Y.Doc({ gc })
  replicas.add(doc)
  return doc
}

/** Tells if the document keeps something that it cannot integrate yet. */
export const isWaiting = (doc) => doc.store.pendingStructs !== null || doc.store.pendingDs !== null

/**
 * Writes what the document knows: if it is waiting, its state vector, its deleted ranges, the size of its encoding,
 * and its content.
 */
export function writeKnowledge (encoder, doc) {
  encoding.writeUint8(encoder, isWaiting(doc) ? 1 : 0)
  writeVector(encoder, Y.decodeStateVector(Y.encodeStateVector(doc)))
  writeDeletes(encoder, doc)
  encoding.writeVarUint(encoder, Y.encodeStateAsUpdate(doc).length)
  encoding.writeVarString(encoder, dump(doc))
}

export function writeVector (encoder, vector) {
  encoding.writeVarUint(encoder, vector.size)
  for (const [client, clock] of vector) {
    encoding.writeVarUint(encoder, client)
    encoding.writeVarUint(encoder, clock)
  }
}

export function writeDeletes (encoder, doc) {
  const deletes = Y.createDeleteSetFromStructStore(doc.store)
  const ranges = [...deletes.clients].flatMap(([client, items]) => items.map(({ clock, len }) => [client, clock, len]))
  encoding.writeVarUint(encoder, ranges.length)
  for (const range of ranges) range.forEach((number) => encoding.writeVarUint(encoder, number))
}
