// The pre-release of Yjs and its provider, alone and beside the stable ones, in one document.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import * as Y14 from '@y/y'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { Channel } from './channel.js'
import { pause, story, waitFor } from './harness.js'
import { stock } from './stock.js'
import { GREATEST_ID, clocks, stock14 } from './stock-14.js'

/** Well below the 15 s after which a client says its state again by itself. */
const SOON = 8_000

/** The provider's longest pause between two attempts is 2.5 s. */
const BACK = 15_000

/** Waits until a client of 13 and one of 14 hold the same text, attributes, list and clocks. */
async function same (old, young, within) {
  const both = () => [
    [old.text.toString(), young.text.toString()],
    [old.map.toJSON(), young.map.getAttrs()],
    [old.array.toJSON(), young.array.toArray()],
    [clocks(Y, old.doc), clocks(Y14, young.doc)]
  ]
  const sorted = (value) => JSON.stringify(
    Array.isArray(value) || typeof value === 'string' ? value : Object.entries(value).sort()
  )
  await waitFor('both hold the same', () => both().every(([one, other]) => sorted(one) === sorted(other)), within)
}

story('a client of Yjs 13 and one of Yjs 14 with the greatest id edit one document, and a newcomer of each has it all', async (stage) => {
  const server = await stage.server()
  const ada = stock(stage, server, 'essay')
  const bob = stock14(stage, server, 'essay', GREATEST_ID)
  await Promise.all([ada.synced(), bob.synced()])

  ada.type('Ada writes, ')
  bob.type('Bob writes, ')
  ada.map.set('title', 'Essay')
  bob.map.setAttr('pages', 3)
  ada.array.push([1, 'two'])
  bob.array.insert(0, [true])
  await same(ada, bob)

  // And again on what the other wrote: deletions name the other's blocks by the whole id.
  ada.text.delete(0, ada.text.length - 4)
  bob.array.delete(0, 1)
  ada.map.delete('pages')
  bob.map.setAttr('title', 'Book')
  await same(ada, bob)
  assert.equal(ada.map.get('title'), 'Book')
  assert.equal(ada.map.has('pages'), false)

  ada.leave()
  bob.leave()
  await server.stop()
  await server.start()
  const cleo = stock(stage, server, 'essay')
  const dora = stock14(stage, server, 'essay')
  await Promise.all([cleo.synced(), dora.synced()])
  await same(cleo, dora)
  assert.equal(cleo.text.length, 4)
  assert.ok(Y.decodeStateVector(Y.encodeStateVector(cleo.doc)).get(GREATEST_ID) > 0, 'the id came through whole')
})

story('two clients of Yjs 14 whose ids agree in their lower 32 bits are two clients', async (stage) => {
  const server = await stage.server()
  const ada = stock14(stage, server, 'twins', 7)
  const bob = stock14(stage, server, 'twins', 7 + 2 ** 32)
  await Promise.all([ada.synced(), bob.synced()])
  for (let i = 0; i < 50; i++) {
    ada.text.insert(0, 'a')
    bob.text.insert(0, 'b')
  }
  ada.called('Ada')
  bob.called('Bob')
  await waitFor('the same in both', () =>
    ada.text.toString() === bob.text.toString() && ada.text.length === 100)
  assert.equal(clocks(Y14, ada.doc), clocks(Y14, bob.doc))
  await waitFor('each sees both', () => ada.names() === 'Ada Bob' && bob.names() === 'Ada Bob', SOON)
  bob.leave()
  await waitFor('only Ada is left', () => ada.names() === 'Ada', SOON)
})

story('presence goes both ways between the versions: coming, leaving, and back after a break', async (stage) => {
  const server = await stage.server()
  const ada = stock(stage, server, 'room')
  const bob = stock14(stage, server, 'room', GREATEST_ID)
  ada.called('Ada')
  bob.called('Bob')
  await waitFor('each sees both', () => ada.names() === 'Ada Bob' && bob.names() === 'Ada Bob', SOON)
  assert.deepEqual(ada.provider.awareness.getStates().get(GREATEST_ID), { user: { name: 'Bob' } })

  let gone = false
  ada.provider.awareness.on('change', ({ removed }) => { gone ||= removed.includes(GREATEST_ID) })
  bob.provider.ws.terminate()
  await waitFor('Bob gone', () => gone, SOON)
  await waitFor('Bob back', () => ada.names() === 'Ada Bob', SOON)
  bob.leave()
  await waitFor('Bob gone for good', () => ada.names() === 'Ada', SOON)
})

story('a client of Yjs 14 writes without a line and through kill -9, and all of it arrives', async (stage) => {
  const server = await stage.server()
  const ada = stock(stage, server, 'essay')
  const bob = stock14(stage, server, 'essay', GREATEST_ID)
  await Promise.all([ada.synced(), bob.synced()])
  bob.type('before ')
  await ada.sees('before')

  await server.kill()
  await waitFor('both noticed', () => !ada.provider.wsconnected && !bob.provider.wsconnected)
  ada.type('meanwhile-13 ')
  bob.type('meanwhile-14 ')
  await server.start()
  await Promise.all([ada.sees('meanwhile-14', BACK), bob.sees('meanwhile-13', BACK)])
  bob.type('after')
  await ada.sees('after')
  await same(ada, bob)
})

story('a hello may name an id of 53 bits, and no other live client gets the same', async (stage) => {
  const server = await stage.server()
  await Channel.open(stage, server, 'room', 'Ada', { client: GREATEST_ID })
  const bob = new WebSocket(`${server.socket}/room`)
  stage.later(() => bob.terminate())
  const text = JSON.stringify({ type: 'hello', version: 1, client: GREATEST_ID })
  bob.on('open', () => bob.send(Buffer.concat([Buffer.from([98, text.length]), Buffer.from(text)])))
  const [code] = await once(bob, 'close')
  assert.equal(code, 4411)
  // One whose id has the same lower 32 bits is another client.
  const alike = GREATEST_ID - 2 ** 32
  const cleo = await Channel.open(stage, server, 'room', 'Cleo', { client: alike })
  const { roster } = await cleo.hears('welcome')
  assert.deepEqual(roster.map(({ client }) => client).sort(), [alike, GREATEST_ID].sort())
})

story('a denied client that reconnects whatever the code says is held to the pace of its address', async (stage) => {
  const [pace, burst, seconds] = [1, 5, 6]
  const server = await stage.server('--new-connections-per-second', pace, '--new-connections-burst', burst)
  let denied = 0
  let refused = 0
  const lost = stock14(stage, server, 'no\u0001name')
  lost.provider.on('connection-close', (event) => {
    if (event.code === 4404) denied++
    else refused++
  })
  await waitFor('it was denied, came again all the same, and was refused', () => denied > burst && refused > 0)
  const before = denied
  await pause(seconds * 1000)
  // One more for the part of a second on either side.
  assert.ok(denied - before <= pace * (seconds + 1), `${denied - before} came in within ${seconds} s`)
})
