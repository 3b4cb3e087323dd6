/**
 * Which sessions of a document are other tabs of this browser, so that a page can offer to move a lock here.
 *
 * Owns one key of localStorage for each document. It is a hint: the server decides by the user key whose a session is.
 */
import { withStorage } from './storage.js'

/** Sessions that are remembered for one document. */
const REMEMBERED = 32

export class Siblings {
  readonly #key: string
  #sessions = new Set<number>()

  constructor(document: string) {
    this.#key = `baton:sessions:${document}`
    this.#read()
    // Other tabs write while this one reads; this one writes only when it is welcomed.
    globalThis.window?.addEventListener('storage', this.#changed)
  }

  /** This tab is that session. */
  joined(session: number): void {
    this.#read()
    this.#sessions.delete(session)
    this.#sessions.add(session)
    withStorage('localStorage', (store) => store.setItem(this.#key, JSON.stringify([...this.#sessions].slice(-REMEMBERED))))
  }

  has(session: number): boolean {
    return this.#sessions.has(session)
  }

  destroy(): void {
    globalThis.window?.removeEventListener('storage', this.#changed)
  }

  readonly #changed = (event: StorageEvent): void => {
    if (event.key === this.#key) this.#read()
  }

  #read(): void {
    const kept = withStorage('localStorage', (store) => JSON.parse(store.getItem(this.#key) ?? '[]') as unknown)
    this.#sessions = new Set(Array.isArray(kept) ? kept.filter((one) => typeof one === 'number') : [])
  }
}
