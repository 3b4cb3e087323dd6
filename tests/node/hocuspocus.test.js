// What is particular to the Hocuspocus wire: several documents on a socket, addresses, confirmations, Stateless.

import assert from 'node:assert/strict'
import WebSocket from 'ws'
import { encodeStateAsUpdate, Doc } from 'yjs'
import {
  AUTH, BROADCAST_STATELESS, CHANNEL, CLOSE, PING, PONG, STATELESS, STEP1, STEP2, SYNC, SYNC_STATUS, UPDATE, frame, isChange, read
} from './frames.js'
import { Channel } from './channel.js'
import { pause, storyOnEach, waitFor } from './harness.js'
import { converge, stock } from './stock.js'
import { hocuspocus, hocuspocusSocket, played, tapped, yWebsocket } from './wires.js'

const here = played.filter((wire) => wire === hocuspocus)

/** Awareness is to be back within this after a reconnect, in milliseconds. */
const SOON = 1_000

/** What was not there by then does not come, in milliseconds. */
const NEVER = 500

/** A client that shares its socket with others of the same story. */
const on = (stage, server, name, socket, options) => stock(stage, server, name, hocuspocus, { socket, ...options })

function socketOf (stage, server, options) {
  const socket = hocuspocusSocket(server, options)
  stage.later(() => socket.destroy())
  return socket
}

/** A socket on which the story writes every frame itself. */
async function bare (stage, server) {
  const socket = new WebSocket(server.hocuspocus)
  const heard = []
  socket.on('message', (bytes) => heard.push(read(new Uint8Array(bytes), true)))
  const closed = new Promise((resolve) => socket.on('close', (code) => resolve(code)))
  socket.on('error', () => {})
  stage.later(() => socket.terminate())
  await new Promise((resolve) => socket.on('open', resolve))
  return {
    heard,
    closed,
    say: (...parts) => socket.send(frame(...parts)),
    hears: (what, condition) => waitFor(what, () => heard.find(condition))
  }
}

storyOnEach(here, 'several documents on one socket stay apart, and each goes on when another leaves', async (stage) => {
  const server = await stage.server()
  const [left, right] = [socketOf(stage, server), socketOf(stage, server)]
  const names = ['essay', 'plan', 'büro/計画 ✓']
  const ada = names.map((name) => on(stage, server, name, left))
  const bob = names.map((name) => on(stage, server, name, right))
  await Promise.all([...ada, ...bob].map((client) => client.synced()))
  ada.forEach((client, i) => client.type(`only ${i} `))
  bob.forEach((client, i) => client.map.set('number', i))
  for (let i = 0; i < names.length; i++) {
    await converge([ada[i], bob[i]])
    assert.equal(bob[i].text.toString(), `only ${i} `)
  }

  // The server confirms that an address is left, and serves the others as before.
  const closes = []
  left.on('message', ({ data }) => {
    const seen = read(new Uint8Array(data), true)
    if (seen.type === CLOSE) closes.push([seen.address, seen.text])
  })
  ada[0].leave()
  await waitFor('the close of one address', () => closes.length > 0)
  assert.deepEqual(closes, [['essay', 'provider_initiated']])
  bob[0].type('unseen')
  ada[1].type('after')
  await bob[1].sees('after')
  assert.equal(left.status, 'connected')

  // And comes back to it.
  const again = on(stage, server, 'essay', left)
  await again.sees('unseen')
})

