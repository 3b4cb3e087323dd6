// The compact form of a document, as stock Yjs reads it: what the server joined and dropped shows nothing else than what
// the clients' own updates show, of every kind of content that Yjs writes.
//
// Needs no server, but the program that rewrites, which stands beside it: `cargo build -p baton-sync --example compact`. (The
// step `node` of the test command builds all examples.)

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { decoding, encoding } from 'lib0'
import * as Y from 'yjs'

const SERVER = process.env.BATON_BIN ?? fileURLToPath(new URL('../../target/debug/baton', import.meta.url))
const REWRITER = join(dirname(SERVER), 'examples', 'compact')

/** Documents of the random story, and the edits that each gets. */
const DOCUMENTS = 40
const EDITS = 80

/** How much larger than Yjs's own encodings, with its garbage collection on, the compact forms may be. */
const FACTOR = 1.02

/** Rewrites whole states, all at once; with `keep` as the last argument deleted content stays. */
function compacted (states, ...keep) {
  const encoder = encoding.createEncoder()
  for (const state of states) encoding.writeVarUint8Array(encoder, state)
  const { stdout, stderr, status, error } = spawnSync(REWRITER, ['states', ...keep], {
    input: encoding.toUint8Array(encoder), maxBuffer: 1 << 28
  })
  assert.equal(status, 0, `${error ?? ''} ${stderr}`)
  const decoder = decoding.createDecoder(stdout)
  return states.map(() => decoding.readVarUint8Array(decoder))
}

/** Random numbers from a seed, below `limit`. */
function dice (seed) {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor(state / 2 ** 32 * limit)
  }
}

/** A value with all that JSON would not say: the sign of zero, the size of a number, the order of keys. */
function spelled (value) {
  if (Object.is(value, -0)) return '-0'
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'string') return JSON.stringify(value)
  if (value instanceof Uint8Array) return `bytes(${value})`
  if (value instanceof Y.Doc) return `doc(${value.guid}, ${spelled(value.meta)})`
  if (value instanceof Y.AbstractType) return shown(value)
  if (Array.isArray(value)) return `[${value.map(spelled)}]`
  if (value !== null && typeof value === 'object') {
    return `{${Object.entries(value).map(([key, inner]) => `${key}:${spelled(inner)}`)}}`
  }
  return String(value)
}

/** A shared type with all that is in it. The keys of a shared map have no order. */
function shown (type) {
  const attributes = () => [...type._map.keys()].sort().map((key) => `${key}=${spelled(type.getAttribute(key))}`)
  if (type instanceof Y.XmlHook) return `hook(${type.hookName}, ${entries(type)})`
  if (type instanceof Y.Map) return `map(${entries(type)})`
  if (type instanceof Y.XmlElement) return `<${type.nodeName} ${attributes()}>${type.toArray().map(spelled)}`
  if (type instanceof Y.XmlFragment) return `fragment(${type.toArray().map(spelled)})`
  if (type instanceof Y.Text) return `text(${spelled(type.toDelta())})`
  return `array(${type.toArray().map(spelled)})`
}

function entries (map) {
  return [...map.keys()].sort().map((key) => `${key}=${spelled(map.get(key))}`)
}

function all (doc) {
  const { store } = doc
  assert.equal(store.pendingStructs, null)
  assert.equal(store.pendingDs, null)
  return [doc.getText('text'), doc.getMap('map'), doc.getArray('array'), doc.getXmlFragment('xml')].map(shown).join('\n')
}

function loaded (updates, options) {
  const doc = new Y.Doc(options)
  for (const update of updates) Y.applyUpdate(doc, update)
  return doc
}

const VALUES = [
  () => 3n, () => 2n ** 63n - 1n, () => -0, () => 2 ** 53 - 1, () => 2 ** 63, () => 0.1, () => NaN, () => undefined, () => null,
  () => 'a😀', () => new Uint8Array([1, 2]), () => ({ z: 1, a: [3n, { y: -0, b: '' }] }), () => [[], {}, true], () => 'word'
]

