// A first sync that comes compressed, read by what every browser and Node have built in.

import assert from 'node:assert/strict'
import { inflateRawSync } from 'node:zlib'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { story, waitFor } from './harness.js'
import { stock } from './stock.js'

const [SYNC, BATON, COMPRESSED] = [0, 98, 99]
const [STEP1, STEP2, UPDATE] = [0, 1, 2]

/** The update that the payload of a compressed one stands for, by zlib and by the browser's way. */
async function inflate (payload) {
  const from = decoding.createDecoder(payload)
  const length = decoding.readVarUint(from)
  const stream = payload.slice(from.pos)
  const update = new Uint8Array(inflateRawSync(stream))
  assert.equal(update.length, length)
  const inflating = new Blob([stream]).stream().pipeThrough(new DecompressionStream('deflate-raw'))
  assert.deepEqual(new Uint8Array(await new Response(inflating).arrayBuffer()), update)
  return update
}

/**
 * Says hello, asks for everything, and applies what comes to a bare document, until the Step2.
 *
 * @returns {Promise<{encoding: string | undefined, kinds: number[], bytes: number, doc: Y.Doc}>} what the welcome says, and what came
 */
function join (server, name, encodings) {
  const socket = new WebSocket(`${server.socket}/${name}`)
  socket.binaryType = 'arraybuffer'
  const frame = (write) => socket.send(encoding.encode(write))
  return new Promise((resolve, reject) => {
    const came = { encoding: undefined, kinds: [], bytes: 0, doc: new Y.Doc() }
    let [welcome, synced] = [false, false]
    socket.on('error', reject)
    socket.on('close', (code) => reject(new Error(`closed: ${code}`)))
    socket.on('open', () => {
      frame((to) => {
        encoding.writeVarUint(to, BATON)
        encoding.writeVarString(to, JSON.stringify({ type: 'hello', version: 1, ...(encodings && { encodings }) }))
      })
      frame((to) => {
        encoding.writeVarUint(to, SYNC)
        encoding.writeVarUint(to, STEP1)
        encoding.writeVarUint8Array(to, Y.encodeStateVector(came.doc))
      })
    })
    let turn = Promise.resolve()
    const take = async (bytes) => {
      const from = decoding.createDecoder(bytes)
      const type = decoding.readVarUint(from)
      if (type === BATON) {
        const message = JSON.parse(decoding.readVarString(from))
        if (message.type === 'welcome') [welcome, came.encoding] = [true, message.encoding]
      } else if (type === SYNC || type === COMPRESSED) {
        const step = decoding.readVarUint(from)
        if (step === STEP1) return
        assert.ok(step === STEP2 || step === UPDATE)
        const body = decoding.readVarUint8Array(from)
        assert.ok(!decoding.hasContent(from))
        Y.applyUpdate(came.doc, type === COMPRESSED ? await inflate(body) : body)
        came.kinds.push(type)
        came.bytes += bytes.length
        synced ||= step === STEP2
      }
      if (!welcome || !synced) return
      socket.removeAllListeners('close')
      socket.close()
      resolve(came)
    }
    socket.on('message', (data) => {
      turn = turn.then(() => take(new Uint8Array(data))).catch(reject)
    })
  })
}

story('a document comes compressed to who asks for it, and as ever to all others', async (stage) => {
  const server = await stage.server()
  const author = stock(stage, server, 'compressed')
  await author.synced()
  const lines = Array.from({ length: 40_000 }, (_, line) => `line ${line}: ä ö ü, 日本, 😀 and so on and on. `)
  author.text.insert(0, lines.join(''))
  const reader = stock(stage, server, 'compressed')
  await reader.synced()
  const everything = author.text.toString()
  await waitFor('all of it', () => reader.text.toString() === everything)

  const plain = await join(server, 'compressed', undefined)
  assert.equal(plain.encoding, undefined)
  assert.deepEqual(new Set(plain.kinds), new Set([SYNC]))

  const asked = await join(server, 'compressed', ['br', 'deflate-raw'])
  assert.equal(asked.encoding, 'deflate-raw')
  assert.deepEqual(new Set(asked.kinds), new Set([COMPRESSED]))
  assert.ok(asked.kinds.length > 1, 'it is more than one piece')
  assert.ok(asked.bytes * 3 < plain.bytes, `${asked.bytes} of ${plain.bytes}`)
  for (const { doc } of [plain, asked]) assert.equal(doc.getText('text').toString(), everything)

  const unknown = await join(server, 'compressed', ['br'])
  assert.equal(unknown.encoding, undefined)
  assert.deepEqual(new Set(unknown.kinds), new Set([SYNC]))
})
