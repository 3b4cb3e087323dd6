/**
 * Lock operations that wait for their result. Owns the nonces; never decides what an operation means.
 */
import type { ClientMessage, Fence, Outcome } from './channel'

/** The operations that the server answers with a `result`. */
export type Operation = 'acquire' | 'try' | 'cancel' | 'release'

/** `unsent`: the connection was not there, or ended before the result came. */
export type Answer = Outcome | 'unsent'

export class Requests {
  readonly #pending = new Map<number, { what: Operation; done: (answer: Answer) => void }>()
  readonly #say: (message: ClientMessage) => void
  /** Larger than any nonce of the page that had this session before. */
  #nonce = Date.now() * 1000

  constructor(say: (message: ClientMessage) => void) {
    this.#say = say
  }

  ask(what: Exclude<Operation, 'release'>): Promise<Answer> {
    return this.#send(what, { type: what, nonce: ++this.#nonce })
  }

  release(fence: Fence): Promise<Answer> {
    return this.#send('release', { type: 'release', nonce: ++this.#nonce, fence })
  }

  #send(what: Operation, message: ClientMessage & { nonce: number }): Promise<Answer> {
    this.#say(message)
    return new Promise((done) => this.#pending.set(message.nonce, { what, done }))
  }

  /** Takes a result; tells which operation it answers, or `null` for none that waits. */
  result(nonce: number, outcome: Outcome): Operation | null {
    const asked = this.#pending.get(nonce)
    if (!asked) return null
    this.#pending.delete(nonce)
    asked.done(outcome)
    return asked.what
  }

  /** The connection ended: no result will come. */
  abandon(): void {
    for (const { done } of this.#pending.values()) done('unsent')
    this.#pending.clear()
  }
}