storyOnEach(here, 'each change is answered with one status, and then nothing is unsynced', async (stage) => {
  const server = await stage.server()
  const counts = { essay: { sent: 0, heard: [] }, plan: { sent: 0, heard: [] } }
  const socket = socketOf(stage, server, {
    WebSocketPolyfill: tapped({
      sent: (bytes) => {
        const seen = read(bytes, true)
        if (isChange(seen)) counts[seen.address].sent++
      },
      came: (bytes) => {
        const { address, type, number } = read(bytes, true)
        if (type === SYNC_STATUS) counts[address].heard.push(number)
      }
    })
  })
  const [ada, bob] = ['essay', 'plan'].map((name) => on(stage, server, name, socket))
  await Promise.all([ada.synced(), bob.synced()])
  for (let i = 0; i < 50; i++) {
    ada.type(`${i} `)
    if (i % 7 === 0) ada.text.delete(0, 1)
    bob.map.set('i', i)
    if (i % 10 === 0) await pause(1)
  }
  assert.ok(ada.provider.unsyncedChanges > 0)
  for (const { provider } of [ada, bob]) {
    await waitFor('nothing unsynced', () => provider.unsyncedChanges === 0)
    const { sent, heard } = counts[provider.configuration.name]
    await waitFor('a status for each change', () => heard.length >= sent)
  }
  await pause(NEVER)
  for (const { sent, heard } of Object.values(counts)) {
    assert.ok(sent > 50)
    assert.deepEqual(heard, Array(sent).fill(1))
  }
})

storyOnEach(here, 'the awareness of a client that repeats its old clock is back within a second', async (stage) => {
  const server = await stage.server()
  const [ada, bob] = [stock(stage, server, 'room', hocuspocus), stock(stage, server, 'room', hocuspocus)]
  ada.called('Ada')
  bob.called('Bob')
  await waitFor('both here', () => ada.names() === 'Ada Bob' && bob.names() === 'Ada Bob')
  const clock = bob.awareness.meta.get(bob.doc.clientID).clock
  let gone = false
  ada.awareness.on('change', ({ removed }) => { gone ||= removed.includes(bob.doc.clientID) })
  bob.breaks()
  await waitFor('Bob gone', () => gone)
  await bob.synced()
  await waitFor('Ada sees Bob', () => ada.names() === 'Ada Bob', SOON)
  await waitFor('Bob sees Ada', () => bob.names() === 'Ada Bob', SOON)
  assert.ok(bob.awareness.meta.get(bob.doc.clientID).clock <= clock + 1)
})

storyOnEach(here, 'one who takes its name off the list is gone for the others', async (stage) => {
  const server = await stage.server()
  const [ada, bob] = [stock(stage, server, 'room', hocuspocus), stock(stage, server, 'room', hocuspocus)]
  ada.called('Ada')
  bob.called('Bob')
  await waitFor('both here', () => ada.names() === 'Ada Bob')
  bob.awareness.setLocalState(null)
  await waitFor('Bob gone', () => ada.names() === 'Ada')
  bob.awareness.setLocalState({ user: { name: 'Bob again' } })
  await waitFor('Bob back', () => ada.names() === 'Ada Bob again')
})

storyOnEach(here, 'two providers of one document share a socket by their session ids', async (stage) => {
  const server = await stage.server()
  const socket = socketOf(stage, server)
  const [ada, bob] = [1, 2].map(() => on(stage, server, 'essay', socket, { sessionAwareness: true }))
  const cleo = stock(stage, server, 'essay', hocuspocus)
  await Promise.all([ada.synced(), bob.synced(), cleo.synced()])
  ada.called('Ada')
  bob.called('Bob')
  cleo.called('Cleo')
  ada.type('from Ada ')
  bob.type('from Bob ')
  await converge([ada, bob, cleo])
  await waitFor('all here', () => [ada, bob, cleo].every((client) => client.names() === 'Ada Bob Cleo'))
  await waitFor('nothing unsynced', () => ada.provider.unsyncedChanges + bob.provider.unsyncedChanges === 0)
  ada.leave()
  await waitFor('Ada gone', () => [bob, cleo].every((client) => client.names() === 'Bob Cleo'))
  bob.type('alone')
  await cleo.sees('alone')
})

