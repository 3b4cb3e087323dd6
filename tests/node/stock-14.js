// A stock client of the pre-release: `@y/websocket` 4 with `@y/y` 14, with nothing of it changed.
//
// Its types are all of one kind, and its client ids have up to 53 bits.

import WebSocket from 'ws'
import { WebsocketProvider } from '@y/websocket'
import * as Y from '@y/y'
import { waitFor } from './harness.js'

/** The greatest client id that a number of JavaScript can hold, and so the greatest there is. */
export const GREATEST_ID = 2 ** 53 - 1

/**
 * A client of one document, with the words of `stock` that do not depend on the version.
 *
 * @param {import('./harness.js').Stage} stage
 * @param {import('./harness.js').Server} server
 * @param {string} name of the document, as the person types it
 * @param {number} [id] the Yjs client id; a random one if it is left out
 */
export function stock14 (stage, server, name, id) {
  const doc = new Y.Doc()
  if (id !== undefined) doc.clientID = id
  const provider = new WebsocketProvider(server.socket, name, doc, {
    WebSocketPolyfill: WebSocket,
    // Two providers in one process would otherwise talk past the server.
    disableBc: true
  })
  const client = {
    doc,
    provider,
    text: doc.get('text'),
    map: doc.get('map'),
    array: doc.get('array'),
    /** Writes at the end. */
    type: (words) => client.text.insert(client.text.length, words),
    /** The names of those who are here, in order. */
    names: () => [...provider.awareness.getStates().values()]
      .map((state) => state.user?.name)
      .filter((name) => name !== undefined)
      .sort()
      .join(' '),
    called: (name) => provider.awareness.setLocalStateField('user', { name }),
    synced: (within) => waitFor(`${name} synced`, () => provider.synced, within),
    sees: (words, within) => waitFor(
      `"${words}" in ${name}`,
      () => client.text.toString().includes(words),
      within
    ),
    /** Goes, politely. */
    leave: () => {
      provider.destroy()
      doc.destroy()
    }
  }
  stage.later(() => client.leave())
  return client
}

/** The clocks of a document of either version: who wrote how much, each client id in full. */
export const clocks = (library, doc) =>
  [...library.decodeStateVector(library.encodeStateVector(doc))].sort().join(' ')
