// One connection to the server, and what must be known of it afterwards: what was sent and saved, what was asked and answered.

import WebSocket from 'ws'
import * as wire from './wire.js'

export class Connection {
  /** The sync messages that were sent, in order: what each holds. */
  sent = []
  /** So many of them are saved, as the server says. */
  saved = 0
  /** By nonce: `{type, answers, valid}`. */
  asked = new Map()
  /** Beats that came: `{n, confirmed, answered}`. */
  beats = []
  welcome = null
  /** The first Step2 came. */
  synced = false
  /** The close code, once it has ended. */
  code = null
  endedAt = null
  /** Something was done to it that can end it: silence, a cut, no reading. */
  hurt = false
  /** A frame was sent that is no frame. */
  offended = false
  /** Another connection has gone on with its session. */
  replaced = false
  /** Its client had a session, and did not come back with its token. */
  stranger = false
  /** The reason of a refusal that came before the close. */
  auth = ''
  /** Time of the last message. */
  heardAt = performance.now()
  #socket
  #listener

  /**
   * @param {string} address where to, which may be a link
   * @param {string} host the server's own address
   * @param {{opened(connection): void, came(connection, frame): void, ended(connection): void}} listener
   */
  constructor (number, address, host, document, listener) {
    this.number = number
    this.#listener = listener
    const socket = new WebSocket(`ws://${address}/ws/${encodeURIComponent(document)}`, {
      autoPong: false,
      perMessageDeflate: false,
      handshakeTimeout: 60_000,
      maxPayload: 64 << 20,
      headers: { Host: host }
    })
    this.#socket = socket
    socket.binaryType = 'nodebuffer'
    this.pongs = true
    socket.on('open', () => { if (this.code === null) listener.opened(this) })
    socket.on('ping', (payload) => { if (this.pongs) socket.pong(payload) })
    socket.on('message', (bytes) => {
      this.heardAt = performance.now()
      if (this.code === null) listener.came(this, wire.read(new Uint8Array(bytes)))
    })
    // The close that follows says it.
    socket.on('error', (error) => { this.error = error.message })
    socket.on('close', (code) => this.#end(code))
  }

  #end (code) {
    if (this.code !== null) return
    this.code = code
    this.endedAt = performance.now()
    this.#listener.ended(this)
  }

  get open () {
    return this.code === null && this.#socket.readyState === WebSocket.OPEN
  }

  get paused () {
    return this.#socket.isPaused
  }

  /** Bytes that the socket has not taken yet. */
  get buffered () {
    return this.#socket.bufferedAmount
  }

  send (bytes) {
    if (this.open) this.#socket.send(bytes)
  }

  /** Sends a Step2 or an Update, which counts. */
  edit (kind, update) {
    if (!this.open) return
    this.sent.push(wire.contents(update))
    this.send(wire.sync(kind, update))
  }

  say (message) {
    this.send(wire.channel(message))
  }

  /** `valid`: whether the protocol lets it be said at all. */
  ask (message, valid = true) {
    if (!this.open) return
    this.asked.set(message.nonce, { type: message.type, message, answers: 0, valid })
    this.say(message)
  }

  /** Stops reading, as a process does that is stopped. */
  pause () {
    this.hurt = true
    this.#socket.pause()
  }

  resume () {
    this.#socket.resume()
  }

  close (code) {
    if (this.code !== null) return
    // Before it is open it can only be broken off.
    this.hurt ||= !this.open
    this.#socket.close(code)
  }

  /** Ends it without a word. The server may not notice: that depends on the line. */
  drop () {
    this.hurt = true
    this.#socket.terminate()
    this.#end(1006)
  }
}