storyOnEach(here, 'after kill -9 all documents of a socket come back, with what was written meanwhile', async (stage) => {
  const server = await stage.server()
  const socket = socketOf(stage, server)
  const names = ['one', 'two', 'three']
  const clients = names.map((name) => on(stage, server, name, socket))
  await Promise.all(clients.map((client) => client.synced()))
  clients.forEach((client) => client.type('before '))
  await waitFor('nothing unsynced', () => clients.every(({ provider }) => provider.unsyncedChanges === 0))
  await server.kill()
  await waitFor('noticed', () => socket.status !== 'connected')
  clients.forEach((client) => client.type('meanwhile'))
  await server.start()
  await Promise.all(clients.map((client) => client.synced()))
  await waitFor('nothing unsynced', () => clients.every(({ provider }) => provider.unsyncedChanges === 0))
  for (const name of names) {
    const newcomer = stock(stage, server, name, hocuspocus)
    await newcomer.synced()
    assert.equal(newcomer.text.toString(), 'before meanwhile')
  }
})

storyOnEach(here, 'a client of each wire edits one document, and each sees who is here', async (stage) => {
  const server = await stage.server()
  const ada = stock(stage, server, 'essay', hocuspocus)
  const bob = stock(stage, server, 'essay', yWebsocket)
  ada.called('Ada')
  bob.called('Bob')
  await Promise.all([ada.synced(), bob.synced()])
  for (let i = 0; i < 100; i++) {
    ada.text.insert(0, 'a')
    bob.text.insert(0, 'b')
    if (i % 10 === 0) await pause(1)
  }
  ada.text.delete(3, 5)
  await converge([ada, bob])
  await waitFor('both here', () => [ada, bob].every((client) => client.names() === 'Ada Bob'))
  ada.breaks()
  await waitFor('Ada gone', () => bob.names() === 'Bob')
  await ada.synced()
  await waitFor('Ada back', () => [ada, bob].every((client) => client.names() === 'Ada Bob'), SOON)
})

storyOnEach(here, 'the channel speaks in Stateless to one that says hello, and only to that one', async (stage) => {
  const server = await stage.server()
  const socket = socketOf(stage, server)
  const [ada, bob] = ['essay', 'plan'].map((name) => on(stage, server, name, socket))
  const heard = { essay: [], plan: [] }
  for (const { provider } of [ada, bob]) {
    provider.on('stateless', ({ payload }) => {
      assert.ok(payload.startsWith(CHANNEL))
      heard[provider.configuration.name].push(JSON.parse(payload.slice(CHANNEL.length)))
    })
  }
  const say = (message) => ada.provider.sendStateless(CHANNEL + JSON.stringify(message))
  const hears = (type) => waitFor(`a ${type}`, () => heard.essay.find((message) => message.type === type))
  // Before anything else, also before the token.
  ada.provider.on('open', () => say({ type: 'hello', version: 1, user: { name: 'Ada', color: '#30507a' } }))
  await Promise.all([ada.synced(), bob.synced()])
  const { session } = await hears('welcome')
  const before = heard.essay.length
  ada.type('told ')
  await waitFor('saved', () => heard.essay.slice(before).some(({ type }) => type === 'saved'))
  say({ type: 'acquire', nonce: 1 })
  const { fence } = await hears('offer')
  say({ type: 'claim', fence })
  await hears('granted')

  // Somebody on the other wire edits under the lock: it stays out.
  const cleo = stock(stage, server, 'essay', yWebsocket)
  const dora = stock(stage, server, 'essay', hocuspocus)
  await dora.synced()
  await cleo.synced()
  ada.type('by the holder')
  await dora.sees('by the holder')
  dora.type('out of turn')
  const { park } = await hears('park')
  assert.deepEqual([park.reason, park.inserted], ['locked', 'out of turn'.length])
  assert.equal(cleo.text.toString(), 'told by the holder')
  assert.equal(ada.text.toString(), 'told by the holder')
  assert.ok(session > 0)
  assert.deepEqual(heard.plan, [])
})

