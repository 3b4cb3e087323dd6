// Copies of a document in a form that is compared.

import * as Y from 'yjs'
import * as wire from './wire.js'

function sorted (value) {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([key, value]) => [key, sorted(value)]))
}

/** A copy, for comparison. */
export function shown (person) {
  const { doc } = person.copy
  const vector = [...Y.decodeStateVector(Y.encodeStateVector(doc))].sort(([a], [b]) => a - b).join(' ')
  const deletes = wire.ranges(Y.snapshot(doc).ds).map(({ client, clock, end }) => `${client}:${clock}-${end}`).sort().join(' ')
  const content = JSON.stringify(sorted({
    text: doc.getText('text').toDelta(),
    notes: doc.getText('notes').toDelta(),
    map: doc.getMap('map').toJSON(),
    array: doc.getArray('array').toJSON(),
    xml: doc.getXmlFragment('xml').toString()
  }))
  return { person, vector, deletes, content, pending: doc.store.pendingStructs !== null || doc.store.pendingDs !== null }
}

/** A newcomer's copy, as the checker looks at it. */
export function looked ({ copy: { doc } }) {
  const vector = Y.decodeStateVector(Y.encodeStateVector(doc))
  const deleted = ranged(wire.ranges(Y.snapshot(doc).ds))
  return {
    end: (client) => vector.get(client) ?? 0,
    deleted,
    text: (client, clock, end) => {
      const words = []
      for (const struct of doc.store.clients.get(client) ?? []) {
        const [from, to] = [Math.max(clock, struct.id.clock), Math.min(end, struct.id.clock + struct.length)]
        if (from >= to) continue
        if (struct.deleted) return null
        const { arr, str = '' } = struct.content
        const cut = [from - struct.id.clock, to - struct.id.clock]
        if (arr) words.push(`${words.length > 0 ? ',' : ''}${arr.slice(...cut).map((value) => JSON.stringify(value)).join()}`)
        else words.push(str.slice(...cut))
      }
      return words.join('')
    }
  }
}

/** Tells if some range covers some part of what is asked for. */
export function ranged (ranges) {
  const by = new Map()
  for (const { client, clock, end } of ranges) {
    if (!by.has(client)) by.set(client, [])
    by.get(client).push([clock, end])
  }
  return (client, clock, end) => (by.get(client) ?? []).some(([from, to]) => from < end && clock < to)
}

/** The block of each token that was saved. */
export function tokens (ledger) {
  const all = new Map()
  for (const { blocks } of ledger) {
    for (const block of blocks) for (const token of block.text.match(wire.TOKEN) ?? []) all.set(token, block)
  }
  return all
}
