/**
 * How long a holder may go on editing without news: `client_stop` after it *sent* the last thing that the server
 * has confirmed (docs/protocol.md, rule 4).
 *
 * Counting from the sending, not from the confirmation's arrival, is what makes the client stop before the server
 * passes the lock on, however long the way took. Owns the answers under way; never sets a timer and never reads a
 * clock.
 */
import { advance, type Instant } from './clock'

/** Answers that are remembered until they are confirmed; older ones would be past their time anyway. */
const MAX_ANSWERS = 64

export class Lease {
  readonly #answers = new Map<number, Instant>()
  #since: Instant | null = null

  /** The answer to beat `n` was sent. */
  answered(n: number, at: Instant): void {
    this.#answers.set(n, at)
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= MAX_ANSWERS) break
      this.#answers.delete(oldest)
    }
  }

  /** The server says that the answer to beat `n` came in time, and with it all that it needs to know of older ones. */
  confirmed(n: number): void {
    const sent = this.#answers.get(n)
    for (const older of [...this.#answers.keys()]) if (older <= n) this.#answers.delete(older)
    if (sent) this.renew(sent)
  }

  /** Something else that was sent at `sent` has been answered: a hello by its welcome, a claim by its grant. */
  renew(sent: Instant): void {
    if (this.#since === null || sent.mono >= this.#since.mono) this.#since = sent
  }

  /** A new session: nothing that an older one sent counts. */
  reset(): void {
    this.#answers.clear()
    this.#since = null
  }

  /** Milliseconds that are left of `stop`; 0 when it has run out or never began. */
  left(now: Instant, stop: number): number {
    return this.#since === null ? 0 : Math.max(0, stop - Math.max(0, advance(this.#since, now)))
  }
}
