/**
 * How long a holder may go on editing without news: `client_stop` after it *sent* the last thing that the server
 * has confirmed (docs/protocol.md, rule 4).
 *
 * Counting from the sending, not from the confirmation's arrival, is what makes the client stop before the server
 * passes the lock on, however long the way took. Owns the answers under way and one moment for each grant; never sets a
 * timer and never reads a clock.
 */
import { advance, type Instant } from './clock.js'
import { remember } from './remember.js'

/** When the answers to beats were sent. They are the session's, not one grant's. */
export class Answers {
  readonly #sent = new Map<number, Instant>()

  /** The answer to beat `n` was sent. Those that are forgotten before they are confirmed would be past their time anyway. */
  sent(n: number, at: Instant): void {
    remember(this.#sent, n, at)
  }

  /**
   * The server says that the answer to beat `n` came in time, and with it all that it needs to know of older ones.
   * Returns when it was sent; `null` for one that never was.
   */
  confirmed(n: number): Instant | null {
    const at = this.#sent.get(n) ?? null
    for (const older of [...this.#sent.keys()]) if (older <= n) this.#sent.delete(older)
    return at
  }

  /** A new session: nothing that an older one sent counts. */
  reset(): void {
    this.#sent.clear()
  }
}

/** The time of one grant. */
export class Lease {
  #since: Instant | null = null

  /** What was sent at `sent` has been answered: a beat's answer, a hello by its welcome, a claim by its grant. */
  renew(sent: Instant): void {
    if (this.#since === null || sent.mono >= this.#since.mono) this.#since = sent
  }

  /** Milliseconds that are left of `stop`; 0 when it has run out or never began. */
  left(now: Instant, stop: number): number {
    return this.#since === null ? 0 : Math.max(0, stop - Math.max(0, advance(this.#since, now)))
  }
}
