// A middleman that lies: it confirms every edit at once, before the server has it, and passes on no confirmation of the
// server's. A trial that finds nothing wrong with it could not fail.

import { once } from 'node:events'
import { createServer } from 'node:http'
import WebSocket, { WebSocketServer } from 'ws'
import { BARRIER, BATON, CHANNEL, STATELESS, SYNC, SYNC_STATUS, UPDATE, frame, isChange, read } from '../frames.js'

/** How much later the server gets what was confirmed already, in milliseconds. */
const LATE = 50

/** What each sign is answered with at once, and what of the server's is kept back. */
const LIES = {
  echo: {
    answer: (change) => isChange(change) && frame(SYNC, UPDATE, change.update),
    keeps: () => false
  },
  hocuspocus: {
    answer: (change) => isChange(change) && frame(change.address, SYNC_STATUS, 1),
    keeps: ({ type }) => type === SYNC_STATUS
  },
  'y-sweet': {
    answer: ({ type }, bytes) => type === BARRIER && bytes,
    keeps: ({ type }) => type === BARRIER
  },
  channel: {
    answer: (change, _bytes, count) => isChange(change) && frame(BATON, JSON.stringify({ type: 'saved', updates: count })),
    keeps: ({ type, text }) => type === BATON && text.includes('"saved"')
  },
  'channel-hocuspocus': {
    answer: (change, _bytes, count) =>
      isChange(change) && frame(change.address, STATELESS, CHANNEL + JSON.stringify({ type: 'saved', updates: count })),
    keeps: ({ type, text }) => type === STATELESS && text.includes('"saved"')
  }
}

/** Stands before a server, and looks like it to clients. */
export class Liar {
  #server
  #lie
  #addressed
  #http
  #sockets = new Set()

  /** In front of this server, for clients with this sign. */
  static async before (server, sign) {
    const liar = new Liar()
    liar.#server = server
    liar.#lie = LIES[sign]
    liar.#addressed = sign.endsWith('hocuspocus')
    liar.#http = createServer((request, response) => liar.#pass(request, response).catch(() => response.destroy()))
    const sockets = new WebSocketServer({ server: liar.#http })
    sockets.on('connection', (socket, request) => liar.#lieTo(socket, request))
    liar.#http.listen(0, '127.0.0.1')
    await once(liar.#http, 'listening')
    return liar
  }

  get address () {
    return `127.0.0.1:${this.#http.address().port}`
  }

  get socket () {
    return `ws://${this.address}/ws`
  }

  get hocuspocus () {
    return `ws://${this.address}/hocuspocus`
  }

  close () {
    for (const socket of this.#sockets) socket.terminate()
    this.#http.close()
  }

  /** What is no WebSocket goes through, with this address in it for the server's. */
  async #pass (request, response) {
    const body = []
    for await (const chunk of request) body.push(chunk)
    const answer = await fetch(`http://${this.#server.address}${request.url}`, {
      method: request.method,
      headers: { 'content-type': 'application/json' },
      body: body.length > 0 ? Buffer.concat(body) : undefined
    })
    const text = (await answer.text()).replaceAll(this.#server.address, this.address)
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(text)
  }

  #lieTo (client, { url }) {
    const server = new WebSocket(`ws://${this.#server.address}${url}`)
    const open = once(server, 'open').catch(() => client.terminate())
    let changes = 0
    this.#sockets.add(client)
    this.#sockets.add(server)
    const end = () => {
      for (const socket of [client, server]) {
        this.#sockets.delete(socket)
        socket.terminate()
      }
    }
    client.on('close', end)
    server.on('close', end)
    client.on('error', end)
    server.on('error', end)
    client.on('message', (data) => {
      const bytes = new Uint8Array(data)
      const seen = read(bytes, this.#addressed)
      if (isChange(seen)) changes++
      const answer = this.#lie.answer(seen, bytes, changes)
      if (answer) client.send(answer)
      setTimeout(() => open.then(() => { if (server.readyState === WebSocket.OPEN) server.send(bytes) }), LATE)
    })
    server.on('message', (data) => {
      const bytes = new Uint8Array(data)
      if (!this.#lie.keeps(read(bytes, this.#addressed))) client.send(bytes)
    })
  }
}
