// A stock client: the published `WebsocketProvider`, with nothing of it changed.

import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { waitFor } from './harness.js'

// Each provider listens for the end of the process; a story with a dozen of them has no leak.
process.setMaxListeners(0)

/**
 * A client of one document, with a few words for what the stories look at.
 *
 * @param {import('./harness.js').Stage} stage
 * @param {import('./harness.js').Server} server
 * @param {string} name of the document, as the person types it
 */
export function stock (stage, server, name) {
  const doc = new Y.Doc()
  const provider = new WebsocketProvider(server.socket, name, doc, {
    WebSocketPolyfill: WebSocket,
    // Two providers in one process would otherwise talk past the server.
    disableBc: true
  })
  const client = {
    doc,
    provider,
    text: doc.getText('text'),
    map: doc.getMap('map'),
    array: doc.getArray('array'),
    xml: doc.getXmlFragment('xml'),
    /** Writes at the end. */
    type: (words) => client.text.insert(client.text.length, words),
    /** Everything that is in the document, for comparison. */
    all: () => JSON.stringify({
      text: client.text.toDelta(),
      // A map has no order, and its keys lie as they came.
      map: Object.fromEntries(Object.entries(client.map.toJSON()).sort()),
      array: client.array.toJSON(),
      xml: client.xml.toString()
    }),
    /** The names of those who are here, in order. */
    names: () => [...provider.awareness.getStates().values()]
      .map((state) => state.user?.name)
      .filter((name) => name !== undefined)
      .sort()
      .join(' '),
    /** Where that index is, as a cursor says it. */
    position: (type, index) => Y.createRelativePositionFromTypeIndex(type, index),
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

/** Waits until all of them hold the same. */
export async function converge (clients, within) {
  const clocks = ({ doc }) => [...Y.decodeStateVector(Y.encodeStateVector(doc))].sort().join(' ')
  const [first, ...others] = clients
  await waitFor('all hold the same', () => others.every((other) =>
    other.all() === first.all() && clocks(other) === clocks(first)
  ), within)
}
