/** The frames of docs/protocol.md, section 1, that only a server sends: the client reads them, and never writes one. */
import * as encoding from 'lib0/encoding'
import { encodeFrame, type Frame } from '../client/src/codec'

/** Writes any frame that a server may send. */
export function encodeServerFrame(frame: Exclude<Frame, { kind: 'unknown' }>): Uint8Array {
  switch (frame.kind) {
    case 'compressed':
      return encoding.encode((to) => {
        encoding.writeVarUint(to, 99)
        encoding.writeVarUint(to, frame.step === 'step2' ? 1 : 2)
        encoding.writeVarUint8Array(to, frame.payload)
      })
    case 'denied':
      return encoding.encode((to) => {
        encoding.writeVarUint(to, 2)
        encoding.writeVarUint(to, 0)
        encoding.writeVarString(to, frame.reason)
      })
    case 'query-awareness':
      return encoding.encode((to) => encoding.writeVarUint(to, 3))
    default:
      return encodeFrame(frame)
  }
}
