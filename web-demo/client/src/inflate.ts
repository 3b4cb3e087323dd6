/**
 * The update that a compressed one stands for (docs/protocol.md, section 1): its length, and a raw DEFLATE stream, which
 * the browser inflates.
 *
 * Owns the limits: no more is kept of a stream than it states, and it may not state more than a message has.
 */
import * as decoding from 'lib0/decoding'

/** Name of this form, here, in a hello and in a welcome. */
export const ENCODING = 'deflate-raw'

/** Largest update that a compressed one may stand for, in bytes. */
export const MAX_UPDATE = 64 * 1024 * 1024

/** Most bytes that one byte of a DEFLATE stream can stand for. */
const MAX_RATIO = 1032

/** Bytes that are inflated at once: a browser hands out all that they stand for before its reader can stop it. */
const SLICE = 4096

/** Whether this browser can inflate: those of before 2023 say nothing of it in their hello. */
export const canInflate: boolean = (() => {
  try {
    return Boolean(new DecompressionStream(ENCODING))
  } catch {
    return false
  }
})()

/**
 * Returns the update.
 *
 * @throws Error when it is damaged, larger than `most` bytes, or not of the length that it states; the sender is at fault.
 */
export async function inflate(payload: Uint8Array, most = MAX_UPDATE): Promise<Uint8Array> {
  const from = decoding.createDecoder(payload)
  const length = decoding.readVarUint(from)
  const bytes = payload.subarray(from.pos)
  const possible = Math.min(most, bytes.length * MAX_RATIO)
  if (length > possible) throw new Error(`a compressed update states ${length} bytes, more than ${possible}`)
  const stream = new DecompressionStream(ENCODING)
  const feeding = feed(stream.writable.getWriter(), bytes)
  // The reading side fails of the same, and tells it.
  feeding.catch(() => {})
  const update = new Uint8Array(length)
  const reader = stream.readable.getReader()
  let at = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done && at === length) break
    if (done || at + value.length > length) {
      reader.cancel().catch(() => {})
      throw new Error(`a compressed update has not the ${length} bytes that it states`)
    }
    update.set(value, at)
    at += value.length
  }
  await feeding
  return update
}

async function feed(writer: WritableStreamDefaultWriter<BufferSource>, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += SLICE) await writer.write(bytes.slice(at, at + SLICE))
  await writer.close()
}
