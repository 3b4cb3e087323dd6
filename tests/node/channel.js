// A client of Baton's own channel, written from docs/protocol.md alone: frame type 98 with a JSON string in it.
//
// It holds the lock and answers beats; it carries no document.

import { createDecoder, readVarString, readVarUint } from 'lib0/decoding'
import { createEncoder, toUint8Array, writeVarString, writeVarUint } from 'lib0/encoding'
import WebSocket from 'ws'
import { waitFor } from './harness.js'

const BATON = 98

export class Channel {
  #socket
  #nonce = 0
  /** Everything that came on the channel, beats excepted. */
  heard = []

  /** Connects and says hello, with more than a name if that is given. */
  static async open (stage, server, document, name, more = {}) {
    const channel = new Channel()
    channel.#socket = new WebSocket(`${server.socket}/${encodeURIComponent(document)}`)
    channel.#socket.binaryType = 'arraybuffer'
    channel.#socket.on('message', (bytes) => channel.#receive(new Uint8Array(bytes)))
    channel.#socket.on('open', () => channel.say({ type: 'hello', version: 1, user: { name, color: '#30507a' }, ...more }))
    // What ends the connection is seen by the story as what does not come.
    channel.#socket.on('error', () => {})
    stage.later(() => channel.#socket.terminate())
    await channel.hears('welcome')
    return channel
  }

  say (message) {
    const encoder = createEncoder()
    writeVarUint(encoder, BATON)
    writeVarString(encoder, JSON.stringify(message))
    this.#socket.send(toUint8Array(encoder))
  }

  /** Waits for a message of that type that also satisfies the condition. */
  hears (type, condition = () => true, within) {
    const wanted = (message) => message.type === type && condition(message)
    return waitFor(`a ${type}`, () => this.heard.find(wanted), within)
  }

  /** Asks for something and waits for the answer: its result, or the content that was asked for. */
  ask (message, answer = 'result') {
    const nonce = ++this.#nonce
    this.say({ ...message, nonce })
    return this.hears(answer, (heard) => heard.nonce === nonce)
  }

  /** Takes the lock; returns its fence. */
  async take () {
    this.say({ type: 'acquire', nonce: ++this.#nonce })
    const { fence } = await this.hears('offer')
    this.say({ type: 'claim', fence })
    await this.hears('granted', (message) => message.fence.position === fence.position)
    return fence
  }

  /** Gives it back. */
  async release (fence) {
    const { outcome } = await this.ask({ type: 'release', fence })
    if (outcome !== 'done') throw new Error(`the release of a lock: ${outcome}`)
  }

  #receive (bytes) {
    const decoder = createDecoder(bytes)
    if (readVarUint(decoder) !== BATON) return
    const message = JSON.parse(readVarString(decoder))
    if (message.type === 'beat') {
      this.say({ type: 'answer', n: message.n, visible: true, idle_ms: 0 })
    } else {
      this.heard.push(message)
    }
  }
}
