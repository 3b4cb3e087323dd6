/**
 * One copy of a Yjs document and its awareness, kept in step over a connection that somebody else owns.
 *
 * Owns the first exchange, the passing on of local edits, and the count of what is saved. It never opens, closes or
 * watches a connection, and knows nothing of locks.
 */
import * as awarenessProtocol from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { User } from './channel.js'
import { encodeFrame, type Frame, type SentFrame } from './codec.js'
import { Saves } from './saves.js'

export interface SyncEvents {
  send(bytes: Uint8Array): void
  isOpen(): boolean
  synced(): void
  saves(): void
}

export class DocSync {
  readonly doc: Y.Doc
  readonly awareness: awarenessProtocol.Awareness
  readonly saves = new Saves()
  readonly #events: SyncEvents

  constructor(doc: Y.Doc, awareness: awarenessProtocol.Awareness, events: SyncEvents) {
    this.doc = doc
    this.awareness = awareness
    this.#events = events
    doc.on('update', this.#onUpdate)
    awareness.on('update', this.#onAwareness)
  }

  opened(): void {
    this.saves.opened()
    this.#events.send(encodeFrame({ kind: 'step1', bytes: Y.encodeStateVector(this.doc) }))
    const state = this.awareness.getLocalState()
    // A new clock, because others may already have seen this client's removal at the present one.
    if (state !== null) this.awareness.setLocalState(state)
  }

  closed(): void {
    this.saves.closed()
    const others = [...this.awareness.getStates().keys()].filter((client) => client !== this.doc.clientID)
    awarenessProtocol.removeAwarenessStates(this.awareness, others, this)
  }

  /** Takes a frame that is about the document or awareness; `false` for any other. */
  frame(frame: Frame): boolean {
    switch (frame.kind) {
      case 'step1':
        this.#count({ kind: 'step2', bytes: Y.encodeStateAsUpdate(this.doc, frame.bytes) })
        this.saves.complete()
        this.#events.saves()
        return true
      case 'step2':
      case 'update':
        Y.applyUpdate(this.doc, frame.bytes, this)
        if (frame.kind === 'step2') this.#events.synced()
        return true
      case 'awareness':
        awarenessProtocol.applyAwarenessUpdate(this.awareness, frame.bytes, this)
        return true
      case 'query-awareness':
        this.#sendAwareness([...this.awareness.getStates().keys()])
        return true
      default:
        return false
    }
  }

  #count(frame: SentFrame): void {
    this.#events.send(encodeFrame(frame))
    this.saves.sent()
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === this) return
    if (this.#events.isOpen()) this.#count({ kind: 'update', bytes: update })
    else this.saves.edited()
    this.#events.saves()
  }

  readonly #onAwareness = (
    { added, updated, removed }: { added: number[]; updated: number[]; removed: number[] },
    origin: unknown,
  ): void => {
    const changed = [...added, ...updated, ...removed]
    // What came from the server is not sent back; except that y-protocols raised our own clock on its removal.
    const own = changed.filter((client) => client === this.awareness.clientID)
    this.#sendAwareness(origin === this ? own : changed)
  }

  #sendAwareness(clients: number[]): void {
    if (clients.length === 0 || !this.#events.isOpen()) return
    this.#events.send(encodeFrame({ kind: 'awareness', bytes: awarenessProtocol.encodeAwarenessUpdate(this.awareness, clients) }))
  }

  /** Names the person at this copy's cursor; other fields of the awareness state's `user` stay. */
  name({ name, color }: User): void {
    const user: unknown = this.awareness.getLocalState()?.user
    this.awareness.setLocalStateField('user', { ...(typeof user === 'object' ? user : null), name, color })
  }

  /** The others no longer see this copy's cursor. Returns what they saw. */
  hide(origin: string): Record<string, unknown> | null {
    const state = this.awareness.getLocalState()
    awarenessProtocol.removeAwarenessStates(this.awareness, [this.doc.clientID], origin)
    return state
  }

  /** A fresh copy for the same person, under a new Yjs client id. This one is told nothing more. */
  leave(): DocSync {
    const seen = this.hide('diverged')
    this.destroy()
    const doc = new Y.Doc()
    const awareness = new awarenessProtocol.Awareness(doc)
    awareness.setLocalState(seen)
    return new DocSync(doc, awareness, this.#events)
  }

  destroy(): void {
    this.doc.off('update', this.#onUpdate)
    this.awareness.off('update', this.#onAwareness)
  }
}
