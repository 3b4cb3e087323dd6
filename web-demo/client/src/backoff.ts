/** Whether to come again after a close, and how long to wait before. Owns the arithmetic only; sets no timer. */

/** First and largest delay between two attempts, in milliseconds. */
const FIRST = 200

/** The server goes away for all at once: everybody comes back within this time, spread evenly. */
const GOING_AWAY_SPREAD = 2000

/**
 * Milliseconds to wait before the next attempt.
 *
 * @param attempt how many attempts have failed since the last time that all was well, from 0
 * @param most the largest delay
 * @param code close code of the connection that ended
 * @param random uniform in [0, 1)
 */
export function delayBefore(attempt: number, most: number, code: number, random: () => number = Math.random): number {
  if (code === 4503 && attempt === 0) return random() * GOING_AWAY_SPREAD
  const ceiling = Math.min(most, FIRST * 2 ** Math.min(attempt + 1, 16))
  const floor = Math.min(FIRST, ceiling)
  return floor + random() * (ceiling - floor)
}

/** Returns true for a close code after which this copy would be refused again. */
export function isFinal(code: number): boolean {
  return code >= 4400 && code <= 4499
}
