// The signs by which a client shows an edit as confirmed, each as the client itself computes it.
//
// A sign opens a stock provider for a writer, and enters into the writer's ledger what the client shows. Providers are as
// published; where one has no such sign yet, the frames are looked at on their way.

import { BATON, CHANNEL, STATELESS, STEP2, SYNC, UPDATE, frame, isChange, read } from '../frames.js'
import { hocuspocus, tapped, ySweet, yWebsocket } from '../wires.js'

const HELLO = { type: 'hello', version: 1, user: { name: 'writer', color: '#30507a' } }

/** Counts as Baton's channel counts: the sync messages of this connection, with what is in them. */
class Channel {
  #ledger
  #unsaved = []
  #saved = 0
  #say

  constructor (ledger) {
    this.#ledger = ledger
  }

  /** A connection has opened. */
  begin (say) {
    this.#unsaved = []
    this.#saved = 0
    this.#say = say
    say(JSON.stringify(HELLO))
  }

  sent (frame) {
    // A Step2 is all that the server lacks; an update may have waited in a queue of the provider.
    if (isChange(frame)) this.#unsaved.push({ update: frame.update, all: frame.step === STEP2 ? this.#ledger.made : 0 })
  }

  hear (text) {
    const message = JSON.parse(text)
    if (message.type === 'beat') this.#say(JSON.stringify({ type: 'answer', n: message.n, visible: true, idle_ms: 0 }))
    if (message.type === 'saved') {
      for (; this.#saved < message.updates; this.#saved++) {
        const { update, all } = this.#unsaved.shift()
        this.#ledger.confirmUpdate(update)
        this.#ledger.confirm(all)
      }
    }
  }
}

export const signs = {
  /** y-websocket has no sign but that others see it; what they saw some time ago is to be there. */
  seen: {
    wire: yWebsocket,
    bySight: true,
    mayBeMissed: true,
    open: (server, name, doc) => yWebsocket.open(server, name, doc)
  },

  /**
   * What `@y/websocket` is going to show: an edit is confirmed when it comes back. An echo that was lost with its connection
   * does not come again.
   */
  echo: {
    wire: yWebsocket,
    mayBeMissed: true,
    open: (server, name, doc, ledger) => yWebsocket.open(server, name, doc, {
      params: { echo: 'saved' },
      WebSocketPolyfill: tapped({
        came: (bytes) => {
          const { type, step, update } = read(bytes)
          if (type === SYNC && step === UPDATE) ledger.confirmUpdate(update)
        }
      })
    })
  },

  /** Nothing of it is unsynced. */
  hocuspocus: {
    wire: hocuspocus,
    open: (server, name, doc, ledger) => {
      const opened = hocuspocus.open(server, name, doc)
      opened.provider.on('unsyncedChanges', ({ number }) => {
        if (number === 0) ledger.confirm(ledger.made)
      })
      return opened
    }
  },

  /** There are no local changes. */
  'y-sweet': {
    wire: ySweet,
    open: (server, name, doc, ledger) => {
      const opened = ySweet.open(server, name, doc)
      opened.provider.on('local-changes', (any) => {
        if (!any) ledger.confirm(ledger.made)
      })
      return opened
    }
  },

  /** Baton's channel on the y-websocket wire: `saved`. */
  channel: {
    wire: yWebsocket,
    open: (server, name, doc, ledger) => {
      const channel = new Channel(ledger)
      const opened = yWebsocket.open(server, name, doc, {
        WebSocketPolyfill: tapped({
          opened: (send) => channel.begin((text) => send(frame(BATON, text))),
          sent: (bytes) => channel.sent(read(bytes)),
          came: (bytes) => {
            const { type, text } = read(bytes)
            if (type === BATON) channel.hear(text)
          }
        })
      })
      // The provider would say that it does not know the type.
      opened.provider.messageHandlers[BATON] = () => {}
      return opened
    }
  },

  /** The same over Stateless. */
  'channel-hocuspocus': {
    wire: hocuspocus,
    open: (server, name, doc, ledger) => {
      const channel = new Channel(ledger)
      const opened = hocuspocus.open(server, name, doc, {
        WebSocketPolyfill: tapped({
          opened: (send) => channel.begin((text) => send(frame(name, STATELESS, CHANNEL + text))),
          sent: (bytes) => channel.sent(read(bytes, true))
        })
      })
      opened.provider.on('stateless', ({ payload }) => channel.hear(payload.slice(CHANNEL.length)))
      return opened
    }
  }
}
