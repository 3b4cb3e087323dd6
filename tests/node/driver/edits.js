// Random edits of a document with several root types.

import * as Y from 'yjs'

/** The root types, by the name that a path begins with. */
export const ROOTS = ['text', 'map', 'array', 'xml', 'notes']

/** Characters of a long insertion: more than fits into what a server does by the way. */
const LONG = [4_000, 20_000]

/** Keeps documents small: over it, more is deleted than written. */
const ENOUGH = 20_000

export function open (doc) {
  doc.getText('text')
  doc.getText('notes')
  doc.getMap('map')
  doc.getArray('array')
  doc.getXmlFragment('xml')
  return doc
}

/**
 * Does one random thing in that root type.
 *
 * @param {string} token is written, if anything is written
 * @returns {string} for the time line
 */
export function edit (doc, random, root, token) {
  let did
  doc.transact(() => { did = EDITS[root](doc, random, token) }, 'local')
  return `${root}: ${did}`
}

function words (random, token) {
  if (!random.chance(0.03)) return token + 'word '.slice(0, random.below(6))
  return token + 'a long line '.repeat(random.between(...LONG) / 12)
}

function text (name) {
  return (doc, random, token) => {
    const text = doc.getText(name)
    const full = text.length > ENOUGH
    const what = random.weighted([[full ? 1 : 8, 'insert'], [full ? 20 : 2, 'delete'], [1, 'format']])
    const at = random.below(text.length + 1)
    const length = Math.min(text.length - at, full ? text.length >> 1 : random.between(1, 8))
    if (what === 'insert' || length === 0) {
      text.insert(at, words(random, token), random.chance(0.1) ? { bold: true } : undefined)
      return `insert ${token} at ${at}`
    }
    if (what === 'delete') text.delete(at, length)
    else text.format(at, length, { bold: random.chance(0.5) ? true : null })
    return `${what} ${length} at ${at}`
  }
}

const EDITS = {
  text: text('text'),
  notes: text('notes'),

  map (doc, random, token) {
    const map = doc.getMap('map')
    const key = `k${random.below(8)}`
    const what = random.weighted([[6, 'set'], [2, 'delete'], [1, 'nest'], [2, 'inner']])
    const inner = map.get(key)
    if (what === 'delete') map.delete(key)
    else if (what === 'nest') map.set(key, new Y.Map([['token', token]]))
    else if (what === 'inner' && inner instanceof Y.Map) inner.set(`i${random.below(3)}`, token)
    else map.set(key, token)
    return `${what} ${key} ${token}`
  },

  array (doc, random, token) {
    const array = doc.getArray('array')
    const what = random.weighted([[6, 'insert'], [array.length > 100 ? 20 : 2, 'delete'], [1, 'nest']])
    const at = random.below(array.length + 1)
    const length = Math.min(array.length - at, random.between(1, 4))
    if (what === 'delete' && length > 0) array.delete(at, length)
    else if (what === 'nest') array.insert(at, [Y.Array.from([token])])
    else array.insert(at, [token, random.below(100)])
    return `${what} ${token} at ${at}`
  },

  xml (doc, random, token) {
    const xml = doc.getXmlFragment('xml')
    const what = random.weighted([[4, 'insert'], [xml.length > 40 ? 20 : 1, 'delete'], [3, 'write'], [2, 'attribute']])
    const at = random.below(xml.length + 1)
    const there = xml.length > at ? xml.get(at) : null
    if (what === 'delete' && there) xml.delete(at, 1)
    else if (what === 'write' && there?.length > 0) there.get(0).insert(random.below(there.get(0).length + 1), token)
    else if (what === 'attribute' && there) there.setAttribute(random.pick(['id', 'class']), token)
    else {
      const paragraph = new Y.XmlElement('p')
      paragraph.insert(0, [new Y.XmlText(token)])
      xml.insert(at, [paragraph])
    }
    return `${what} ${token} at ${at}`
  }
}
