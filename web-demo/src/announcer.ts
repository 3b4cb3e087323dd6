/**
 * One voice for what a screen reader should say by itself.
 *
 * A state that is drawn may flicker (saving, saved, saving); only what has stood still for a while is spoken, and a
 * countdown speaks at two moments instead of each second. Owns the memory of what was spoken last about each topic.
 */

/** A state must stand still for this long before it is spoken, in milliseconds. */
export const SETTLED = 1200

/** Seconds left at which a countdown speaks. */
const MOMENTS = [30, 10] as const

export class Announcer {
  readonly #speak: (words: string) => void
  readonly #topics = new Map<string, { spoken: string; next: string; timer: ReturnType<typeof setTimeout> | undefined }>()

  constructor(speak: (words: string) => void) {
    this.#speak = speak
  }

  /**
   * Tells the present state of a topic. It is spoken when it has not changed for `SETTLED`, unless it is what was
   * spoken last. The first state is what a reader finds on the page: it is remembered, not spoken.
   */
  state(topic: string, words: string): void {
    const known = this.#topics.get(topic)
    if (!known) {
      this.#topics.set(topic, { spoken: words, next: words, timer: undefined })
      return
    }
    if (known.next === words) return
    known.next = words
    clearTimeout(known.timer)
    known.timer = setTimeout(() => {
      if (known.spoken === words) return
      known.spoken = words
      if (words !== '') this.#speak(words)
    }, SETTLED)
  }

  /** Returns a countdown that speaks once at 30 s and once at 10 s, as far as it starts above them. */
  countdown(): Countdown {
    return new Countdown(this.#speak)
  }
}

export class Countdown {
  readonly #speak: (words: string) => void
  #last = Infinity

  constructor(speak: (words: string) => void) {
    this.#speak = speak
  }

  /** Tells how many seconds are left. A number that grows starts a new countdown. */
  left(seconds: number, words: (seconds: number) => string): void {
    if (seconds > this.#last) this.#last = Infinity
    const last = this.#last
    this.#last = seconds
    // The banner itself is spoken when it appears, with its first number.
    if (last !== Infinity && MOMENTS.some((moment) => last > moment && seconds <= moment)) this.#speak(words(seconds))
  }
}

/** The page's announcer, on the live region that stands in the HTML from the start. */
export const announcer = new Announcer((words) => {
  const region = typeof document === 'undefined' ? null : document.getElementById('spoken')
  if (!region) return
  // The same words twice are no change, and would not be spoken.
  region.textContent = region.textContent === words ? `${words}\u00a0` : words
})