const JSON_VALUES = [undefined, null, 1, -2.5, 'é', '\ud83d', [undefined], { z: 1, a: { y: [] } }, true]

/** Puts values before or behind all of an array, as Yjs did before it had a content for them. */
function insertLegacy (doc, array, values, first) {
  doc.transact((transaction) => {
    let [left, right] = [null, array._start]
    while (right && !first) [left, right] = [right, right.right]
    const id = Y.createID(doc.clientID, Y.getState(doc.store, doc.clientID))
    const content = new Y.ContentJSON(values)
    new Y.Item(id, left, left?.lastId ?? null, right, right?.id ?? null, array, null, content).integrate(transaction, 0)
    // Yjs remembers places in the array, which are others now.
    array._searchMarker.length = 0
  })
}

function edit (doc, roll) {
  const [text, map, array, xml] = [doc.getText('text'), doc.getMap('map'), doc.getArray('array'), doc.getXmlFragment('xml')]
  const value = () => VALUES[roll(VALUES.length)]()
  // Yjs takes some of them only inside of another.
  const element = () => { const inner = value(); return ['undefined', 'bigint'].includes(typeof inner) ? [inner] : inner }
  const json = () => Array.from({ length: 1 + roll(3) }, () => JSON_VALUES[roll(JSON_VALUES.length)])
  const key = () => 'kl'[roll(2)]
  const edits = [
    () => { for (const letter of 'typed ') text.insert(text.length, letter) },
    () => text.insert(roll(text.length + 1), 'in the midst 😀'),
    () => { if (text.length > 4) text.delete(roll(text.length - 3), 1 + roll(3)) },
    () => { if (text.length > 4) text.format(roll(text.length - 3), 3, { bold: [true, null, { b: 1, a: 2 }][roll(3)] }) },
    () => text.insertEmbed(roll(text.length + 1), { image: { z: 2 ** 63, a: '\ud83d' } }),
    () => map.set(key(), value()),
    () => map.set(key(), new Y.Map([['z', value()], ['a', new Y.Text('inner')]])),
    () => map.set(key(), new Y.Doc({ guid: `sub ${roll(3)}`, meta: { z: 1n, a: -0 }, autoLoad: roll(2) === 0 })),
    () => map.delete(key()),
    () => { const inner = map.get(key()); if (inner instanceof Y.Map) inner.set('z', value()) },
    () => { for (let n = 0; n < 3; n++) array.push([element()]) },
    () => array.insert(roll(array.length + 1), [element(), element()]),
    () => insertLegacy(doc, array, json(), true),
    () => { for (let n = 0; n < 3; n++) insertLegacy(doc, array, json(), false) },
    () => { if (array.length > 3) array.delete(roll(array.length - 2), 1 + roll(2)) },
    () => {
      const hook = new Y.XmlHook(['clock', 'größe'][roll(2)])
      xml.insert(roll(xml.length + 1), [hook])
      hook.set('time', value())
    },
    () => {
      const paragraph = new Y.XmlElement('p')
      paragraph.insert(0, [new Y.XmlText('words'), new Y.XmlHook('in a paragraph')])
      xml.insert(roll(xml.length + 1), [paragraph])
      paragraph.setAttribute('class', 'c')
    },
    () => { if (xml.length > 2) xml.delete(roll(xml.length - 1), 1) }
  ]
  edits[roll(edits.length)]()
}

/** What two clients write who hear of each other late. */
function history (seed) {
  const roll = dice(seed)
  const log = []
  const people = [1, 2].map((id) => {
    const doc = new Y.Doc({ gc: roll(2) === 0 })
    doc.clientID = id * 1_000_003
    doc.on('update', (update, origin) => { if (origin !== 'heard') log.push(update) })
    return { doc, heard: 0 }
  })
  for (let n = 0; n < EDITS; n++) {
    const person = people[roll(2)]
    if (roll(4) === 0) {
      for (; person.heard < log.length; person.heard++) Y.applyUpdate(person.doc, log[person.heard], 'heard')
    }
    edit(person.doc, roll)
  }
  return { log, roll }
}

