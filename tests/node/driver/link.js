// A line between a client and the server that can go silent, be slow, and be cut, in either direction.
//
// A silent direction is a black hole as TCP sees one: nothing passes, not even the end of the connection, until it heals; then
// everything comes, late. Each connection that goes through has a state of its own, so that a client behind a dead
// connection can open another one.

import net from 'node:net'

/** One line; give `address` to a client in place of the server's. */
export class Link {
  #pairs = new Set()
  #listener
  address = ''

  /** @param {() => string} server where the server is, `host:port`, asked for at each connection */
  constructor (server) {
    this.#listener = net.createServer({ allowHalfOpen: true }, (client) => {
      const [host, port] = server().split(':')
      const pair = new Pair(client, net.connect({ host, port: Number(port), allowHalfOpen: true }))
      this.#pairs.add(pair)
      pair.over = () => this.#pairs.delete(pair)
    })
  }

  async open () {
    await new Promise((resolve) => { this.#listener.listen(0, '127.0.0.1', resolve) })
    this.address = `127.0.0.1:${this.#listener.address().port}`
  }

  /** Nothing passes that way (`up`, `down`) any more, on the connections that there are. */
  silence (...ways) {
    for (const pair of this.#pairs) for (const way of ways) pair[way].hold()
  }

  /** Everything comes so many milliseconds late. */
  delay (milliseconds) {
    for (const pair of this.#pairs) pair.up.late = pair.down.late = milliseconds
  }

  /** Ends the connections, so that both sides notice. */
  cut () {
    for (const pair of this.#pairs) pair.end()
  }

  heal () {
    for (const pair of this.#pairs) for (const way of [pair.up, pair.down]) way.heal()
  }

  /** Something is not as on a good line. */
  get ill () {
    return [...this.#pairs].some(({ up, down }) => up.ill || down.ill)
  }

  close () {
    this.#listener.close()
    this.cut()
  }
}

class Pair {
  over = () => {}

  constructor (client, server) {
    this.up = new Way(client, server)
    this.down = new Way(server, client)
    this.sockets = [client, server]
    for (const socket of this.sockets) {
      socket.setNoDelay(true)
      // A socket that broke is closed next.
      socket.on('error', () => {})
    }
    client.on('close', () => this.up.finish(() => this.end()))
    server.on('close', () => this.down.finish(() => this.end()))
  }

  end () {
    for (const socket of this.sockets) socket.destroy()
    this.over()
  }
}

class Way {
  late = 0
  #held = false
  #last = Promise.resolve()
  #finish = null

  constructor (from, to) {
    this.from = from
    from.on('data', (chunk) => this.#pass(() => { if (to.writable && !to.write(chunk)) this.#press(to) }))
    from.on('end', () => this.#pass(() => to.end()))
  }

  get ill () {
    return this.#held || this.late > 0
  }

  hold () {
    this.#held = true
    this.from.pause()
  }

  heal () {
    this.#held = false
    this.late = 0
    this.from.resume()
    this.#finish?.()
  }

  /** The sender's socket is gone: so will be the other's, unless nothing passes. */
  finish (then) {
    if (this.#held) this.#finish = then
    else this.#pass(then)
  }

  /** In order, and late if the line is. */
  #pass (action) {
    const due = performance.now() + this.late
    this.#last = this.#last
      .then(() => {
        const left = due - performance.now()
        return left > 0 ? new Promise((resolve) => setTimeout(resolve, left)) : undefined
      })
      .then(action)
  }

  #press (to) {
    this.from.pause()
    to.once('drain', () => { if (!this.#held) this.from.resume() })
  }
}
