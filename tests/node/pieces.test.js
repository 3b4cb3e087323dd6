// A document that is too large for one message.

import assert from 'node:assert/strict'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { story, waitFor } from './harness.js'
import { converge, stock } from './stock.js'

const SYNC = 0
const [STEP1, STEP2, UPDATE] = [0, 1, 2]

/** What Baton puts into one message of a first sync, with room for what was not counted. */
const PIECE = 1.3 * 1024 * 1024

/** Waits until all have heard of everything that was inserted. */
function level (people) {
  const clocks = ({ doc }) => [...Y.decodeStateVector(Y.encodeStateVector(doc))].sort().join(' ')
  return waitFor('all have heard of all', () => new Set(people.map(clocks)).size === 1, 60_000)
}

/**
 * Asks for what is behind `vector` and applies what comes to a bare document, until the Step2.
 *
 * @returns {Promise<{kind: number, bytes: number, pending: boolean}[]>} what came, in order
 */
function first (server, name, doc) {
  const came = []
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${server.socket}/${name}`)
    socket.binaryType = 'arraybuffer'
    socket.on('error', reject)
    socket.on('close', (code) => reject(new Error(`closed: ${code}`)))
    socket.on('open', () => {
      const ask = encoding.createEncoder()
      encoding.writeVarUint(ask, SYNC)
      encoding.writeVarUint(ask, STEP1)
      encoding.writeVarUint8Array(ask, Y.encodeStateVector(doc))
      socket.send(encoding.toUint8Array(ask))
    })
    socket.on('message', (data) => {
      const frame = decoding.createDecoder(new Uint8Array(data))
      if (decoding.readVarUint(frame) !== SYNC) return
      const kind = decoding.readVarUint(frame)
      const body = decoding.readVarUint8Array(frame)
      if (kind === STEP1) return
      Y.applyUpdate(doc, body)
      const pending = doc.store.pendingStructs !== null || doc.store.pendingDs !== null
      came.push({ kind, bytes: body.length, pending })
      if (kind === STEP2) {
        socket.removeAllListeners('close')
        socket.close()
        resolve(came)
      }
    })
  })
}

story('a document of 20 MB comes in pieces that Yjs takes one after the other', async (stage) => {
  const server = await stage.server()
  const people = [stock(stage, server, 'large'), stock(stage, server, 'large'), stock(stage, server, 'large')]
  await Promise.all(people.map((person) => person.synced()))
  const line = 'Viele Zeilen, ä ö ü ß, 日本, 😀 and so on and on. '
  for (let round = 0; round < 7; round++) {
    for (const [number, person] of people.entries()) {
      // One writes behind the others, one in the middle, one in front; each deletes something, too.
      const at = [person.text.length, person.text.length >> 1, 0][number]
      person.text.insert(at, line.repeat(18_000))
      person.text.delete(Math.max(0, at - 100), Math.min(at, 60))
      person.map.set('round', round)
      person.array.push([round, { number }])
      for (let word = 0; word < 200; word++) {
        person.text.insert((word * 7919 * (number + 1)) % person.text.length, `w${word} `)
      }
    }
    await level(people)
  }
  const all = Y.encodeStateAsUpdate(people[0].doc).length
  assert.ok(all > 20_000_000, `${all}`)

  const doc = new Y.Doc()
  const came = await first(server, 'large', doc)
  assert.ok(came.length >= 15, `${came.length} messages`)
  assert.ok(came.slice(0, -1).every(({ kind }) => kind === UPDATE))
  assert.equal(came.at(-1).kind, STEP2)
  assert.deepEqual(came.filter(({ pending }) => pending), [])
  assert.ok(came.every(({ bytes }) => bytes < PIECE), JSON.stringify(came))
  assert.equal(doc.getText('text').toString(), people[0].text.toString())
  assert.deepEqual(doc.getMap('map').toJSON(), people[0].map.toJSON())
  assert.deepEqual(doc.getArray('array').toJSON(), people[0].array.toJSON())
  // It lacks nothing: asked again, the server has nothing more.
  const again = await first(server, 'large', doc)
  assert.equal(again.length, 1)

  // The published provider takes them as well, and so does somebody who has an old copy.
  const old = new Y.Doc()
  Y.applyUpdate(old, Y.encodeStateAsUpdate(doc))
  people[1].text.insert(1000, line.repeat(60_000))
  await level(people)
  const rest = await first(server, 'large', old)
  assert.ok(rest.length >= 3 && rest.every(({ pending }) => !pending))
  assert.equal(old.getText('text').toString(), people[1].text.toString())
  const dan = stock(stage, server, 'large')
  await dan.synced(60_000)
  await waitFor('all of it', () => dan.text.length === people[0].text.length)
  await converge([dan, people[2]], 60_000)
})
