// y-sweet's published client, SDK and React hooks, with nothing of them changed: the tokens that an application's own
// server asks for, whole documents over HTTP, and what the client's own "saved" sign means here.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { DocumentManager, YSweetError } from '@y-sweet/sdk'
import { createElement, useEffect } from 'react'
import { act, create } from 'react-test-renderer'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { Channel } from './channel.js'
import { pause, story, waitFor } from './harness.js'
import { converge, stock } from './stock.js'
import { ySweet } from './wires.js'

/** As `y-sweet gen-auth` makes one. */
const SERVER_TOKEN = 'AAAgX2lKqSLSrfTZk0LvlSHZ7pH8bVkbxH4uB1WbO0'

/** A server that asks for tokens, and knows those of its own only. */
const guarded = (stage, ...more) => stage.server('--auth', 'jwt', '--server-token', SERVER_TOKEN, ...more)

/** What an application's own server uses. */
const manager = (server, token) => new DocumentManager(`ys://${token === undefined ? '' : `${encodeURIComponent(token)}@`}${server.address}`)

/** An update that writes these words into the text. */
function writing (words) {
  const doc = new Y.Doc()
  doc.getText('text').insert(0, words)
  return Y.encodeStateAsUpdate(doc)
}

/** The text of a document as an update. */
function textOf (update) {
  const doc = new Y.Doc()
  Y.applyUpdate(doc, update)
  return doc.getText('text').toString()
}

/** The error of y-sweet's SDK that a call ends with. */
async function fault (call) {
  const error = await call.then(() => null, (error) => error)
  assert.ok(error instanceof YSweetError, `an error of the SDK, not ${error}`)
  return error.cause
}

/** A client with a token of its own. */
const client = (stage, server, name, token, more = {}) =>
  stock(stage, server, name, { open: (server, name, doc, options) => ySweet.open(server, name, doc, { initialClientToken: token, ...options }) }, more)

story('the SDK makes documents, gives out tokens, reads and writes them', async (stage) => {
  const server = await stage.server()
  const app = manager(server)
  assert.deepEqual(await app.checkStore(), { ok: true })
  assert.deepEqual(await (await fetch(`http://${server.address}/ready`)).json(), { ok: true })
  assert.deepEqual(await app.createDoc('plan'), { docId: 'plan' })
  const [one, other] = [await app.createDoc(), await app.createDoc()]
  assert.match(one.docId, /^[0-9a-zA-Z_-]{16,}$/)
  assert.notEqual(one.docId, other.docId)

  assert.deepEqual(await app.getClientToken('plan'), {
    url: `ws://${server.address}/d/plan/ws`,
    baseUrl: `http://${server.address}/d/plan`,
    docId: 'plan',
    authorization: 'full'
  })
  assert.equal(textOf(await app.getDocAsUpdate('plan')), '')
  await app.updateDoc('plan', writing('from the SDK'))
  assert.equal(textOf(await app.getDocAsUpdate('plan')), 'from the SDK')
  // The same again adds nothing, and is no fault.
  await app.updateDoc('plan', await app.getDocAsUpdate('plan'))
  const { docId } = await app.createDocWithContent(writing('new'))
  assert.equal(textOf(await app.getDocAsUpdate(docId)), 'new')

  // Over the socket it is the same document, on both wires.
  const ada = stock(stage, server, 'plan', ySweet)
  const bob = stock(stage, server, 'plan')
  await Promise.all([ada.sees('from the SDK'), bob.sees('from the SDK')])
  ada.type(', Ada')
  bob.text.insert(0, 'Bob, ')
  await converge([ada, bob])
  assert.equal(textOf(await app.getDocAsUpdate('plan')), 'Bob, from the SDK, Ada')
})

story('the addresses that the SDK is given are under the base path, or what the setting says', async (stage) => {
  const below = await stage.server('--base', '/collab')
  const app = new DocumentManager(`ys://${below.address}/collab`)
  const token = await app.getOrCreateDocAndToken('plan')
  assert.equal(token.url, `ws://${below.address}/collab/d/plan/ws`)
  const ada = client(stage, below, 'plan', token)
  ada.type('below')
  await waitFor('the words', async () => textOf(await app.getDocAsUpdate('plan')) === 'below')

  const told = await stage.server('--public-url', 'https://collab.example.com/base')
  assert.deepEqual(await manager(told).getClientToken('plan'), {
    url: 'wss://collab.example.com/base/d/plan/ws',
    baseUrl: 'https://collab.example.com/base/d/plan',
    docId: 'plan',
    authorization: 'full'
  })
})

