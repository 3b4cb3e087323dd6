/**
 * What happens to a copy of the document whose edits were set aside: it becomes a draft, the page goes on with a fresh
 * copy, and the draft goes when its parks are decided.
 *
 * A CRDT copy of which one edit was refused cannot send later ones: they build on it. So the present copy takes no more
 * edits, sends what is still under way (the server parks that too), is kept as a draft, and is left for a fresh one.
 * Owns the drafts of this document and the copy that is being left; never decides what becomes of a park.
 */
import * as Y from 'yjs'
import type { ParkView } from './channel.js'
import type { Draft, DraftStore } from './drafts.js'
import type { DocSync } from './sync.js'

/** How long a server that is here may take to say that it keeps all of a copy, in milliseconds. */
const PATIENCE = 5000

export interface DivergenceEvents {
  /** The copy at hand. */
  copy(): DocSync
  isOpen(): boolean
  /** Goes on with a fresh copy. `draft` is the one that was left. */
  leave(draft: Draft, park: number, reason: string): void
  /** Other drafts than before. */
  drafts(): void
  /** A draft could not be kept: it ends with the page. */
  failed(error: unknown): void
}

export class Divergence {
  readonly #document: string
  readonly #store: DraftStore
  readonly #events: DivergenceEvents
  readonly #drafts = new Map<number, Draft>()
  #leaving: { draft: Draft; park: number; reason: string; due: ReturnType<typeof setTimeout> } | null = null
  /** What is decided already, so that a draft that is read late goes too. */
  #parks: { epoch: number; parks: ReadonlyMap<number, ParkView> } | null = null

  constructor(document: string, store: DraftStore, events: DivergenceEvents) {
    this.#document = document
    this.#store = store
    this.#events = events
    void this.#load()
  }

  /** Drafts by the number of their park. One that holds several parks stands under each. */
  get drafts(): ReadonlyMap<number, Draft> {
    return this.#drafts
  }

  /** Whether the copy at hand is being left. */
  get isLeaving(): boolean {
    return this.#leaving !== null
  }

  /** An edit of the copy at hand was set aside. */
  parked(park: number, reason: string, session: number, epoch: number): void {
    const before = this.#leaving
    const copy = this.#events.copy()
    const draft: Draft = {
      key: before?.draft.key ?? `${this.#document}#${session}#${park}`,
      document: this.#document,
      session,
      epoch,
      parks: [...new Set([...(before?.draft.parks ?? []), park])],
      at: before?.draft.at ?? Date.now(),
      state: Y.encodeStateAsUpdate(copy.doc),
      complete: false,
    }
    if (before) before.draft = draft
    else this.#leaving = { draft, park, reason, due: setTimeout(() => this.#overdue(), PATIENCE) }
    this.#keep(draft)
    this.look()
  }

  /** Something was saved, or the connection is back: perhaps the copy can be left now. */
  look(): void {
    if (this.#leaving && this.#events.copy().saves.state === 'saved') this.#leave(true)
  }

  #overdue(): void {
    if (!this.#leaving) return
    // Without a server there is nothing to go on with: the copy stays, to be read.
    if (this.#events.isOpen()) this.#leave(false)
    else this.#leaving.due = setTimeout(() => this.#overdue(), PATIENCE)
  }

  #leave(complete: boolean): void {
    const leaving = this.#leaving
    if (!leaving) return
    clearTimeout(leaving.due)
    this.#leaving = null
    const draft = { ...leaving.draft, complete, state: Y.encodeStateAsUpdate(this.#events.copy().doc) }
    this.#keep(draft)
    this.#events.leave(draft, leaving.park, leaving.reason)
  }

  #keep(draft: Draft): void {
    for (const park of draft.parks) this.#drafts.set(park, draft)
    this.#store.put(draft).catch((error: unknown) => this.#events.failed(error))
    this.#events.drafts()
  }

  async #load(): Promise<void> {
    try {
      for (const draft of await this.#store.all(this.#document)) {
        for (const park of draft.parks) if (!this.#drafts.has(park)) this.#drafts.set(park, draft)
      }
    } catch (error) {
      this.#events.failed(error)
    }
    this.#dropDecided()
    if (this.#drafts.size > 0) this.#events.drafts()
  }

  /** The parks as the server shows them now: a draft whose parks are all decided is not needed any more. */
  decided(parks: ReadonlyMap<number, ParkView>, epoch: number): void {
    this.#parks = { epoch, parks }
    if (this.#dropDecided()) this.#events.drafts()
  }

  #dropDecided(): boolean {
    const known = this.#parks
    if (!known) return false
    const isOpen = (park: number): boolean => known.parks.get(park)?.state === 'open'
    const leaving = this.#leaving?.draft.key
    const over = [...new Set(this.#drafts.values())].filter(
      (draft) => draft.complete && draft.key !== leaving && draft.epoch === known.epoch && !draft.parks.some(isOpen),
    )
    for (const draft of over) this.drop(draft)
    return over.length > 0
  }

  /** Forgets a draft. */
  drop(draft: Draft): void {
    for (const park of draft.parks) this.#drafts.delete(park)
    this.#store.drop(draft.key).catch((error: unknown) => this.#events.failed(error))
  }

  destroy(): void {
    clearTimeout(this.#leaving?.due)
    this.#leaving = null
  }
}
