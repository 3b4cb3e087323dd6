/** The WebSocket that a link opens. Owns the types of what is used of one, and the choice of its class. */

/**
 * The part of a WebSocket that this package uses. The browser's own, Node's own (from Node 22) and that of `ws` have it.
 * Each has types of its own for events and data, hence `never`.
 */
export interface WebSocketLike {
  binaryType: string
  readonly readyState: number
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  /** Takes a `Uint8Array`. */
  send(data: never): void
  close(code?: number, reason?: string): void
}

/** A class of such sockets. */
export type WebSocketClass = new (url: string, protocols?: string[]) => WebSocketLike

/** `readyState` of a socket that is connecting or open is at most this. */
export const OPEN = 1

/**
 * The class to use: the given one, or that of this JavaScript.
 *
 * @throws Error when there is none
 */
export function socketClass(given: WebSocketClass | undefined): WebSocketClass {
  const found = given ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket
  if (found === undefined) {
    throw new Error('baton-client: there is no global WebSocket here. Install `ws`, and pass the option { WebSocketPolyfill: WebSocket }')
  }
  return found
}
