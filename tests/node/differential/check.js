// Stock Yjs as a child process: it makes histories, and says what Yjs knows after it took some updates.
//
// Each request and each answer is a frame: four bytes of length (little endian), then lib0's encoding. The Rust side
// (`tests/differential/src/yjs.rs`) describes them.

import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import { history } from './history.js'
import { replica, writeKnowledge } from './replica.js'

const HISTORY = 1
const LOAD = 2
const CUT = 3

function answer (request, encoder) {
  const decoder = decoding.createDecoder(request)
  const operation = decoding.readUint8(decoder)
  if (operation === HISTORY) {
    const seed = decoding.readVarUint(decoder)
    const kinds = decoding.readVarString(decoder)
    history(seed, new Set(kinds.split(' ')), encoder)
  } else if (operation === LOAD) {
    const doc = replica(decoding.readUint8(decoder) === 1)
    for (let left = decoding.readVarUint(decoder); left > 0; left--) {
      Y.applyUpdate(doc, decoding.readVarUint8Array(decoder))
    }
    writeKnowledge(encoder, doc)
    doc.destroy()
  } else if (operation === CUT) {
    const update = decoding.readVarUint8Array(decoder)
    const vector = decoding.readVarUint8Array(decoder)
    encoding.writeVarUint8Array(encoder, Y.diffUpdate(update, vector))
  } else {
    throw new Error(`no such operation: ${operation}`)
  }
}

/** An answer starts with a zero, or with a one and the error that Yjs threw. */
function answerSafely (request) {
  const encoder = encoding.createEncoder()
  encoding.writeUint8(encoder, 0)
  try {
    answer(request, encoder)
    return encoding.toUint8Array(encoder)
  } catch (error) {
    const failed = encoding.createEncoder()
    encoding.writeUint8(failed, 1)
    encoding.writeVarString(failed, error.stack)
    return encoding.toUint8Array(failed)
  }
}

let received = Buffer.alloc(0)
process.stdin.on('data', (chunk) => {
  received = Buffer.concat([received, chunk])
  while (received.length >= 4 && received.length >= 4 + received.readUInt32LE(0)) {
    const end = 4 + received.readUInt32LE(0)
    const body = answerSafely(received.subarray(4, end))
    received = received.subarray(end)
    const length = Buffer.alloc(4)
    length.writeUInt32LE(body.length)
    process.stdout.write(Buffer.concat([length, body]))
  }
})
process.stdin.on('end', () => process.exit(0))
// Yjs reports some findings here; standard output belongs to the frames.
console.log = console.error
