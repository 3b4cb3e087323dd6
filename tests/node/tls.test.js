// Stock clients against a server that ends TLS itself.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { believing, certificate } from './certificate.js'
import { BINARY, story, waitFor } from './harness.js'
import { converge, stock } from './stock.js'
import { yWebsocket } from './wires.js'

/** The version of TLS and the certificate that a server shows. */
const shown = (server, { pem }, options) => new Promise((resolve, reject) => {
  const asked = request(`${server.page}healthz`, { ca: pem, agent: false, ...options }, (response) => {
    const { socket } = response
    resolve({
      status: response.statusCode,
      version: socket.getProtocol(),
      protocol: socket.alpnProtocol,
      fingerprint: socket.getPeerCertificate().fingerprint256
    })
    response.resume()
  })
  asked.on('error', reject)
  asked.end()
})

story('stock clients edit over TLS 1.2 and 1.3, and with a name or without one', async (stage) => {
  const pair = certificate(stage.folder())
  const server = await stage.server('--tls-cert', pair.cert, '--tls-key', pair.key)
  const versions = ['TLSv1.2', 'TLSv1.3']
  const clients = versions.map((version) =>
    stock(stage, server, 'notes', yWebsocket, { WebSocketPolyfill: believing(pair, { minVersion: version, maxVersion: version }) }))
  for (const client of clients) await client.synced()
  for (const [at, client] of clients.entries()) client.type(`from ${at} `)
  await converge(clients)
  for (const version of versions) {
    const seen = await shown(server, pair, { minVersion: version, maxVersion: version })
    assert.equal(seen.status, 200)
    assert.equal(seen.version, version)
  }
  const named = await shown(server, pair, { servername: 'collab.example.org', ALPNProtocols: ['http/1.1'] })
  assert.equal(named.protocol, 'http/1.1')
  await assert.rejects(shown(server, pair, { ca: [] }), /self-signed|unable to verify/)
})

story('a new certificate is shown after a hangup, and nobody loses a connection', async (stage) => {
  const folder = stage.folder()
  const pair = certificate(folder)
  const server = await stage.server('--tls-cert', pair.cert, '--tls-key', pair.key)
  const ada = stock(stage, server, 'notes', yWebsocket, { WebSocketPolyfill: believing(pair) })
  await ada.synced()
  let lost = 0
  ada.provider.on('connection-close', () => { lost += 1 })
  const first = await shown(server, pair)
  const next = certificate(folder)
  server.hangUp()
  await waitFor('the new certificate', async () => {
    const { fingerprint } = await shown(server, next)
    return fingerprint !== first.fingerprint
  })
  const bob = stock(stage, server, 'notes', yWebsocket, { WebSocketPolyfill: believing(next) })
  await bob.synced()
  ada.type('still here')
  await bob.sees('still here')
  assert.equal(lost, 0)
})

// With TLS the signal is for the certificate, and a server whose terminal was closed would have lived on, unseen.
story('a hangup by a person reloads, and one by a terminal that was closed ends the server', async (stage) => {
  const pair = certificate(stage.folder())
  const serve = [
    'exec', BINARY, 'serve', '--listen', '127.0.0.1:0', '--data', stage.folder(),
    '--tls-cert', pair.cert, '--tls-key', pair.key
  ].join(' ')
  // A terminal of its own, which is gone when `script` is.
  const terminal = spawn('script', ['-qec', serve, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
  stage.later(() => terminal.kill('SIGKILL'))
  let said = ''
  terminal.stdout.on('data', (data) => { said += data })
  stage.witness(async () => said)
  await waitFor('the server listens', () => said.includes('listening on https://'))
  const children = readFileSync(`/proc/${terminal.pid}/task/${terminal.pid}/children`, 'utf8')
  const pid = Number(children.trim())
  const runs = () => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }
  stage.later(() => { if (runs()) process.kill(pid, 'SIGKILL') })
  process.kill(pid, 'SIGHUP')
  await waitFor('the certificate is read again', () => said.includes('read again'))
  assert.ok(runs())
  const gone = once(terminal, 'exit')
  terminal.kill('SIGKILL')
  await gone
  await waitFor('the server is gone', () => !runs())
})
