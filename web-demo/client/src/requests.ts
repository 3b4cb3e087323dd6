/**
 * Operations that wait for their result. Owns the nonces; never decides what an operation means.
 */
import type { Ask, ClientMessage, DiffPart, Outcome } from './channel.js'

/** What became of an operation. */
export interface Answer {
  /** `unsent`: the connection was not there, or ended before the result came. */
  readonly outcome: Outcome | 'unsent'
  /** The server's words for it, where it had any. */
  readonly message: string | null
}

/** What is in a park, as a difference to the document of that moment. */
export interface ParkContent {
  readonly id: number
  readonly parts: readonly DiffPart[]
  /** Whether there is more than the server shows. */
  readonly truncated: boolean
}

/** The answer to a question for a park's content; without content when there is none to show. */
export interface ParkAnswer extends Answer {
  readonly content: ParkContent | null
}

export const UNSENT: Answer = { outcome: 'unsent', message: null }

interface Pending {
  readonly ask: Ask
  readonly done: (answer: ParkAnswer) => void
}

export class Requests {
  readonly #pending = new Map<number, Pending>()
  readonly #say: (message: ClientMessage) => void
  /** Larger than any nonce of the page that had this session before. */
  #nonce = Date.now() * 1000

  constructor(say: (message: ClientMessage) => void) {
    this.#say = say
  }

  /** Asks; the promise never fails. */
  ask(ask: Ask): Promise<ParkAnswer> {
    const nonce = ++this.#nonce
    return new Promise((done) => {
      this.#pending.set(nonce, { ask, done })
      this.#say({ ...ask, nonce })
    })
  }

  /** Whether an operation of that kind waits for its result. */
  isPending(type: Ask['type']): boolean {
    return [...this.#pending.values()].some(({ ask }) => ask.type === type)
  }

  /** Takes a result; tells which operation it answers, or `null` for none that waits. */
  result(nonce: number, outcome: Outcome, message: string | null): Ask | null {
    const pending = this.#pending.get(nonce)
    if (!pending) return null
    // That a park can be shown is no news before its content.
    if (pending.ask.type === 'show-park' && outcome === 'done') return null
    this.#settle(nonce, pending, { outcome, message, content: null })
    return pending.ask
  }

  /** Takes the content of a park. */
  content(nonce: number, content: ParkContent): void {
    const pending = this.#pending.get(nonce)
    if (pending) this.#settle(nonce, pending, { outcome: 'done', message: null, content })
  }

  #settle(nonce: number, pending: Pending, answer: ParkAnswer): void {
    this.#pending.delete(nonce)
    pending.done(answer)
  }

  /** The connection ended: no result will come. */
  abandon(): void {
    for (const [nonce, pending] of [...this.#pending]) this.#settle(nonce, pending, { ...UNSENT, content: null })
  }
}