story('an update of the SDK is on disk when the call returns', async (stage) => {
  const server = await stage.server('--commit-delay', '2s')
  for (let round = 0; round < 3; round++) {
    await manager(server).updateDoc('plan', writing(`round ${round} `))
    await server.kill()
    await server.start()
    assert.ok(textOf(await manager(server).getDocAsUpdate('plan')).includes(`round ${round} `))
  }
})

story('the name of a document may have slashes, spaces and other letters than y-sweet lets through', async (stage) => {
  const server = await guarded(stage)
  const app = manager(server, SERVER_TOKEN)
  for (const name of ['team/plan', 'a b', 'café', 'a/ws/a', 'x.y~z']) {
    const token = await app.getOrCreateDocAndToken(name)
    const ada = client(stage, server, name, token)
    await ada.synced()
    ada.type(`in ${name}`)
    await waitFor(`${name} over HTTP`, async () => textOf(await app.getDocAsUpdate(name)) === `in ${name}`)
    ada.leave()
  }
})

story('without the server token the SDK gets nowhere, and says why in its own words', async (stage) => {
  const server = await guarded(stage)
  for (const [app, code] of [[manager(server), 'NoAuthProvided'], [manager(server, 'wrong'.repeat(9)), 'InvalidAuthProvided']]) {
    for (const call of [
      () => app.checkStore(),
      () => app.createDoc(),
      () => app.createDoc('plan'),
      () => app.getClientToken('plan'),
      () => app.getDocAsUpdate('plan')
    ]) {
      assert.deepEqual(await fault(call()), { code })
    }
  }
  const bare = { url: `ws://${server.address}/d/plan/ws`, baseUrl: `http://${server.address}/d/plan`, docId: 'plan' }
  const lost = client(stage, server, 'plan', bare)
  await pause(1_000)
  assert.equal(lost.provider.synced, false)

  const app = manager(server, SERVER_TOKEN)
  const bad = (call) => fault(call).then(({ code, status }) => `${code} ${status}`)
  assert.equal(await bad(app.createDoc('x'.repeat(2000))), 'ServerError 400')
  assert.equal(await bad(app.getClientToken('plan', { authorization: 'admin' })), 'ServerError 400')
  assert.equal(await bad(app.getClientToken('plan', { validForSeconds: 1e12 })), 'ServerError 400')
  assert.equal(await bad(app.updateDoc('plan', new Uint8Array([1, 2, 3]))), 'ServerError 400')
  const gap = new Y.Doc()
  gap.getText('text').insert(0, 'first')
  const since = Y.encodeStateVector(gap)
  gap.getText('text').insert(5, 'second')
  assert.equal(await bad(app.updateDoc('plan', Y.encodeStateAsUpdate(gap, since))), 'ServerError 409')
  assert.equal(textOf(await app.getDocAsUpdate('plan')), '')
})

