/**
 * What of this copy is on the server's disk, by counting (docs/protocol.md, rule 7).
 *
 * Owns the counts of one connection at a time; never sends.
 */

/** `saved`: all of this copy is durable. `saving`: something is under way. `offline`: nothing can be said now. */
export type SaveState = 'offline' | 'saving' | 'saved'

/** All that a copy held at one moment. */
export interface Mark {
  /** Connection that it was made on, by counting. */
  readonly connection: number
  /** Edits that had been sent over that connection. */
  readonly sent: number
}

export class Saves {
  #open = false
  #connection = 0
  #complete = false
  /** Edits that had been sent when the connection had carried all that the copy held. */
  #completeAt = 0
  #sent = 0
  #saved = 0
  #editedOffline = false

  opened(): void {
    this.#open = true
    this.#connection += 1
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
    this.#completeAt = this.#sent
  }

  edited(): void {
    if (!this.#open) this.#editedOffline = true
  }

  acknowledged(updates: number): void {
    this.#saved = Math.max(this.#saved, updates)
    if (this.state === 'saved') this.#editedOffline = false
  }

  /** Marks what the copy holds now, to ask later whether all of that is durable. */
  mark(): Mark {
    return { connection: this.#connection, sent: this.#sent }
  }

  /** Returns true once all that the mark stands for is durable; later edits do not count. */
  reached({ connection, sent }: Mark): boolean {
    // Another connection has carried it with the answer to the server's Step1.
    const needed = connection === this.#connection ? Math.max(sent, this.#completeAt) : this.#completeAt
    return this.#open && this.#complete && this.#saved >= needed
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
