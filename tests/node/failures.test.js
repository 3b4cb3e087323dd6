// The server dies and comes back.

import assert from 'node:assert/strict'
import { pause, storyOnEach, waitFor } from './harness.js'
import { converge, stock } from './stock.js'
import { played } from './wires.js'

/** What others saw this long ago, in milliseconds, is on disk: some ten are meant, a busy machine took over a hundred. */
const SETTLED = 500

/** The provider's longest pause between two attempts is 2.5 s. */
const BACK = 15_000

storyOnEach(played, 'after kill -9 both clients come back by themselves and go on', async (stage, wire) => {
  const server = await stage.server()
  const ada = stock(stage, server, 'essay', wire)
  const bob = stock(stage, server, 'essay', wire)
  ada.called('Ada')
  bob.called('Bob')
  ada.type('before ')
  await bob.sees('before')

  await server.kill()
  await waitFor('both noticed', () => !ada.isConnected() && !bob.isConnected())
  ada.type('meanwhile-a ')
  bob.type('meanwhile-b ')
  await server.start()
  await Promise.all([ada.synced(BACK), bob.synced(BACK)])
  await Promise.all([ada.sees('meanwhile-b'), bob.sees('meanwhile-a')])
  bob.type('after')
  await ada.sees('after')
  await converge([ada, bob])
  await waitFor('both in the list', () => ada.names() === 'Ada Bob' && bob.names() === 'Ada Bob')
})

storyOnEach(played, 'nothing that others had seen is missing after kill -9, with nobody there to send it again', async (stage, wire) => {
  const server = await stage.server()
  for (let round = 0; round < 3; round++) {
    const ada = stock(stage, server, 'essay', wire)
    const bob = stock(stage, server, 'essay', wire)
    await Promise.all([ada.synced(), bob.synced()])
    for (let i = 0; i < 100; i++) {
      ada.type(`${round}:${i} `)
      bob.map.set(`${round}:${i}`, i)
    }
    await converge([ada, bob])
    const seen = bob.all()
    await pause(SETTLED)
    // Types on, so that the process is killed at work.
    ada.type('~'.repeat(1000))
    await server.kill()
    ada.leave()
    bob.leave()

    await server.start()
    const cleo = stock(stage, server, 'essay', wire)
    await cleo.synced()
    const got = JSON.parse(cleo.all())
    const { map, text: [{ insert }] } = JSON.parse(seen)
    assert.deepEqual(got.map, map)
    assert.ok(got.text[0].insert.startsWith(insert), 'all that Bob had seen is there')
    cleo.text.delete(insert.length, cleo.text.length - insert.length)
    await pause(SETTLED)
    cleo.leave()
  }
})

storyOnEach(played, 'an orderly stop saves everything and ends within its time', async (stage, wire) => {
  const server = await stage.server()
  const ada = stock(stage, server, 'essay', wire)
  const bob = stock(stage, server, 'essay', wire)
  await Promise.all([ada.synced(), bob.synced()])
  ada.type('the last words')
  await bob.sees('the last words')
  const stopped = server.stop()
  await waitFor('the clients were let go', () => !ada.isConnected() && !bob.isConnected())
  await stopped
  ada.leave()
  bob.leave()

  await server.start()
  const cleo = stock(stage, server, 'essay', wire)
  await cleo.synced()
  assert.equal(cleo.text.toString(), 'the last words')
})
