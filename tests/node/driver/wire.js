// The frames of docs/protocol.md, and what an update holds.

import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'

const [SYNC, AWARENESS, AUTH, CHANNEL] = [0, 1, 2, 98]
const KINDS = ['step1', 'step2', 'update']

/**
 * Marks what was written: one character each, which nothing else in the document has, so that it is found again in a document, and
 * in a park, of which only a difference by characters is shown.
 */
export const TOKEN = /[\u4e00-\ud7a3]/g

/** Token number `number` of a document. */
export const token = (number) => String.fromCharCode(0x4e00 + number)

/** So many tokens there are. */
export const TOKENS = 0xd7a3 - 0x4e00

function frame (write) {
  const encoder = encoding.createEncoder()
  write(encoder)
  return encoding.toUint8Array(encoder)
}

/** `kind` is one of step1, step2, update. */
export function sync (kind, payload) {
  return frame((encoder) => {
    encoding.writeVarUint(encoder, SYNC)
    encoding.writeVarUint(encoder, KINDS.indexOf(kind))
    encoding.writeVarUint8Array(encoder, payload)
  })
}

export function channel (message) {
  return frame((encoder) => {
    encoding.writeVarUint(encoder, CHANNEL)
    encoding.writeVarString(encoder, JSON.stringify(message))
  })
}

export function awareness (client, clock, state) {
  return frame((encoder) => {
    encoding.writeVarUint(encoder, AWARENESS)
    encoding.writeVarUint8Array(encoder, frame((entries) => {
      encoding.writeVarUint(entries, 1)
      encoding.writeVarUint(entries, client)
      encoding.writeVarUint(entries, clock)
      encoding.writeVarString(entries, JSON.stringify(state))
    }))
  })
}

/** A frame that came in: `{kind}` and its content. */
export function read (bytes) {
  const decoder = decoding.createDecoder(bytes)
  switch (decoding.readVarUint(decoder)) {
    case SYNC: return { kind: KINDS[decoding.readVarUint(decoder)], payload: decoding.readVarUint8Array(decoder) }
    case CHANNEL: return { kind: 'channel', message: JSON.parse(decoding.readVarString(decoder)) }
    case AUTH: {
      decoding.readVarUint(decoder)
      return { kind: 'auth', reason: decoding.readVarString(decoder) }
    }
    default: return { kind: 'other' }
  }
}

/**
 * The contents of an update: its blocks and its deletions.
 *
 * @returns {{blocks: {client: number, clock: number, end: number, text: string}[], deletes: {client: number, clock: number, end: number}[]}}
 */
export function contents (update) {
  const { structs, ds } = Y.decodeUpdate(update)
  const blocks = structs.filter((struct) => !(struct instanceof Y.Skip)).map((struct) => ({
    client: struct.id.client,
    clock: struct.id.clock,
    end: struct.id.clock + struct.length,
    text: textOf(struct)
  }))
  return { blocks, deletes: ranges(ds) }
}

/** The words of a block: nothing in one that is deleted or has no words. */
export function textOf (struct) {
  const content = struct.content
  if (content?.str !== undefined) return content.str
  if (content?.arr !== undefined) return content.arr.map((value) => JSON.stringify(value)).join()
  return ''
}

/** The ranges of a delete set. */
export function ranges (ds) {
  const all = []
  for (const [client, items] of ds.clients) {
    for (const { clock, len } of items) all.push({ client, clock, end: clock + len })
  }
  return all
}
