// Documents in which much was deleted, as the updates that a stock Yjs sends, each with its length before it; how large
// Yjs keeps the document, with its garbage collection on, goes to standard error. What Baton makes of it:
//
//   node worn.js shapes > shapes.updates
//   cargo run --release -p baton-sync --example compact < shapes.updates > shapes.compact

import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { encoding } from 'lib0'
import * as Y from 'yjs'

/** Bytes that are gathered before they are written. */
const CHUNK = 1 << 20

let state = 1
/** The same numbers each time, below `limit`. */
function roll (limit) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor(state / 2 ** 32 * limit)
}

function word () {
  return Array.from({ length: 2 + roll(8) }, () => String.fromCharCode(97 + roll(26))).join('')
}

const WORN = {
  /** A key that is set a million times. */
  * map (doc) {
    const map = doc.getMap('map')
    for (let i = 0; i < 1_000_000; i++) yield map.set('key', i)
  },

  /** 100 MB of text, written and deleted. */
  * text (doc) {
    const text = doc.getText('text')
    const line = 'x'.repeat(1_000)
    for (let i = 0; i < 100_000; i++) {
      yield text.insert(text.length, line)
      if (text.length > 200_000) yield text.delete(roll(1_000), 100_000)
    }
    yield text.delete(0, text.length)
  },

  /** Words at the end and in the midst, with corrections. */
  * typed (doc) {
    const text = doc.getText('text')
    for (let i = 0; i < 200_000; i++) {
      if (roll(4) === 0 && text.length > 10) yield text.delete(roll(text.length - 5), 1 + roll(4))
      else yield text.insert(roll(10) === 0 ? roll(text.length + 1) : text.length, word())
    }
  },

  /** 200 shapes, each dragged through 540 places; one in five is kept. */
  * shapes (doc) {
    const shapes = doc.getMap('shapes')
    for (let n = 0; n < 200; n++) {
      const shape = new Y.Map(Object.entries({ kind: 'box', x: 0, y: 0, color: '#ff0000', label: word() }))
      yield shapes.set(`shape ${n}`, shape)
      for (let i = 0; i < 540; i++) {
        yield doc.transact(() => { shape.set('x', roll(1_000)); shape.set('y', roll(1_000)) })
      }
      if (n % 5 !== 0) yield shapes.delete(`shape ${n}`)
    }
  },

  /** 4,000 paragraphs, written, formatted, corrected; of which some 300 are kept. */
  * rich (doc) {
    const all = doc.getXmlFragment('xml')
    for (let n = 0; n < 4_000; n++) {
      const paragraph = new Y.XmlElement('paragraph')
      const text = new Y.XmlText()
      paragraph.insert(0, [text])
      yield all.insert(roll(all.length + 1), [paragraph])
      for (let i = 0; i < 20; i++) yield text.insert(text.length, `${word()} `)
      const at = roll(text.length >> 1)
      yield text.format(at, 5 + roll(20), { bold: true })
      if (roll(2) === 0) yield text.format(at, 4, { bold: null })
      yield text.delete(roll(text.length - 20), 5 + roll(15))
      if (all.length > 300) yield all.delete(roll(all.length - 5), 1 + roll(3))
    }
  }
}

const what = process.argv[2]
if (!(what in WORN)) throw new Error(`node worn.js ${Object.keys(WORN).join('|')} > FILE`)
const out = createWriteStream('', { fd: 1 })
let chunk = encoding.createEncoder()
async function flush () {
  const bytes = encoding.toUint8Array(chunk)
  chunk = encoding.createEncoder()
  if (!out.write(bytes)) await once(out, 'drain')
}
const doc = new Y.Doc()
doc.clientID = 4242
doc.on('update', (update) => encoding.writeVarUint8Array(chunk, update))
for (const _ of WORN[what](doc)) {
  if (encoding.length(chunk) > CHUNK) await flush()
}
await flush()
out.end()
console.error(JSON.stringify({ what, yjs: Y.encodeStateAsUpdate(doc).length }))
