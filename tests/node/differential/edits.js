// One random edit of a Yjs client, of every kind of content there is.
//
// Owns the kinds: a reader that changes values of some kind is spared those by leaving the kind out.
// text format embed any exotic binary map type delete undo xml hook subdoc meta json torn next (a client on Yjs 14)

import * as prng from 'lib0/prng'
import * as Y from 'yjs'

export const KEYS = ['a', 'b', 'c', '']
const LETTERS = ['a', 'b', 'é', '中', '𝒳', '👩‍👩‍👧', '\n', ' ', 'word ', 'a longer run of letters ']

/** The roots that all clients write in, typed as clients type them. */
export const rootsOf = (doc) => [
  doc.getText('text'), doc.getMap('map'), doc.getArray('array'), doc.getXmlFragment('xml'), doc.getText('other text')
]

/** One transaction, or an undo, or a redo. */
export function edit (random, client, kinds) {
  const { doc, undo } = client
  const chance = prng.real53(random)
  if (undo !== null && chance < 0.12) return undo.undo()
  if (undo !== null && chance < 0.2) return undo.redo()
  doc.transact(() => {
    for (let left = prng.int31(random, 1, 4); left > 0; left--) {
      const types = liveTypes(client.roots)
      const type = prng.oneOf(random, prng.bool(random) ? client.roots : types)
      if (type instanceof Y.Text) editText(random, type, kinds)
      else if (type instanceof Y.Array) editArray(random, type, kinds)
      else if (type instanceof Y.Map) editMap(random, type, kinds)
      else editXml(random, type, kinds)
      if (kinds.has('json') && prng.real53(random) < 0.1) insertJson(random, type)
    }
  })
}

export function liveTypes (roots) {
  const all = []
  const walk = (type) => {
    all.push(type)
    const visit = (item) => {
      // Of either version of Yjs.
      if (!item.deleted && item.content.type) walk(item.content.type)
    }
    for (let item = type._start; item !== null; item = item.right) visit(item)
    for (const item of type._map.values()) visit(item)
  }
  roots.forEach(walk)
  return all
}

function editText (random, text, kinds) {
  const chance = prng.real53(random)
  const at = position(random, text, kinds)
  if (chance < 0.45 || text.length === 0) return text.insert(at, letters(random), attributes(random, kinds))
  if (chance < 0.65 && kinds.has('delete')) return text.delete(at, upTo(random, text, at, kinds))
  if (chance < 0.8 && kinds.has('format')) return text.format(at, upTo(random, text, at, kinds), mark(random, kinds))
  if (chance < 0.9 && kinds.has('embed')) return text.insertEmbed(at, embed(random, kinds), attributes(random, kinds))
  if (kinds.has('map') && kinds.has('any')) {
    const key = prng.oneOf(random, KEYS)
    return prng.bool(random) ? text.setAttribute(key, any(random, kinds)) : text.removeAttribute(key)
  }
}

/** A place in the text; between the two halves of a character of two units only if such are asked for. */
export function position (random, text, kinds, most = text.length) {
  return whole(text, prng.int31(random, 0, most), kinds)
}

export function upTo (random, text, at, kinds) {
  return whole(text, at + prng.int31(random, 0, Math.min(8, text.length - at)), kinds) - at
}

function whole (text, at, kinds) {
  if (kinds.has('torn')) return at
  let index = 0
  for (let item = text._start; item !== null; item = item.right) {
    if (item.deleted || !item.countable) continue
    if (at < index + item.length) {
      const inside = typeof item.content.str === 'string' && at > index
      const low = inside && /[\udc00-\udfff]/.test(item.content.str[at - index])
      return low ? at - 1 : at
    }
    index += item.length
  }
  return at
}

export function letters (random) {
  let all = ''
  for (let left = prng.int31(random, 1, 4); left > 0; left--) all += prng.oneOf(random, LETTERS)
  return all
}

const attributes = (random, kinds) =>
  kinds.has('format') && prng.real53(random) < 0.3 ? mark(random, kinds) : undefined

export const mark = (random, kinds) => prng.oneOf(random, [
  { bold: true }, { bold: null }, { italic: true }, { size: prng.int31(random, 1, 3) },
  ...kinds.has('exotic') ? [{ link: { title: 'x', href: 'y', 2: -1.5e300, 1: [] }, bold: true }] : []
])

const embed = (random, kinds) => prng.oneOf(random, [
  { image: 'a.png' },
  ...kinds.has('type') ? [nested(random, kinds)] : [],
  ...kinds.has('exotic') ? [{ z: 1, a: [null, { y: 1.25, x: 'q' }], 10: true, 9: false }] : []
])

function editArray (random, array, kinds) {
  const at = prng.int31(random, 0, array.length)
  if (array.length > 0 && kinds.has('delete') && prng.real53(random) < 0.3) {
    const from = prng.int31(random, 0, array.length - 1)
    return array.delete(from, prng.int31(random, 1, Math.min(3, array.length - from)))
  }
  const values = []
  for (let left = prng.int31(random, 1, 3); left > 0; left--) {
    const value = something(random, kinds)
    // Yjs takes these two in an array only inside another value.
    values.push(value === undefined || typeof value === 'bigint' ? [value] : value)
  }
  array.insert(at, values)
}

