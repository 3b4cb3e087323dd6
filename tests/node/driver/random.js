// Random choices that a seed repeats (mulberry32).

/** A generator of choices. */
export class Random {
  #state

  constructor (seed) {
    this.#state = seed >>> 0
  }

  /** A number from 0 up to 1. */
  number () {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer from 0 to `below` - 1. */
  below (below) {
    return Math.floor(this.number() * below)
  }

  /** An integer between both, both included. */
  between (least, most) {
    return least + this.below(most - least + 1)
  }

  /** True in so many of all cases. */
  chance (share) {
    return this.number() < share
  }

  pick (all) {
    return all[this.below(all.length)]
  }

  /** One of `[[weight, value], ...]`. */
  weighted (all) {
    let at = this.number() * all.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, value] of all) {
      at -= weight
      if (at < 0) return value
    }
    return all[all.length - 1][1]
  }

  shuffle (all) {
    for (let i = all.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      ;[all[i], all[j]] = [all[j], all[i]]
    }
    return all
  }

  /** Another generator, whose choices do not depend on how many this one is asked for later. */
  fork () {
    return new Random(this.below(2 ** 32))
  }
}
