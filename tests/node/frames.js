// Frames of the wires, as far as stories and trials look into them or write them by hand.

import { createDecoder, hasContent, readVarString, readVarUint, readVarUint8Array } from 'lib0/decoding'
import { createEncoder, toUint8Array, writeVarString, writeVarUint, writeVarUint8Array } from 'lib0/encoding'

export const SYNC = 0
export const AWARENESS = 1
export const AUTH = 2
export const SYNC_REPLY = 4
export const STATELESS = 5
export const BROADCAST_STATELESS = 6
export const CLOSE = 7
export const SYNC_STATUS = 8
export const PING = 9
export const PONG = 10
/** y-websocket: Baton's channel. */
export const BATON = 98
/** Hocuspocus: what a Stateless message of Baton's channel begins with. */
export const CHANNEL = 'baton:'
/** y-sweet: what came before this is to be confirmed. */
export const BARRIER = 102

export const STEP1 = 0
export const STEP2 = 1
export const UPDATE = 2

/**
 * Takes a frame apart.
 *
 * @param {Uint8Array} bytes
 * @param {boolean} addressed as on the Hocuspocus wire
 * @returns {{address?: string, type: number, step?: number, update?: Uint8Array, text?: string, number?: number}}
 */
export function read (bytes, addressed) {
  // A ping or pong has no address.
  if (addressed && bytes.length === 1) return { type: bytes[0] }
  const decoder = createDecoder(bytes)
  const frame = addressed ? { address: readVarString(decoder) } : {}
  frame.type = readVarUint(decoder)
  if (frame.type === SYNC || frame.type === SYNC_REPLY) {
    frame.step = readVarUint(decoder)
    frame.update = readVarUint8Array(decoder)
  } else if (frame.type === BATON || (addressed && frame.type === STATELESS)) {
    frame.text = readVarString(decoder)
  } else if (addressed && frame.type === CLOSE) {
    // A client gives no reason.
    if (hasContent(decoder)) frame.text = readVarString(decoder)
  } else if (addressed && frame.type === AUTH) {
    frame.number = readVarUint(decoder)
    if (hasContent(decoder)) frame.text = readVarString(decoder)
  } else if (addressed && frame.type === SYNC_STATUS) {
    frame.number = readVarUint(decoder)
  }
  return frame
}

/** True for what a server is to confirm: an answer to its Step1, or an update. */
export const isChange = ({ type, step }) => [SYNC, SYNC_REPLY].includes(type) && (step === STEP2 || step === UPDATE)

/** Puts a frame together: numbers, texts and bytes in lib0's encoding, one after the other. */
export function frame (...parts) {
  const encoder = createEncoder()
  for (const part of parts) {
    if (typeof part === 'number') writeVarUint(encoder, part)
    else if (typeof part === 'string') writeVarString(encoder, part)
    else writeVarUint8Array(encoder, part)
  }
  return toUint8Array(encoder)
}