/** The blocks of these updates as they came, with all that Yjs deletes after them. */
function whole (log) {
  const doc = loaded(log, { gc: false })
  return Y.mergeUpdates([...log, Y.encodeStateAsUpdate(doc, Y.encodeStateVector(doc))])
}

test('the compact form of a document shows the same in Yjs, whatever is in it, and goes on in the same way', () => {
  const histories = Array.from({ length: DOCUMENTS }, (_, seed) => history(seed + 1))
  const parts = histories.map(({ log, roll }) => {
    const cut = 1 + roll(log.length)
    return { early: log.slice(0, cut), late: log.slice(cut) }
  })
  const states = parts.map(({ early }) => whole(early))
  const forms = { drop: compacted(states), keep: compacted(states, 'keep') }
  forms.droppedLater = compacted(forms.keep)
  assert.deepEqual(compacted(forms.drop), forms.drop)
  assert.deepEqual(compacted(forms.keep, 'keep'), forms.keep)
  const sizes = { yjs: 0, drop: 0 }
  parts.forEach(({ early, late }, n) => {
    const gathering = loaded(early)
    const [before, after] = [all(gathering), all(loaded([...early, ...late]))]
    for (const [name, form] of Object.entries(forms)) {
      for (const gc of [true, false]) {
        const doc = loaded([form[n]], { gc })
        assert.equal(all(doc), before, `${name}, document ${n}`)
        for (const update of late) Y.applyUpdate(doc, update)
        assert.equal(all(doc), after, `${name}, document ${n}, later`)
      }
    }
    sizes.yjs += Y.encodeStateAsUpdate(gathering).length
    sizes.drop += forms.drop[n].length
  })
  assert.ok(sizes.drop <= FACTOR * sizes.yjs, JSON.stringify(sizes))
})

test('a text that was typed letter by letter is no larger than by Yjs, and replaced halves stay apart', () => {
  const doc = new Y.Doc()
  const log = []
  doc.on('update', (update) => log.push(update))
  const text = doc.getText('text')
  for (let n = 0; n < 2_000; n++) {
    if (n % 40 === 8) text.delete(text.length - 3, 1)
    else text.insert(n % 50 === 0 ? n >> 2 : text.length, 'abcdefgh'[n % 8])
  }
  const raw = whole(log)
  const [small] = compacted([raw])
  const yjs = Y.encodeStateAsUpdate(doc).length
  assert.ok(small.length <= FACTOR * yjs, `${small.length} bytes, by Yjs ${yjs}`)
  assert.ok(raw.length > 3 * yjs)
  assert.equal(all(loaded([small])), all(doc))
  // Each half of the character is an update, and neither is a character: the others get two replacements.
  text.insert(0, '\ud83d')
  text.insert(1, '\ude00')
  const [halves] = compacted([whole(log)])
  assert.equal(all(loaded([halves])), all(loaded(log)))
})

test('a document whose history is kept shows what Y.snapshot has seen', () => {
  const doc = new Y.Doc({ gc: false })
  const log = []
  doc.on('update', (update) => log.push(update))
  const roll = dice(7)
  const seen = []
  for (let n = 0; n < 120; n++) {
    edit(doc, roll)
    if (n % 10 === 0) seen.push(Y.snapshot(doc))
  }
  const [kept] = compacted([whole(log)], 'keep')
  const again = loaded([kept], { gc: false })
  for (const snapshot of seen) {
    assert.equal(all(Y.createDocFromSnapshot(again, snapshot)), all(Y.createDocFromSnapshot(doc, snapshot)))
  }
  assert.ok(kept.length < Y.mergeUpdates(log).length)
})