storyOnEach(here, 'a socket that is asked for too much before its tokens is closed with 4205', async (stage) => {
  const server = await stage.server()
  const ways = [
    ['addresses', (socket) => { for (let i = 0; i <= 100; i++) socket.say(`document ${i}`, SYNC, STEP1, new Uint8Array([0])) }],
    ['messages', (socket) => { for (let i = 0; i <= 1000; i++) socket.say('essay', SYNC, STEP1, new Uint8Array([0])) }],
    ['bytes', (socket) => {
      for (let i = 0; i < 100; i++) socket.say('essay', SYNC, UPDATE, new Uint8Array(60_000))
    }]
  ]
  for (const [what, floods] of ways) {
    const socket = await bare(stage, server)
    floods(socket)
    assert.equal(await socket.closed, 4205, what)
  }
})

storyOnEach(here, 'a token may have something behind it, and is answered in the first version', async (stage) => {
  const server = await stage.server()
  const socket = await bare(stage, server)
  socket.say('essay', AUTH, 0, 'token', '4.9.0', 2)
  const granted = await socket.hears('a grant', ({ type }) => type === AUTH)
  assert.deepEqual([granted.address, granted.number, granted.text], ['essay', 2, 'read-write'])
  // Its own question comes before the answer.
  socket.say('essay', SYNC, STEP1, new Uint8Array([0]))
  await socket.hears('a Step2', ({ type, step }) => type === SYNC && step === STEP2)
  const steps = socket.heard.filter(({ type }) => type === SYNC).map(({ step }) => step)
  assert.deepEqual(steps, [STEP1, STEP2])

  const doc = new Doc()
  doc.getText('text').insert(0, 'first version')
  socket.say('essay', SYNC, UPDATE, encodeStateAsUpdate(doc))
  const status = await socket.hears('a status', ({ type }) => type === SYNC_STATUS)
  assert.equal(status.number, 1)
  const bob = stock(stage, server, 'essay', hocuspocus)
  await bob.sees('first version')
})

storyOnEach(here, 'a ping is answered, and a client that broadcasts is not heard', async (stage) => {
  const server = await stage.server()
  const socket = await bare(stage, server)
  socket.say(PING)
  await socket.hears('a pong', ({ type }) => type === PONG)
  // A server that pings gets this: it is nothing to complain of.
  socket.say(PONG)
  const bob = stock(stage, server, 'essay', hocuspocus)
  let heard = 0
  bob.provider.on('stateless', () => heard++)
  await bob.synced()
  socket.say('essay', AUTH, 0, 'token', '4.8.0')
  await socket.hears('a grant', ({ type }) => type === AUTH)
  socket.say('essay', BROADCAST_STATELESS, 'to all')
  socket.say('essay', STATELESS, 'to the server')
  await pause(NEVER)
  assert.equal(heard, 0)
})

storyOnEach(here, 'what a provider writes under a lock is shown as unsynced, and ends its address alone', async (stage) => {
  const server = await stage.server()
  const holder = await Channel.open(stage, server, 'essay', 'Holder')
  const socket = socketOf(stage, server)
  const [bob, plan] = ['essay', 'plan'].map((name) => on(stage, server, name, socket))
  const cleo = stock(stage, server, 'essay', hocuspocus)
  await Promise.all([bob.synced(), plan.synced(), cleo.synced()])
  await waitFor('nothing unsynced', () => bob.provider.unsyncedChanges === 0)
  const fence = await holder.take()

  const closes = []
  bob.provider.on('close', ({ event }) => closes.push(event.reason))
  bob.type('under the lock')
  const { park } = await holder.hears('park')
  assert.equal(park.inserted, 'under the lock'.length)
  await waitFor('the end of the address', () => closes.length > 0)
  assert.match(closes[0], /lock/)
  assert.equal(bob.provider.unsyncedChanges, 1)
  assert.equal(cleo.text.toString(), '')
  // The other document of the socket goes on.
  plan.type('goes on')
  await waitFor('nothing unsynced', () => plan.provider.unsyncedChanges === 0)
  assert.equal(socket.status, 'connected')

  // When the lock is given back, whoever opens the document again may write what was kept out.
  await holder.release(fence)
  bob.provider.detach()
  bob.provider.attach()
  await cleo.sees('under the lock')
  await waitFor('nothing unsynced', () => bob.provider.unsyncedChanges === 0)
  await converge([bob, cleo])
})
