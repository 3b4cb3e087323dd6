// A stock client: a published provider of one of the wires, with nothing of it changed.

import * as Y from 'yjs'
import { waitFor } from './harness.js'
import { yWebsocket } from './wires.js'

/**
 * A client of one document, with a few words for what the stories look at.
 *
 * @param {import('./harness.js').Stage} stage
 * @param {import('./harness.js').Server} server
 * @param {string} name of the document, as the person types it
 * @param {{open: Function}} wire
 * @param {object} options for the provider
 */
export function stock (stage, server, name, wire = yWebsocket, options = {}) {
  const doc = new Y.Doc()
  const connection = wire.open(server, name, doc, options)
  const { awareness } = connection
  const client = {
    ...connection,
    doc,
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
    names: () => [...awareness.getStates().values()]
      .map((state) => state.user?.name)
      .filter((name) => name !== undefined)
      .sort()
      .join(' '),
    /** Where that index is, as a cursor says it. */
    position: (type, index) => Y.createRelativePositionFromTypeIndex(type, index),
    called: (name) => awareness.setLocalStateField('user', { name }),
    synced: (within) => waitFor(`${name} synced`, connection.isSynced, within),
    sees: (words, within) => waitFor(
      `"${words}" in ${name}`,
      () => client.text.toString().includes(words),
      within
    ),
    /** Goes, politely. */
    leave: () => {
      connection.leave()
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
