// Stock clients through nginx and HAProxy, configured as docs/proxies.md says.
//
// The blocks of that page are taken from it; only ports, paths and the number of connections are
// replaced, and each replacement must have a place.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { believing, certificate } from '../node/certificate.js'
import { pause, story, waitFor } from '../node/harness.js'
import { converge, stock } from '../node/stock.js'
import { hocuspocus, yWebsocket } from '../node/wires.js'

const PAGE = readFileSync(new URL('../../docs/proxies.md', import.meta.url), 'utf8')
const HOST = 'collab.example.org'

/** Longer than the idle time-outs of the page, in milliseconds. */
const IDLE = 26_000

/** The blocks of the page in a language, in order. */
const blocks = (language) =>
  [...PAGE.matchAll(new RegExp('^```' + language + '\\n([^]*?)^```$', 'gm'))].map(([, text]) => text)

/** The text with each of these replaced; each must be there. */
function replaced (text, pairs) {
  for (const [from, to] of pairs) {
    assert.ok(text.includes(from), `docs/proxies.md has "${from}"`)
    text = text.replaceAll(from, to)
  }
  return text
}

/** A port that is free now. */
async function freePort () {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}

/** Runs a proxy until the story ends, and returns when its port answers. */
async function run (stage, program, args, port) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => said.push(data))
  stage.witness(async () => `${program}: ${Buffer.concat(said)}`)
  const ended = once(child, 'exit')
  stage.later(async () => {
    if (child.exitCode === null) child.kill('SIGTERM')
    await ended
  })
  await waitFor(`${program} answers`, async () => {
    if (child.exitCode !== null) throw new Error(`it ended: ${Buffer.concat(said)}`)
    const status = await fetchStatus(port).catch(() => null)
    return status === 200
  })
}

/** Whether the way to Baton is open, without a look at the certificate. */
const fetchStatus = (port) => new Promise((resolve, reject) => {
  const options = { port, host: '127.0.0.1', path: '/readyz', headers: { host: HOST }, rejectUnauthorized: false, agent: false }
  request(options, (response) => {
    response.resume()
    resolve(response.statusCode)
  }).on('error', reject).end()
})

