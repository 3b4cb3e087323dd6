// A large document over a slow line: `node slow-line.js ADDRESS [MEGABYTES] [MEGABYTES_A_SECOND]`, against a server that runs at ADDRESS (host:port).
// Writes a document of that size, joins it with a stock y-websocket client through a proxy that passes on no more than so much a second, and prints how long the
// first sync took, the longest time without a message (the client closes after 30 s without one), and how often the connection was lost.

import net from 'node:net'
import process from 'node:process'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'

const [address, megabytes = '75', rate = '2.5'] = process.argv.slice(2)
if (address === undefined) {
  console.error('usage: node slow-line.js HOST:PORT [MEGABYTES] [MEGABYTES_A_SECOND]')
  process.exit(2)
}
const [host, port] = address.split(':')
const name = `slow-line-${Date.now()}`

/** A proxy on a free port that passes `bytes` a second from the server to its client. */
function slowly (bytes) {
  const TICK = 20
  const proxy = net.createServer((client) => {
    const server = net.connect(Number(port), host)
    client.pipe(server)
    server.pause()
    const timer = setInterval(() => {
      // Nothing is there yet: asking for nothing makes it come.
      const chunk = server.read(Math.min(server.readableLength, Math.ceil(bytes * TICK / 1000)))
      if (chunk !== null) client.write(chunk)
    }, TICK)
    const end = () => { clearInterval(timer); client.destroy(); server.destroy() }
    for (const socket of [client, server]) socket.on('close', end).on('error', end)
  })
  return new Promise((resolve) => { proxy.listen(0, '127.0.0.1', () => resolve(proxy)) })
}

function join (url, doc) {
  return new WebsocketProvider(url, name, doc, { WebSocketPolyfill: WebSocket, disableBc: true })
}

const synced = (provider) => new Promise((resolve) => { provider.once('sync', resolve) })

const author = new Y.Doc()
const direct = join(`ws://${address}/ws`, author)
await synced(direct)
const text = author.getText('text')
const line = 'Many lines of the same words, for the length of it. '.repeat(20_000)
while (text.length < Number(megabytes) * 1e6) text.insert(text.length, line)
const proxy = await slowly(Number(rate) * 1e6)
const reader = new Y.Doc()
const began = performance.now()
const provider = join(`ws://127.0.0.1:${proxy.address().port}/ws`, reader)
let [lost, last, longest, messages] = [0, began, 0, 0]
provider.on('connection-close', () => { lost += 1 })
reader.on('update', () => {
  const now = performance.now()
  longest = Math.max(longest, now - last)
  last = now
  messages += 1
})
await synced(provider)
const seconds = (performance.now() - began) / 1000
const whole = reader.getText('text').length === text.length
console.log(JSON.stringify({ megabytes: text.length / 1e6, seconds, longest_gap_seconds: longest / 1000, updates: messages, lost, whole }))
process.exit(whole && lost === 0 ? 0 : 1)
