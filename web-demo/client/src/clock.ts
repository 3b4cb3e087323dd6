/**
 * Time as a lease needs it: the monotonic and the wall clock side by side.
 *
 * The monotonic clock stops while some machines sleep, and the wall clock may be set back; of the two advances the
 * larger one is the safe one to believe. Owns nothing else, and never sets a timer.
 */

/** One moment, in milliseconds of both clocks. */
export interface Instant {
  readonly mono: number
  readonly wall: number
}

/** This moment. */
export function now(): Instant {
  return { mono: performance.now(), wall: Date.now() }
}

/** Milliseconds from `from` to `to`, by the clock that advanced more. */
export function advance(from: Instant, to: Instant): number {
  return Math.max(to.mono - from.mono, to.wall - from.wall)
}
