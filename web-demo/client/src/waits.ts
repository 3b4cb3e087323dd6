/**
 * Promises that are kept when a condition holds, and broken when it cannot hold any more. Owns those that wait; is told
 * when to look.
 */
import { BatonError } from './error.js'

/** The part of an `AbortSignal` that is used. */
export interface AbortSignalLike {
  readonly aborted: boolean
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

export interface WaitOptions {
  /** Breaks the promise when it aborts, for instance `AbortSignal.timeout(5000)`. */
  signal?: AbortSignalLike | undefined
}

interface Wait {
  /** The condition. An error that it returns breaks the promise. */
  readonly check: () => boolean | BatonError
  readonly settle: (error: BatonError | null) => void
}

export class Waits {
  readonly #waits = new Set<Wait>()

  /** Resolves when `check` returns true. `late` makes the error of an abort. */
  until(check: () => boolean | BatonError, late: () => BatonError, { signal }: WaitOptions = {}): Promise<void> {
    return new Promise((done, fail) => {
      const abort = (): void => wait.settle(late())
      const wait: Wait = {
        check,
        settle: (error) => {
          this.#waits.delete(wait)
          signal?.removeEventListener('abort', abort)
          if (error) fail(error)
          else done()
        },
      }
      this.#waits.add(wait)
      signal?.addEventListener('abort', abort)
      if (signal?.aborted) abort()
      else look(wait)
    })
  }

  /** Something has changed. */
  look(): void {
    for (const wait of [...this.#waits]) look(wait)
  }
}

function look({ check, settle }: Wait): void {
  const state = check()
  if (state !== false) settle(state === true ? null : state)
}
