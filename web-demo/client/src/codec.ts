/**
 * The frames of the y-websocket wire and of Baton's channel beside it: bytes in, bytes out.
 *
 * Owns the framing of docs/protocol.md, section 1. It never touches a document, a socket or a clock, and it
 * never looks into an update or an awareness entry.
 */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'

/** A decoded frame. `unknown` is a type that this client does not speak: ignore it. */
export type Frame =
  | { kind: 'step1'; stateVector: Uint8Array }
  | { kind: 'step2'; update: Uint8Array }
  | { kind: 'update'; update: Uint8Array }
  /** A Step2 or an Update whose update is compressed; only from a server that was asked for it. */
  | { kind: 'compressed'; step: 'step2' | 'update'; payload: Uint8Array }
  | { kind: 'awareness'; update: Uint8Array }
  | { kind: 'denied'; reason: string }
  | { kind: 'query-awareness' }
  | { kind: 'baton'; json: string }
  | { kind: 'unknown'; type: number }

const SYNC = 0
const AWARENESS = 1
const AUTH = 2
const QUERY_AWARENESS = 3
const BATON = 98
const COMPRESSED = 99

const STEP1 = 0
const STEP2 = 1
const UPDATE = 2

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
      return decodeSync(from)
    case AWARENESS:
      return { kind: 'awareness', update: decoding.readVarUint8Array(from) }
    case AUTH:
      // The only Auth message that a server sends is "denied", number 0.
      decoding.readVarUint(from)
      return { kind: 'denied', reason: decoding.readVarString(from) }
    case QUERY_AWARENESS:
      return { kind: 'query-awareness' }
    case BATON:
      return { kind: 'baton', json: decoding.readVarString(from) }
    case COMPRESSED:
      return decodeCompressed(from)
    default:
      return { kind: 'unknown', type }
  }
}

function decodeSync(from: decoding.Decoder): Frame {
  const step = decoding.readVarUint(from)
  const body = decoding.readVarUint8Array(from)
  switch (step) {
    case STEP1:
      return { kind: 'step1', stateVector: body }
    case STEP2:
      return { kind: 'step2', update: body }
    case UPDATE:
      return { kind: 'update', update: body }
    default:
      return { kind: 'unknown', type: SYNC }
  }
}

function decodeCompressed(from: decoding.Decoder): Frame {
  const step = decoding.readVarUint(from)
  const payload = decoding.readVarUint8Array(from)
  switch (step) {
    case STEP2:
      return { kind: 'compressed', step: 'step2', payload }
    case UPDATE:
      return { kind: 'compressed', step: 'update', payload }
    default:
      return { kind: 'unknown', type: COMPRESSED }
  }
}

/** Writes a frame. */
export function encodeFrame(frame: Exclude<Frame, { kind: 'unknown' }>): Uint8Array {
  return encoding.encode((to) => {
    switch (frame.kind) {
      case 'step1':
        return sync(to, STEP1, frame.stateVector)
      case 'step2':
        return sync(to, STEP2, frame.update)
      case 'update':
        return sync(to, UPDATE, frame.update)
      case 'compressed':
        encoding.writeVarUint(to, COMPRESSED)
        encoding.writeVarUint(to, frame.step === 'step2' ? STEP2 : UPDATE)
        return encoding.writeVarUint8Array(to, frame.payload)
      case 'awareness':
        encoding.writeVarUint(to, AWARENESS)
        return encoding.writeVarUint8Array(to, frame.update)
      case 'denied':
        encoding.writeVarUint(to, AUTH)
        encoding.writeVarUint(to, 0)
        return encoding.writeVarString(to, frame.reason)
      case 'query-awareness':
        return encoding.writeVarUint(to, QUERY_AWARENESS)
      case 'baton':
        encoding.writeVarUint(to, BATON)
        return encoding.writeVarString(to, frame.json)
    }
  })
}

function sync(to: encoding.Encoder, step: number, body: Uint8Array): void {
  encoding.writeVarUint(to, SYNC)
  encoding.writeVarUint(to, step)
  encoding.writeVarUint8Array(to, body)
}
