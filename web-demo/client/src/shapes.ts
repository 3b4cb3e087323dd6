/** The check that a message of the server has the shape that its type claims. Owns nothing; decides no meaning. */
import type { ServerMessage } from './channel.js'

type Check = (value: unknown) => boolean

const number: Check = (v) => Number.isSafeInteger(v) && (v as number) >= 0
const text: Check = (v) => typeof v === 'string'
const flag: Check = (v) => typeof v === 'boolean'
const object =
  (shape: Record<string, Check>): Check =>
  (v) =>
    typeof v === 'object' && v !== null && Object.entries(shape).every(([k, ok]) => ok((v as Record<string, unknown>)[k]))
const list =
  (item: Check): Check =>
  (v) =>
    Array.isArray(v) && v.every(item)
const maybe =
  (ok: Check): Check =>
  (v) =>
    v === undefined || v === null || ok(v)

const fence = object({ epoch: number, position: number })
const user = object({ name: text, color: text, id: maybe(text) })
const paths = maybe(list(list(text)))
const peer = object({ session: number, user, client: maybe(number), state: text, lock: flag, read_only: maybe(flag) })
const lock = object({
  version: number,
  mode: text,
  grants: list(object({ paths, state: text, session: number, fence, requested_by: maybe(number), to: maybe(number), reason: maybe(text) })),
  queue: list(object({ session: number, paths })),
  waiting: number,
})
const timings = object({
  beat_every: number,
  server_silent_after: number,
  offline_after: number,
  offer: number,
  grace: number,
  client_stop: number,
  drain: number,
  request: number,
  idle_yield: number,
})
const park = object({
  id: number,
  session: number,
  user,
  at_ms: number,
  reason: text,
  edits: number,
  inserted: number,
  deleted: number,
  bytes: number,
  state: text,
  until_ms: maybe(number),
  by: maybe(number),
})

/** By type. A map, since an object has members of its own, such as `toString`. */
const SHAPES = new Map<string, Check>(Object.entries({
  welcome: object({
    version: number,
    session: number,
    token: text,
    resumed: flag,
    epoch: number,
    timings,
    roster: list(peer),
    lock,
    rights: maybe(list(text)),
    parks: maybe(list(park)),
    encoding: maybe(text),
  }),
  rights: object({ rights: list(text) }),
  'token-expiring': object({ left_ms: number }),
  beat: object({ n: number, confirmed: number }),
  peer: object({ peer }),
  lock: object({ lock }),
  offer: object({ fence, paths, expires_ms: number }),
  granted: object({ fence, paths }),
  drain: object({ fence, reason: text, to: maybe(number), expires_ms: number }),
  requested: object({ fence, by: number, note: text, expires_ms: number }),
  'request-over': object({ fence }),
  'idle-warning': object({ fence, left_ms: number }),
  lost: object({ fence, reason: text }),
  result: object({ nonce: number, outcome: text, message: maybe(text) }),
  park: object({ park }),
  'park-content': object({
    nonce: number,
    id: number,
    parts: list(object({ root: text, kind: text, text })),
    truncated: maybe(flag),
  }),
  saved: object({ updates: number }),
  parked: object({ id: number, reason: text }),
  error: object({ code: text, message: text, retry: flag }),
} satisfies Record<ServerMessage['type'], Check>))

const typed = object({ type: text })

/**
 * Reads a server's message; `null` for a type that is newer than this package. What may be absent and has a default is
 * filled in.
 *
 * @throws Error when the text is no JSON object, or lacks a field that its type must have.
 */
export function decodeServerMessage(json: string): ServerMessage | null {
  const value: unknown = JSON.parse(json)
  const check = typed(value) && SHAPES.get((value as ServerMessage).type)
  if (check === undefined) return null
  if (!check || !check(value)) throw new Error('a message of the channel without a field that it must have')
  const message = value as ServerMessage
  if (message.type === 'welcome') {
    message.rights ??= []
    message.parks ??= []
  } else if (message.type === 'park-content') {
    message.truncated ??= false
  }
  return message
}
