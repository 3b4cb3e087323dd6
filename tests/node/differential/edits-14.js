// One random edit of a client on the pre-release of Yjs 14 (`@y/y`), whose types are all of one kind.
//
// Owns the edits that such a client adds to what `edits.js` makes: sequences and attributes of any type.

import * as prng from 'lib0/prng'
import * as Y from '@y/y'
import { KEYS, any, letters, liveTypes, mark, position, upTo } from './edits.js'

/** The roots that all clients write in. */
export const rootsOf = (doc) => ['text', 'map', 'array', 'xml', 'other text'].map((name) => doc.get(name))

/** One transaction. */
export function edit (random, client, kinds) {
  client.doc.transact(() => {
    for (let left = prng.int31(random, 1, 4); left > 0; left--) {
      const type = prng.oneOf(random, prng.bool(random) ? client.roots : liveTypes(client.roots))
      if (kinds.has('map') && prng.real53(random) < 0.3) editAttribute(random, type, kinds)
      else editSequence(random, type, kinds)
    }
  })
}

function editAttribute (random, type, kinds) {
  const key = prng.oneOf(random, KEYS)
  if (kinds.has('delete') && prng.real53(random) < 0.3) return type.deleteAttr(key)
  type.setAttr(key, something(random, kinds))
}

function editSequence (random, type, kinds) {
  const chance = prng.real53(random)
  const at = position(random, type, kinds)
  // A map of Yjs 13 has no sequence.
  if (type === type.doc.get('map')) return
  if (kinds.has('delete') && type.length > 0 && chance < 0.3) return type.delete(at, upTo(random, type, at, kinds))
  if (type === type.doc.get('xml')) return kinds.has('xml') ? type.insert(at, [new Y.Type('p')]) : undefined
  if (type === type.doc.get('array')) {
    const value = something(random, kinds)
    return type.insert(at, [value === undefined || typeof value === 'bigint' ? [value] : value])
  }
  if (kinds.has('format') && chance < 0.5) return type.format(at, upTo(random, type, at, kinds), mark(random, kinds))
  type.insert(at, letters(random))
}

function something (random, kinds) {
  const chance = prng.real53(random)
  if (chance < 0.2 && kinds.has('type')) return new Y.Type(prng.bool(random) && kinds.has('xml') ? 'b' : null)
  if (chance < 0.3 && kinds.has('binary')) return prng.uint8Array(random, prng.int31(random, 0, 4))
  return kinds.has('any') ? any(random, kinds) : 1
}
