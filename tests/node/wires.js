// The three wires: for each the published provider, with nothing of it changed, behind the same few words.
//
// Owns how a provider of each is opened, left, cut off and let back in. Knows no document's content.

import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { createYjsProvider } from '@y-sweet/client'
import { DocumentManager } from '@y-sweet/sdk'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import { waitFor } from './harness.js'

// Each provider listens for the end of the process; a story with a dozen of them has no leak.
process.setMaxListeners(0)

/**
 * A connection of one stock provider.
 *
 * @typedef {object} Connection
 * @property {any} provider as published
 * @property {import('y-protocols/awareness').Awareness} awareness
 * @property {() => boolean} isSynced the provider's own word for it
 * @property {() => boolean} isConnected
 * @property {() => Promise<void>} disconnect goes offline, and stays so until `connect`
 * @property {() => void} connect
 * @property {() => void} breaks loses its TCP connection without a close frame
 * @property {() => void} leave for good, politely
 */

/** A WebSocket that tells what passes: `opened(send)`, `sent(bytes)` and `came(bytes)`, all before the provider sees it. */
export function tapped ({ opened, sent, came }) {
  return class Tap extends WebSocket {
    constructor (...given) {
      super(...given)
      if (opened) this.on('open', () => opened((bytes) => super.send(bytes)))
      if (came) this.on('message', (bytes) => came(new Uint8Array(bytes)))
    }

    send (bytes, ...more) {
      sent?.(bytes)
      super.send(bytes, ...more)
    }
  }
}

/** Where a server wants tokens, a client shows one that lets it do everything, unless the story gives another. */
const tokenFor = (server) => server.issuer?.mint()

/** One document a socket, named by the path. */
export const yWebsocket = {
  name: 'y-websocket',
  open (server, name, doc, { token = tokenFor(server), ...options } = {}) {
    const provider = new WebsocketProvider(server.socket, name, doc, {
      WebSocketPolyfill: WebSocket,
      // Two providers in one process would otherwise talk past the server.
      disableBc: true,
      params: token === undefined ? {} : { token },
      ...options
    })
    return {
      provider,
      awareness: provider.awareness,
      isSynced: () => provider.synced,
      isConnected: () => provider.wsconnected,
      disconnect: async () => provider.disconnect(),
      connect: () => provider.connect(),
      breaks: () => provider.ws.terminate(),
      leave: () => provider.destroy()
    }
  }
}

/** The socket of a Hocuspocus client: any number of documents. */
export function hocuspocusSocket (server, options = {}) {
  return new HocuspocusProviderWebsocket({ url: server.hocuspocus, WebSocketPolyfill: WebSocket, ...options })
}

/** Any number of documents on one socket; here one, unless the story gives a socket. */
export const hocuspocus = {
  name: 'hocuspocus',
  open (server, name, doc, options = {}) {
    const { socket: shared, WebSocketPolyfill = WebSocket, token = tokenFor(server) ?? 'unused', ...more } = options
    const socket = shared ?? hocuspocusSocket(server, { WebSocketPolyfill })
    const provider = new HocuspocusProvider({ websocketProvider: socket, name, document: doc, token, ...more })
    provider.attach()
    return {
      provider,
      awareness: provider.awareness,
      isSynced: () => provider.synced,
      isConnected: () => socket.status === 'connected',
      disconnect: async () => {
        socket.disconnect()
        // Until then it would not connect again.
        await waitFor('a closed socket', () => socket.status === 'disconnected')
      },
      connect: () => { socket.connect() },
      breaks: () => socket.webSocket.terminate(),
      leave: () => {
        provider.destroy()
        if (shared === undefined) socket.destroy()
      }
    }
  }
}

/** Nobody listens there. */
const NOWHERE = 'ws://127.0.0.1:1/'

/** As y-websocket, below another path; the address comes with a token. */
export const ySweet = {
  name: 'y-sweet',
  open (server, name, doc, { WebSocketPolyfill = WebSocket, ...options } = {}) {
    // The provider's own `disconnect` connects again at once: being offline is a network that leads nowhere.
    let offline = false
    class Line extends WebSocketPolyfill {
      constructor (url) {
        super(offline ? NOWHERE : url)
      }
    }
    // What the application's own server does for its clients.
    const manager = new DocumentManager(`ys://${server.address}`)
    const provider = createYjsProvider(doc, name, () => manager.getOrCreateDocAndToken(name), {
      WebSocketPolyfill: Line,
      showDebuggerLink: false,
      ...options
    })
    return {
      provider,
      awareness: provider.awareness,
      isSynced: () => provider.synced,
      isConnected: () => provider.wsconnected,
      disconnect: async () => {
        offline = true
        provider.websocket?.terminate()
      },
      connect: () => {
        offline = false
        // What it does when the browser says that the network is back.
        provider.online()
      },
      breaks: () => provider.websocket.terminate(),
      leave: () => {
        // A provider that is destroyed would go on connecting for ever.
        provider.attemptToConnect = async () => true
        provider.destroy()
        provider.awareness.destroy()
      }
    }
  }
}

export const wires = [yWebsocket, hocuspocus, ySweet]

/** The wires whose stories are played: all, or those that `BATON_WIRES` names, with commas between. */
export const played = process.env.BATON_WIRES === undefined
  ? wires
  : wires.filter(({ name }) => process.env.BATON_WIRES.split(',').includes(name))
