// A stock client knows nothing of locks. It meets one.

import assert from 'node:assert/strict'
import { Channel } from './channel.js'
import { pause, story, waitFor } from './harness.js'
import { converge, stock } from './stock.js'

const AUTH = 2

/** Longer than the provider's pause before it would try again the first time. */
const WOULD_HAVE_RETRIED = 1_000

story('a stock client that writes under a lock is closed for good, and its text stays out', async (stage, t) => {
  const warned = t.mock.method(console, 'warn', () => {})
  const server = await stage.server()
  const holder = await Channel.open(stage, server, 'essay', 'Holder')
  const bob = stock(stage, server, 'essay')
  const cleo = stock(stage, server, 'essay')
  await Promise.all([bob.synced(), cleo.synced()])
  cleo.type('before the lock ')
  await bob.sees('before the lock')
  const fence = await holder.take()

  const heard = []
  bob.provider.ws.addEventListener('message', ({ data }) => heard.push(new Uint8Array(data)[0]))
  const closed = new Promise((resolve) => bob.provider.once('closed', resolve))
  bob.type('under the lock')
  assert.equal((await closed).code, 4423)
  assert.ok(heard.includes(AUTH), 'the reason came before the close')
  assert.equal(warned.mock.callCount(), 1)
  const attempts = []
  bob.provider.on('status', ({ status }) => attempts.push(status))
  await pause(WOULD_HAVE_RETRIED)
  assert.deepEqual(attempts.filter((status) => status === 'connecting'), [])
  assert.equal(bob.provider.shouldConnect, false)

  const dora = stock(stage, server, 'essay')
  await dora.synced()
  assert.equal(dora.text.toString(), 'before the lock ')
  assert.equal(cleo.text.toString(), 'before the lock ')

  // The lock is given back: whoever stayed may write, and whoever was closed opens the document again.
  await holder.release(fence)
  cleo.type('after the lock ')
  await dora.sees('after the lock')
  bob.provider.connect()
  await bob.synced()
  await Promise.all([cleo.sees('under the lock'), bob.sees('after the lock')])
  await converge([bob, cleo, dora])
})

story('a stock client that only reads under a lock stays', async (stage) => {
  const server = await stage.server()
  const bob = stock(stage, server, 'essay')
  const cleo = stock(stage, server, 'essay')
  bob.called('Bob')
  await Promise.all([bob.synced(), cleo.synced()])
  bob.type('all there')
  await cleo.sees('all there')
  const holder = await Channel.open(stage, server, 'essay', 'Holder')
  await holder.take()

  // A reconnect sends a Step2 with its deletions in it: it adds nothing, so it is no edit.
  cleo.provider.disconnect()
  cleo.provider.connect()
  await cleo.synced()
  cleo.called('Cleo')
  await waitFor('Bob sees Cleo', () => bob.names() === 'Bob Cleo')
  assert.ok(bob.provider.wsconnected && cleo.provider.wsconnected)
})

story('the lock passes to the next in the queue when its holder goes', async (stage) => {
  const server = await stage.server()
  const first = await Channel.open(stage, server, 'essay', 'First')
  const second = await Channel.open(stage, server, 'essay', 'Second')
  const fence = await first.take()
  const next = second.take()
  await second.hears('lock', ({ lock }) => lock.state === 'held' && lock.waiting === 1)
  await first.release(fence)
  const later = await next
  assert.ok(later.epoch > fence.epoch || later.position > fence.position, 'fences grow')
})