function editMap (random, map, kinds) {
  if (!kinds.has('map')) return
  const key = prng.oneOf(random, KEYS)
  if (kinds.has('delete') && prng.real53(random) < 0.25) return map.delete(key)
  for (let left = prng.int31(random, 1, 2); left > 0; left--) map.set(key, something(random, kinds))
}

function editXml (random, xml, kinds) {
  if (xml instanceof Y.XmlText || !kinds.has('xml')) return
  if (xml instanceof Y.XmlHook) return editMap(random, xml, kinds)
  const chance = prng.real53(random)
  if (xml instanceof Y.XmlElement && chance < 0.3) {
    const key = prng.oneOf(random, KEYS)
    return prng.bool(random) ? xml.setAttribute(key, letters(random)) : xml.removeAttribute(key)
  }
  if (xml.length > 0 && chance < 0.5 && kinds.has('delete')) {
    return xml.delete(prng.int31(random, 0, xml.length - 1), 1)
  }
  const made = prng.oneOf(random, [
    () => new Y.XmlElement(prng.oneOf(random, ['p', 'DIV'])),
    () => new Y.XmlText(letters(random)),
    ...kinds.has('hook') ? [() => new Y.XmlHook('hook')] : []
  ])
  xml.insert(prng.int31(random, 0, xml.length), [made()])
}

/** A value for an array or a map. */
function something (random, kinds) {
  const chance = prng.real53(random)
  if (chance < 0.2 && kinds.has('type')) return nested(random, kinds)
  if (chance < 0.3 && kinds.has('binary')) return prng.uint8Array(random, prng.int31(random, 0, 4))
  if (chance < 0.36 && kinds.has('subdoc')) return subdocument(random, kinds)
  return kinds.has('any') ? any(random, kinds) : 1
}

function nested (random, kinds) {
  const inner = () => prng.real53(random) < 0.4 ? [something(random, kinds)] : []
  return prng.oneOf(random, [
    () => new Y.Text(letters(random)),
    () => Y.Array.from(inner().map((value) => value ?? null).filter((value) => typeof value !== 'bigint')),
    () => new Y.Map(inner().map((value) => [prng.oneOf(random, KEYS), value])),
    ...kinds.has('xml') ? [() => new Y.XmlElement('b'), () => new Y.XmlFragment(), () => new Y.XmlText('x')] : []
  ])()
}

function subdocument (random, kinds) {
  const meta = kinds.has('meta') && prng.bool(random) ? { meta: { title: 'sub', n: 3n, z: [-0], a: undefined } } : {}
  return new Y.Doc({
    guid: `sub ${prng.uint32(random, 0, 0xffffffff)}`,
    ...meta,
    gc: prng.bool(random),
    autoLoad: prng.bool(random)
  })
}

const PLAIN = [
  undefined, null, true, false, 0, 1, -1, 63, 64, -64, 2 ** 31, -(2 ** 31), Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER, 0.5, 0.1, -1e300, NaN, Infinity, -Infinity, '', 'text', '𝒳', [], [[1], [null]], {},
  { key: 'value' }, { key: { deep: [true] } }
]

const EXOTIC = [
  -0, 0n, 3n, -1n, 2n ** 63n - 1n, -(2n ** 63n), [-0, 5n], { z: 1, a: -0, m: { y: 7n, b: undefined } },
  { 10: 'ten', 9: 'nine', b: 1, a: 2 }, 2 ** 53, -(2 ** 60), 1e21
]

export function any (random, kinds) {
  if (kinds.has('exotic') && prng.real53(random) < 0.4) return prng.oneOf(random, EXOTIC)
  return prng.oneOf(random, PLAIN)
}

/** Writes the content of Yjs before version 13.0, which today's Yjs reads and no longer writes. */
function insertJson (random, type) {
  if (type._item?.deleted || type.doc === null || type instanceof Y.XmlHook) return
  const { doc } = type
  const id = Y.createID(doc.clientID, Y.getState(doc.store, doc.clientID))
  doc.transact((transaction) => {
    const values = [{ z: 1, a: 'old' }, undefined, null, 1.5, [1]].slice(prng.int31(random, 0, 4))
    const keyed = type instanceof Y.Map
    const key = keyed ? prng.oneOf(random, KEYS) : null
    const left = keyed ? type._map.get(key) ?? null : null
    const right = keyed ? null : type._start
    const content = new Y.ContentJSON(keyed ? values.slice(0, 1) : values)
    new Y.Item(id, left, left?.lastId ?? null, right, right?.id ?? null, type, key, content).integrate(transaction, 0)
    // Yjs remembers places by index, and its own ways of inserting correct them.
    if (type._searchMarker) type._searchMarker.length = 0
  })
}
