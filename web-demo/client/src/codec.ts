/**
 * The frames of the y-websocket wire and of Baton's channel beside it: bytes in, bytes out.
 *
 * Owns the framing of docs/protocol.md, section 1. It never touches a document, a socket or a clock, and it
 * never looks into an update or an awareness entry.
 */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'

/** Frames about the document, in the order of their numbers on the wire; `bytes` of a step 1 are a state vector. */
const STEPS = ['step1', 'step2', 'update'] as const

/** A frame that this client may send. */
export type SentFrame =
  | { kind: (typeof STEPS)[number]; bytes: Uint8Array }
  | { kind: 'awareness'; bytes: Uint8Array }
  | { kind: 'baton'; json: string }

/** A decoded frame. `unknown` is a type that this client does not speak: ignore it. */
export type Frame =
  | SentFrame
  /** A step 2 or an update in its compressed form; only from a server that was asked for it. */
  | { kind: 'compressed'; step: 'step2' | 'update'; payload: Uint8Array }
  | { kind: 'denied'; reason: string }
  | { kind: 'query-awareness' }
  | { kind: 'unknown'; type: number }

const SYNC = 0
const AWARENESS = 1
const AUTH = 2
const QUERY_AWARENESS = 3
const BATON = 98
const COMPRESSED = 99

/**
 * Reads one frame.
 *
 * @throws Error when the bytes end too early; the sender is at fault.
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  const from = decoding.createDecoder(bytes)
  const type = decoding.readVarUint(from)
  switch (type) {
    case SYNC:
    case COMPRESSED: {
      const kind = STEPS[decoding.readVarUint(from)]
      const body = decoding.readVarUint8Array(from)
      if (kind && type === SYNC) return { kind, bytes: body }
      if (kind && kind !== 'step1') return { kind: 'compressed', step: kind, payload: body }
      break
    }
    case AWARENESS:
      return { kind: 'awareness', bytes: decoding.readVarUint8Array(from) }
    case AUTH:
      // The only Auth message that a server sends is "denied", number 0.
      decoding.readVarUint(from)
      return { kind: 'denied', reason: decoding.readVarString(from) }
    case QUERY_AWARENESS:
      return { kind: 'query-awareness' }
    case BATON:
      return { kind: 'baton', json: decoding.readVarString(from) }
  }
  return { kind: 'unknown', type }
}

/** Writes a frame. */
export function encodeFrame(frame: SentFrame): Uint8Array {
  return encoding.encode((to) => {
    if (frame.kind === 'baton') {
      encoding.writeVarUint(to, BATON)
      return encoding.writeVarString(to, frame.json)
    }
    if (frame.kind === 'awareness') {
      encoding.writeVarUint(to, AWARENESS)
    } else {
      encoding.writeVarUint(to, SYNC)
      encoding.writeVarUint(to, STEPS.indexOf(frame.kind))
    }
    encoding.writeVarUint8Array(to, frame.bytes)
  })
}