story('a token is for one document, and one that only reads changes nothing', async (stage) => {
  const server = await guarded(stage)
  const app = manager(server, SERVER_TOKEN)
  const full = await app.getOrCreateDocAndToken('plan', { userId: 'ada' })
  const readOnly = await app.getClientToken('plan', { authorization: 'read-only' })
  assert.equal(readOnly.authorization, 'read-only')

  const ada = client(stage, server, 'plan', full)
  const rita = client(stage, server, 'plan', readOnly)
  ada.type('written by Ada')
  await rita.sees('written by Ada')
  rita.type(', not by Rita')
  ada.type(', and again')
  await rita.sees('and again')
  await pause(500)
  assert.ok(!textOf(await app.getDocAsUpdate('plan')).includes('Rita'))

  // Both over HTTP, with the tokens themselves.
  const ask = (token, path, body) => fetch(`${token.baseUrl}/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { Authorization: `Bearer ${token.token}` },
    body
  })
  assert.equal((await ask(readOnly, 'as-update')).status, 200)
  assert.equal((await ask(readOnly, 'update', writing('no'))).status, 403)
  assert.equal((await ask(full, 'update', writing('yes'))).status, 200)
  const other = { ...full, baseUrl: `http://${server.address}/d/other` }
  assert.equal((await ask(other, 'as-update')).status, 403)
  // It lets its client manage nothing.
  const call = await fetch(`http://${server.address}/doc/plan/auth`, {
    method: 'POST', headers: { Authorization: `Bearer ${full.token}` }
  })
  assert.equal(call.status, 403)
  assert.equal((await call.json()).code, 'not-a-manager')
})

story('a token of the application that may manage is as good as the server token, for its documents', async (stage) => {
  const secret = 'a secret of the application, of enough bytes'
  const server = await guarded(stage, '--auth-secret', secret)
  const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url')
  const sign = (claims) => {
    const message = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ exp: Math.floor(Date.now() / 1000) + 60, ...claims })}`
    return `${message}.${createHmac('sha256', secret).update(message).digest('base64url')}`
  }
  const app = manager(server, sign({ documents: ['team/'], permissions: ['manage'] }))
  const token = await app.getOrCreateDocAndToken('team/plan')
  const ada = client(stage, server, 'team/plan', token)
  await ada.synced()
  assert.equal((await fault(app.getClientToken('other/plan'))).status, 403)
  assert.equal((await fault(app.createDoc())).status, 403)
  const writer = manager(server, sign({ documents: ['team/'], permissions: ['write'] }))
  assert.equal((await fault(writer.getClientToken('team/plan'))).status, 403)
})

story('when its token has expired a client asks for another one by itself, and goes on', async (stage) => {
  const server = await guarded(stage, '--auth-leeway', '0s')
  const app = manager(server, SERVER_TOKEN)
  let asked = 0
  const ada = stock(stage, server, 'plan', {
    open: (server, name, doc) => {
      const connection = ySweet.open(server, name, doc, {})
      connection.provider.authEndpoint = () => {
        asked++
        return app.getOrCreateDocAndToken(name, { validForSeconds: 2 })
      }
      return connection
    }
  })
  await ada.synced()
  const before = asked
  await pause(3_000)
  ada.breaks()
  ada.type('after that')
  await waitFor('another token', () => asked > before, 30_000)
  await waitFor('the edit', async () => textOf(await app.getDocAsUpdate('plan')) === 'after that', 30_000)
})

story('an edit of the SDK under a lock is kept as a park, and the SDK is told', async (stage) => {
  const server = await stage.server()
  const app = manager(server)
  const holder = await Channel.open(stage, server, 'plan', 'Ada')
  const fence = await holder.take()
  const { code, status } = await fault(app.updateDoc('plan', writing('meanwhile')))
  assert.deepEqual([code, status], ['ServerError', 423])
  assert.equal(textOf(await app.getDocAsUpdate('plan')), '')
  await holder.release(fence)
  await app.updateDoc('plan', writing('afterwards'))
  assert.equal(textOf(await app.getDocAsUpdate('plan')), 'afterwards')
})

story('a client of y-sweet shows its edits as saved only when they are on disk', async (stage) => {
  // As a slow disk: everything waits so long for the next commit.
  const delay = 2_000
  const server = await stage.server('--commit-delay', `${delay}ms`)
  const ada = stock(stage, server, 'plan', ySweet)
  await ada.synced()
  await waitFor('nothing is unsaved', () => !ada.provider.hasLocalChanges)
  // What a person is shown, as the client's own event says it.
  const shown = []
  ada.provider.on('local-changes', (unsaved) => shown.push([unsaved, performance.now()]))
  ada.type('typed')
  assert.equal(ada.provider.hasLocalChanges, true)
  await waitFor('saved', () => !ada.provider.hasLocalChanges)
  assert.deepEqual(shown.map(([unsaved]) => unsaved), [true, false])
  const took = shown[1][1] - shown[0][1]
  // The commit may have been under way already, with part of its delay gone.
  assert.ok(took > delay / 4, `shown as saved after ${took} ms`)

  await server.kill()
  ada.leave()
  await server.start()
  const bob = stock(stage, server, 'plan')
  await bob.sees('typed')
})

story('what a client of y-sweet wrote without a line is not shown as saved before it has arrived', async (stage) => {
  const server = await stage.server()
  let held = null
  /** Keeps back what the client answers to the server's question for its edits, until the story lets it go. */
  class Slow extends WebSocket {
    send (frame, ...rest) {
      const isStep2 = frame[0] === 0 && frame[1] === 1
      if (held !== null && isStep2) held.push(() => super.send(frame, ...rest))
      else super.send(frame, ...rest)
    }
  }
  const ada = stock(stage, server, 'plan', ySweet, { WebSocketPolyfill: Slow })
  await ada.synced()
  await waitFor('nothing is unsaved', () => !ada.provider.hasLocalChanges)
  held = []
  ada.breaks()
  // In the same moment: the line is gone, and it is back in a few milliseconds.
  ada.type('typed without a line')
  await waitFor('a line, and the edits under way', () => ada.provider.synced && held.length > 0)
  // It asked when it connected, behind nothing that it had sent.
  await pause(1_000)
  assert.equal(ada.provider.hasLocalChanges, true)
  held.splice(0).forEach((send) => send())
  await waitFor('saved', () => !ada.provider.hasLocalChanges)
  const bob = stock(stage, server, 'plan')
  await bob.sees('typed without a line')
})

story('the React hooks of y-sweet show a document, who is here, and what is not saved', async (stage) => {
  // The hooks take the WebSocket of the browser.
  globalThis.WebSocket ??= WebSocket
  globalThis.IS_REACT_ACT_ENVIRONMENT = true
  const {
    YDocProvider, useConnectionStatus, useHasLocalChanges, usePresence, usePresenceSetter, useText, useYjsProvider
  } = await import('@y-sweet/react')
  const server = await stage.server()
  const app = manager(server)
  const bob = stock(stage, server, 'plan')
  bob.called('Bob')
  bob.type('Bob wrote this')

  const seen = {}
  function Page () {
    const set = usePresenceSetter()
    useEffect(() => { set({ user: { name: 'Rea' } }) }, [set])
    Object.assign(seen, {
      text: useText('text'),
      words: useText('text').toString(),
      status: useConnectionStatus(),
      unsaved: useHasLocalChanges(),
      others: [...usePresence().values()].map(({ user }) => user?.name),
      provider: useYjsProvider()
    })
    return null
  }
  let page
  await act(() => {
    page = create(createElement(YDocProvider, {
      docId: 'plan',
      authEndpoint: () => app.getOrCreateDocAndToken('plan'),
      showDebuggerLink: false
    }, createElement(Page)))
  })
  stage.later(async () => {
    // A provider that is destroyed would go on connecting for ever.
    seen.provider.attemptToConnect = async () => true
    await act(() => page.unmount())
  })
  const shows = (what, condition) => waitFor(what, async () => {
    await act(() => pause(20))
    return condition()
  })
  await shows("Bob's words and Bob", () => seen.words === 'Bob wrote this' && seen.others.includes('Bob'))
  assert.equal(seen.status, 'connected')
  await act(() => { seen.text.insert(0, 'Rea: ') })
  await bob.sees('Rea: Bob')
  await shows('that all is saved', () => seen.unsaved === false && seen.words === 'Rea: Bob wrote this')
  await waitFor('Rea is here', () => bob.names() === 'Bob Rea')
})

story('a client of y-sweet whose edit is refused again and again comes back only now and then', async (stage) => {
  const server = await stage.server()
  const holder = await Channel.open(stage, server, 'plan', 'Ada')
  await holder.take()
  const bob = stock(stage, server, 'plan', ySweet)
  await bob.synced()
  let closed = 0
  bob.provider.on('connection-close', ({ code }) => { if (code === 4423) closed++ })
  bob.type('under the lock')
  const seconds = 7
  await pause(seconds * 1000)
  // Without a pause of the server it would be twenty times a second, on a slow machine.
  assert.ok(closed >= 2 && closed <= 1 + seconds / 2, `${closed} times in ${seconds} s`)
  // Without tokens another client of the same address cannot be told apart, and waits for a moment at most.
  const cleo = stock(stage, server, 'plan', ySweet)
  await cleo.synced()
})
