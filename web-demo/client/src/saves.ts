/**
 * What of this copy is on the server's disk, by counting (docs/protocol.md, rule 7).
 *
 * Owns the counts of one connection at a time; never sends.
 */

/** `saved`: all of this copy is durable. `saving`: something is under way. `offline`: nothing can be said now. */
export type SaveState = 'offline' | 'saving' | 'saved'

export class Saves {
  #open = false
  #complete = false
  #sent = 0
  #saved = 0
  #editedOffline = false

  opened(): void {
    this.#open = true
    this.#complete = false
    this.#sent = 0
    this.#saved = 0
  }

  closed(): void {
    // What was sent and not acknowledged may be lost on the way; the next connection's Step2 brings it again.
    this.#editedOffline = this.unsaved
    this.#open = false
  }

  /** A Step2 or an Update was sent. */
  sent(): void {
    this.#sent += 1
  }

  /** The server's Step1 has been answered: from now on the connection has carried all that we have. */
  complete(): void {
    this.#complete = true
  }

  edited(): void {
    if (!this.#open) this.#editedOffline = true
  }

  acknowledged(updates: number): void {
    this.#saved = Math.max(this.#saved, updates)
    if (this.state === 'saved') this.#editedOffline = false
  }

  get state(): SaveState {
    if (!this.#open) return 'offline'
    return this.#complete && this.#saved >= this.#sent ? 'saved' : 'saving'
  }

  /** Whether this copy holds something that the server has not acknowledged. */
  get unsaved(): boolean {
    return this.#editedOffline || (this.#open && this.#saved < this.#sent)
  }
}
