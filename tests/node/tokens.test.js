// What a token lets a stock client do, and how its wire tells it: denied, read-only, shown again.

import assert from 'node:assert/strict'
import { pause, storyOnEach, waitFor } from './harness.js'
import { converge, stock } from './stock.js'
import { hocuspocus, hocuspocusSocket, played, yWebsocket } from './wires.js'

/** What was not there by then does not come, in milliseconds. */
const NEVER = 500

const withTokens = played.filter((wire) => [yWebsocket, hocuspocus].includes(wire))
const onHocuspocus = played.filter((wire) => wire === hocuspocus)

storyOnEach(withTokens, 'one who may only read sees everything, and changes nothing', async (stage, wire, t) => {
  t.mock.method(console, 'warn', () => {})
  const server = await stage.guarded()
  const ada = stock(stage, server, 'essay', wire)
  const reader = stock(stage, server, 'essay', wire, { token: server.issuer.mint({ sub: 'bob', name: 'Reader', permissions: ['read'] }) })
  await Promise.all([ada.synced(), reader.synced()])
  ada.called('Ada')
  ada.type('to be read ')
  await reader.sees('to be read')

  reader.type('not to be read')
  ada.type('and more')
  await reader.sees('and more')
  await pause(NEVER)
  assert.equal(ada.text.toString(), 'to be read and more')
  // One who only reads is here like the others.
  // (Under the name of its token, whatever it says.)
  reader.called('Somebody else')
  await waitFor('the reader here', () => ada.names() === 'Ada Reader')

  const newcomer = stock(stage, server, 'essay', wire)
  await newcomer.synced()
  assert.equal(newcomer.text.toString(), 'to be read and more')
})

storyOnEach(onHocuspocus, 'the provider knows that it may only read, and shows what it cannot save', async (stage, wire) => {
  const server = await stage.guarded()
  const writer = stock(stage, server, 'essay', wire)
  const reader = stock(stage, server, 'essay', wire, { token: server.issuer.mint({ permissions: ['read'] }) })
  await Promise.all([writer.synced(), reader.synced()])
  assert.equal(writer.provider.authorizedScope, 'read-write')
  assert.equal(reader.provider.authorizedScope, 'readonly')
  // Its answer to the server's question adds nothing: that is no edit.
  await waitFor('nothing unsynced', () => reader.provider.unsyncedChanges === 0)
  reader.type('not saved')
  await pause(NEVER)
  assert.equal(reader.provider.unsyncedChanges, 1)
  assert.ok(reader.isConnected())
})

storyOnEach(withTokens, 'names of documents are those of the token', async (stage, wire, t) => {
  t.mock.method(console, 'warn', () => {})
  const server = await stage.guarded()
  const token = server.issuer.mint({ documents: ['team/*'] })
  const inside = stock(stage, server, 'team/plan', wire, { token })
  await inside.synced()
  const outside = stock(stage, server, 'other/plan', wire, { token })
  await pause(NEVER)
  assert.equal(outside.isSynced(), false)
})

storyOnEach(onHocuspocus, 'a denied address is told so, others of its socket go on, and a right token lets it in', async (stage) => {
  const server = await stage.guarded()
  const socket = hocuspocusSocket(server)
  stage.later(() => socket.destroy())
  const right = server.issuer.mint()
  const open = stock(stage, server, 'plan', hocuspocus, { socket })
  await open.synced()
  let token = server.issuer.mint({ exp: 1 })
  const denied = stock(stage, server, 'essay', hocuspocus, { socket, token: () => token })
  const failed = []
  denied.provider.on('authenticationFailed', ({ reason }) => failed.push(reason))
  await waitFor('a denial', () => failed.length > 0)
  assert.match(failed[0], /expired/)
  assert.equal(denied.provider.isAuthenticated, false)
  assert.equal(socket.status, 'connected')
  open.type('goes on')
  await waitFor('nothing unsynced', () => open.provider.unsyncedChanges === 0)

  token = right
  denied.provider.detach()
  denied.provider.attach()
  await waitFor('let in', () => denied.provider.isAuthenticated)
  await denied.synced()
  denied.type('let in')
  await waitFor('nothing unsynced', () => denied.provider.unsyncedChanges === 0)
  const other = stock(stage, server, 'essay', hocuspocus)
  await other.sees('let in')
})

storyOnEach(onHocuspocus, 'a token that is shown again counts from then on', async (stage) => {
  const server = await stage.guarded()
  const socket = hocuspocusSocket(server)
  stage.later(() => socket.destroy())
  let token = server.issuer.mint({ permissions: ['read'] })
  const ada = stock(stage, server, 'essay', hocuspocus, { socket, token: () => token })
  const bob = stock(stage, server, 'essay', hocuspocus)
  await Promise.all([ada.synced(), bob.synced()])
  assert.equal(ada.provider.authorizedScope, 'readonly')

  token = server.issuer.mint()
  await ada.provider.sendToken()
  await waitFor('the right to write', () => ada.provider.authorizedScope === 'read-write')
  ada.type('with the new token ')
  await bob.sees('with the new token')

  token = server.issuer.mint({ permissions: ['read'] })
  await ada.provider.sendToken()
  await waitFor('only to read', () => ada.provider.authorizedScope === 'readonly')
  ada.type('too late')
  bob.type('still there')
  await ada.sees('still there')
  await pause(NEVER)
  assert.equal(bob.text.toString(), 'with the new token still there')
  assert.ok(ada.isConnected())
})

storyOnEach(onHocuspocus, 'a token that is over ends the right, unless a newer one was shown', async (stage) => {
  const server = await stage.guarded()
  const soon = () => Math.floor(Date.now() / 1000) + 3
  let token = server.issuer.mint({ exp: soon() })
  const renewed = stock(stage, server, 'essay', hocuspocus, { token: () => token })
  const short = stock(stage, server, 'essay', hocuspocus, { token: server.issuer.mint({ exp: soon() }) })
  const failed = []
  short.provider.on('authenticationFailed', ({ reason }) => failed.push(reason))
  await Promise.all([renewed.synced(), short.synced()])
  token = server.issuer.mint()
  await renewed.provider.sendToken()
  await waitFor('the end of a right', () => failed.length > 0, 5_000)
  short.type('too late')
  renewed.type('in time')
  const other = stock(stage, server, 'essay', hocuspocus)
  await other.sees('in time')
  await converge([other, renewed])
  assert.equal(other.text.toString(), 'in time')
})

storyOnEach(withTokens.filter((wire) => wire === yWebsocket), 'a denied client gets the reason, and does not come again', async (stage, wire, t) => {
  const warned = t.mock.method(console, 'warn', () => {})
  const server = await stage.guarded()
  for (const [token, why] of [[undefined, /token/], [server.issuer.mint({ exp: 1 }), /expired/]]) {
    const client = stock(stage, server, 'essay', wire, { token, params: token === undefined ? {} : { token }, connect: false })
    const closed = new Promise((resolve) => client.provider.once('closed', resolve))
    client.provider.connect()
    const { code, reason } = await closed
    assert.equal(code, 4401)
    assert.match(reason, why)
    assert.equal(client.provider.shouldConnect, false)
  }
  // The Auth frame before the close is what the provider says on the console.
  assert.equal(warned.mock.callCount(), 2)
})