async function nginx (stage, pair, change) {
  const port = await freePort()
  const folder = stage.folder()
  chmodSync(folder, 0o755)
  mkdirSync(join(folder, 'temp'))
  const [whole, socket] = blocks('nginx')
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/temp/${name};`).join(' ')
  const configuration = replaced(change(whole, socket), [
    ['listen 443 ssl;', `listen 127.0.0.1:${port} ssl;`],
    ['listen [::]:443 ssl;', `listen [::1]:${port} ssl;`],
    ['/etc/ssl/collab/fullchain.pem', pair.cert],
    ['/etc/ssl/collab/privkey.pem', pair.key],
    ['http {', `http { access_log off; ${temp}`]
  ])
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, configuration)
  const own = `daemon off; pid ${folder}/pid; error_log stderr warn;`
  const program = process.env.NGINX ?? 'nginx'
  await run(stage, program, ['-e', 'stderr', '-p', folder, '-c', file, '-g', own], port)
  return port
}

async function haproxy (stage, pair, server) {
  const port = await freePort()
  const [whole] = blocks('haproxy')
  const configuration = replaced(whole, [
    // More than the system may allow to open here.
    ['maxconn 40000', 'maxconn 1000'],
    ['bind :443', `bind 127.0.0.1:${port}`],
    ['/etc/ssl/collab/collab.pem', pair.both],
    ['127.0.0.1:8080', server.address]
  ])
  const file = join(stage.folder(), 'haproxy.cfg')
  writeFileSync(file, configuration)
  await run(stage, process.env.HAPROXY ?? 'haproxy', ['-db', '-f', file], port)
  return port
}

/** The arguments of the page's own command, but for the address. */
const TRUSTING = ['--trusted-proxies', '127.0.0.1', '--allowed-hosts', HOST]

const to = (port) => ({ socket: `wss://127.0.0.1:${port}/ws`, hocuspocus: `wss://127.0.0.1:${port}/hocuspocus` })

/** What the server says instead of a WebSocket; 101 if it opens. */
const answered = (Socket, port) => new Promise((resolve) => {
  const socket = new Socket(`wss://127.0.0.1:${port}/ws/other`)
  socket.on('open', () => { resolve(101); socket.terminate() })
  socket.on('unexpected-response', (_, response) => { resolve(response.statusCode); socket.terminate() })
  socket.on('error', () => {})
})

/** What holds through every proxy. */
async function holds (stage, pair, port) {
  const from = (localAddress, headers = {}) =>
    believing(pair, { localAddress, headers: { host: HOST, ...headers } })
  const ada = stock(stage, to(port), 'notes', yWebsocket, { WebSocketPolyfill: from('127.0.0.2') })
  const bob = stock(stage, to(port), 'notes', hocuspocus, { WebSocketPolyfill: from('127.0.0.2') })
  await ada.synced()
  await bob.synced()
  ada.type('hello ')
  bob.type('x'.repeat(300_000))
  await converge([ada, bob])
  // A connection on which nothing is sent but pings and pongs.
  const idle = new (from('127.0.0.3'))(`wss://127.0.0.1:${port}/ws/notes`)
  await once(idle, 'open')
  let pings = 0
  let closed = null
  idle.on('ping', () => { pings += 1 })
  idle.on('close', (code) => { closed = code })
  idle.send(new Uint8Array([0, 0, 1, 0]))
  // Three are the most from one address, whatever it claims to be.
  assert.equal(await answered(from('127.0.0.2'), port), 101)
  const third = stock(stage, to(port), 'notes', yWebsocket, { WebSocketPolyfill: from('127.0.0.2') })
  await third.synced()
  assert.equal(await answered(from('127.0.0.2'), port), 429)
  assert.equal(await answered(from('127.0.0.2', { 'x-forwarded-for': '203.0.113.9' }), port), 429)
  assert.equal(await answered(from('127.0.0.4'), port), 101)
  // Web pages are judged by the public name.
  const page = (origin) => answered(from('127.0.0.5', { origin }), port)
  assert.equal(await page(`https://${HOST}`), 101)
  assert.equal(await page(`http://${HOST}`), 403)
  assert.equal(await page('https://evil.example'), 403)
  await pause(IDLE)
  assert.equal(closed, null, 'the idle connection lives')
  assert.ok(pings >= 4, `${pings} pings came through`)
  ada.type('after the pause')
  await bob.sees('after the pause')
  idle.terminate()
}

const LIMIT = ['--max-connections-per-address', '3']

story('clients sync through nginx, by their own addresses, and idle ones live', async (stage) => {
  const pair = certificate(stage.folder())
  const server = await stage.server(...TRUSTING, ...LIMIT)
  const port = await nginx(stage, pair, (whole) => replaced(whole, [['127.0.0.1:8080', server.address]]))
  await holds(stage, pair, port)
})

story('clients sync through nginx and a Unix socket, by their own addresses', async (stage) => {
  const pair = certificate(stage.folder())
  const folder = stage.folder()
  // nginx's workers have another user.
  chmodSync(folder, 0o755)
  const path = join(folder, 'baton.sock')
  await stage.server('--listen', `unix:${path}`, '--socket-access', 'everyone', ...LIMIT)
  const port = await nginx(stage, pair, (whole, socket) => {
    const upstream = /^ {4}upstream baton \{[^]*?^ {4}\}$/m
    assert.match(whole, upstream)
    return whole.replace(upstream, replaced(socket, [['/run/baton/baton.sock', path]]))
  })
  await holds(stage, pair, port)
})

story('clients sync through HAProxy, by their own addresses, and idle ones live', async (stage) => {
  const pair = certificate(stage.folder())
  const server = await stage.server(...TRUSTING, ...LIMIT)
  await holds(stage, pair, await haproxy(stage, pair, server))
})
