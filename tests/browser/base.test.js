// The page under a base path, with TLS: its files, its socket, and the redirect.

import assert from 'node:assert/strict'
import { certificate } from '../node/certificate.js'
import { story } from '../node/harness.js'
import { open } from './pages.js'

story('people edit on the page under a base path, over TLS', async (stage) => {
  const pair = certificate(stage.folder())
  const server = await stage.server('--base', '/team/collab', '--tls-cert', pair.cert, '--tls-key', pair.key)
  assert.match(server.page, /^https:.*\/team\/collab\/$/)
  const ada = await open(stage, server, 'Ada')
  const elsewhere = []
  ada.page.on('request', (request) => {
    const { pathname, protocol } = new URL(request.url())
    if (protocol !== 'data:' && !pathname.startsWith('/team/collab/')) elsewhere.push(request.url())
  })
  const bob = await open(stage, server, 'Bob')
  await ada.write('under a path')
  await bob.sees('under a path')
  // Without its slash, and with what it was asked for.
  await ada.page.goto(`${server.page.slice(0, -1)}?doc=essay`)
  assert.equal(ada.page.url(), `${server.page}?doc=essay`)
  await ada.sees('under a path')
  assert.deepEqual(elsewhere, [`${server.page.slice(0, -1)}?doc=essay`])
})

story('a browser takes the one sub-protocol that comes back', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const chosen = await ada.page.evaluate((url) => new Promise((resolve) => {
    const socket = new WebSocket(`${url}/essay`, ['first', 'second'])
    socket.onopen = () => { resolve(socket.protocol); socket.close() }
    socket.onerror = () => resolve('refused')
  }), server.socket)
  assert.equal(chosen, 'first')
})
