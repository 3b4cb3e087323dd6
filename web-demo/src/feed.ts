/**
 * What came of a numbered feed, and whether anything is missing. A plain machine: ticks in, counts out; it never
 * looks at a clock or a page.
 */

/** One entry of the shared array `ticks`, as a program appends it each second. */
export interface Tick {
  readonly n: number
  /** Milliseconds since 1970, by the program's clock. */
  readonly at: number
  readonly value: number
}

export function isTick(value: unknown): value is Tick {
  const tick = value as Partial<Tick> | null
  return typeof tick === 'object' && tick !== null && Number.isFinite(tick.n) && Number.isFinite(tick.at) && Number.isFinite(tick.value)
}

export class FeedCount {
  /** Distinct numbers seen, of the run that goes on. */
  received = 0
  /** Numbers between the first and the newest that never came. */
  missed = 0
  /** Those of `received` that came in one go with others after a silence. */
  caughtUp = 0
  latest: Tick | null = null

  /**
   * Takes the array as it is now, in its order; returns the entries that are new.
   * `late` says that the page was cut off until now, so that what is new had to be caught up.
   */
  take(ticks: readonly Tick[], late: boolean): Tick[] {
    const newest = ticks.at(-1)
    // The program started its numbers again: a new run.
    if (newest && this.latest && newest.n < this.latest.n) this.restart()
    const fresh = ticks.filter((tick) => this.latest === null || tick.n > this.latest.n)
    for (const tick of fresh) {
      if (this.latest !== null) this.missed += Math.max(0, tick.n - this.latest.n - 1)
      this.received += 1
      if (late) this.caughtUp += 1
      this.latest = tick
    }
    return fresh
  }

  private restart(): void {
    this.received = 0
    this.missed = 0
    this.caughtUp = 0
    this.latest = null
  }
}
