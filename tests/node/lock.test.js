// A stock client knows nothing of locks. It meets one.

import assert from 'node:assert/strict'
import { Channel } from './channel.js'
import { pause, story, storyOnEach, waitFor } from './harness.js'
import { converge, stock } from './stock.js'
import { played } from './wires.js'

const AUTH = 2

/** How long a server that started again waits for the holder of a lock, and what the machine may add, in milliseconds. */
const RECOVERY = 30_000

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

story('what a stock client wrote under a lock is kept, and the holder merges it', async (stage, t) => {
  t.mock.method(console, 'warn', () => {})
  const server = await stage.server()
  const holder = await Channel.open(stage, server, 'essay', 'Holder')
  const bob = stock(stage, server, 'essay')
  const cleo = stock(stage, server, 'essay')
  await Promise.all([bob.synced(), cleo.synced()])
  cleo.type('before the lock ')
  await bob.sees('before the lock')
  await holder.take()

  const closed = () => new Promise((resolve) => bob.provider.once('closed', resolve))
  const first = closed()
  bob.type('first ')
  assert.equal((await first).code, 4423)
  const { park } = await holder.hears('park')
  assert.deepEqual([park.state, park.reason, park.inserted, park.deleted], ['open', 'locked', 'first '.length, 0])
  assert.equal(cleo.text.toString(), 'before the lock ')

  const { parts, truncated } = await holder.ask({ type: 'show-park', id: park.id }, 'park-content')
  assert.equal(truncated, false)
  assert.deepEqual(parts.filter(({ kind }) => kind === 'insert').map(({ root, text }) => [root, text]), [['text', 'first ']])

  // Somebody who does not hold the lock may not let it in either, whoever they are.
  const other = await Channel.open(stage, server, 'essay', 'Other')
  assert.equal((await other.ask({ type: 'merge-park', id: park.id })).outcome, 'busy')
  assert.equal((await holder.ask({ type: 'merge-park', id: park.id })).outcome, 'done')
  await cleo.sees('before the lock first ')
  await other.hears('park', (message) => message.park.id === park.id && message.park.state === 'merged')

  // He writes on in the copy that was closed, and tries again: that is set aside in turn.
  bob.type('second ')
  const second = closed()
  bob.provider.connect()
  assert.equal((await second).code, 4423)
  const { park: next } = await holder.hears('park', (message) => message.park.id !== park.id)
  assert.equal(next.inserted, 'second '.length)
  assert.equal((await holder.ask({ type: 'merge-park', id: next.id })).outcome, 'done')
  await cleo.sees('before the lock first second ')

  // Now all that he has is there, once, and he may stay.
  bob.provider.connect()
  await bob.synced()
  await converge([bob, cleo])
  assert.equal(bob.text.toString(), 'before the lock first second ')
})

storyOnEach(played, 'what was set aside is still there after kill -9, and is discarded and recovered', async (stage, wire, t) => {
  t.mock.method(console, 'warn', () => {})
  const server = await stage.server()
  const holder = await Channel.open(stage, server, 'essay', 'Holder')
  const bob = stock(stage, server, 'essay', wire)
  await bob.synced()
  await holder.take()
  bob.type('out of turn')
  const { park: { id } } = await holder.hears('park')
  bob.leave()
  await server.kill()
  await server.start()

  const judge = await Channel.open(stage, server, 'essay', 'Judge')
  const { parks } = await judge.hears('welcome')
  assert.deepEqual(parks.map((park) => [park.id, park.state, park.inserted]), [[id, 'open', 'out of turn'.length]])
  assert.equal((await judge.ask({ type: 'discard-park', id })).outcome, 'done')
  await judge.hears('park', ({ park }) => park.id === id && park.state === 'discarded' && park.until_ms > Date.now())
  assert.equal((await judge.ask({ type: 'merge-park', id })).outcome, 'stale')
  assert.equal((await judge.ask({ type: 'recover-park', id })).outcome, 'done')
  // The holder from before the crash does not come back: the lock passes on, and then it can be merged.
  await waitFor('merged', async () => (await judge.ask({ type: 'merge-park', id })).outcome === 'done', RECOVERY)
  const cleo = stock(stage, server, 'essay', wire)
  await cleo.synced()
  assert.equal(cleo.text.toString(), 'out of turn')
})

storyOnEach(played, 'a stock client that only reads under a lock stays', async (stage, wire) => {
  const server = await stage.server()
  const bob = stock(stage, server, 'essay', wire)
  const cleo = stock(stage, server, 'essay', wire)
  bob.called('Bob')
  await Promise.all([bob.synced(), cleo.synced()])
  bob.type('all there')
  await cleo.sees('all there')
  const holder = await Channel.open(stage, server, 'essay', 'Holder')
  await holder.take()

  // A reconnect sends a Step2 with its deletions in it: it adds nothing, so it is no edit.
  await cleo.disconnect()
  cleo.connect()
  await cleo.synced()
  cleo.called('Cleo')
  await waitFor('Bob sees Cleo', () => bob.names() === 'Bob Cleo')
  assert.ok(bob.isConnected() && cleo.isConnected())
})

story('the lock passes to the next in the queue when its holder goes', async (stage) => {
  const server = await stage.server()
  const first = await Channel.open(stage, server, 'essay', 'First')
  const second = await Channel.open(stage, server, 'essay', 'Second')
  const fence = await first.take()
  const next = second.take()
  await second.hears('lock', ({ lock }) => lock.grants[0]?.state === 'held' && lock.waiting === 1)
  await first.release(fence)
  const later = await next
  assert.ok(later.epoch > fence.epoch || later.position > fence.position, 'fences grow')
})
