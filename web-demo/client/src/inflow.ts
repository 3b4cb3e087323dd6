/**
 * The frames of one connection on their way in. A compressed one is inflated beside the page's own work, and those that
 * came behind it wait for it, so that all are taken in the order of their coming.
 *
 * Owns those that wait; never looks into one.
 */
import type { Frame } from './codec.js'
import { inflate } from './inflate.js'

/** A frame that can be taken as it is. */
export type Taken = Exclude<Frame, { kind: 'compressed' }>

export interface InflowEvents {
  take(frame: Taken): void
  /** A compressed frame, or one behind it, could not be taken: nothing of it was, nor of those that follow. */
  failed(error: unknown): void
}

export class Inflow {
  readonly #events: InflowEvents
  /** The frames behind the one that is being inflated; `null` while none is. */
  #waiting: Frame[] | null = null
  /** Counts the connections: what is inflated for an earlier one comes too late. */
  #connection = 0

  constructor(events: InflowEvents) {
    this.#events = events
  }

  /** A frame came. */
  add(frame: Frame): void {
    if (this.#waiting) this.#waiting.push(frame)
    else if (frame.kind === 'compressed') void this.#inflate(frame)
    else this.#events.take(frame)
  }

  /** The connection is over: what came over it and was not taken never is. */
  closed(): void {
    this.#waiting = null
    this.#connection += 1
  }

  async #inflate(frame: Frame & { kind: 'compressed' }): Promise<void> {
    const connection = this.#connection
    this.#waiting = []
    try {
      const bytes = await inflate(frame.payload)
      if (connection !== this.#connection) return
      const behind = this.#waiting
      this.#waiting = null
      for (const next of [{ kind: frame.step, bytes } as const, ...behind]) {
        // Taking one may end the connection.
        if (connection === this.#connection) this.add(next)
      }
    } catch (error) {
      if (connection === this.#connection) this.#events.failed(error)
    }
  }
}
