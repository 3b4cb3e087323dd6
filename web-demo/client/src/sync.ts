/**
 * A Yjs document and its awareness, kept in step over a connection that somebody else owns.
 *
 * Owns the first exchange, the passing on of local edits, and the rule that a copy which has diverged sends nothing
 * more. It never opens, closes or watches a connection, and knows nothing of the lock.
 */
import * as awarenessProtocol from 'y-protocols/awareness'
import * as Y from 'yjs'
import { encodeFrame, type Frame } from './codec'
import type { Saves } from './saves'

/** An update that says nothing, for a Step1 that must not be answered with what this copy has. */
const NOTHING = new Uint8Array([0, 0])

export interface SyncEvents {
  send(bytes: Uint8Array): void
  isOpen(): boolean
  synced(): void
  saves(): void
}

export class DocSync {
  readonly #doc: Y.Doc
  readonly #awareness: awarenessProtocol.Awareness
  readonly #saves: Saves
  readonly #events: SyncEvents
  #diverged = false

  constructor(doc: Y.Doc, awareness: awarenessProtocol.Awareness, saves: Saves, events: SyncEvents) {
    this.#doc = doc
    this.#awareness = awareness
    this.#saves = saves
    this.#events = events
    doc.on('update', this.#onUpdate)
    awareness.on('update', this.#onAwareness)
  }

  /** From now on nothing of this copy is sent: the server would only set it aside again. It goes on receiving. */
  diverge(): void {
    this.#diverged = true
  }

  opened(): void {
    this.#saves.opened()
    this.#events.send(encodeFrame({ kind: 'step1', stateVector: Y.encodeStateVector(this.#doc) }))
    const state = this.#awareness.getLocalState()
    // A new clock, because others may already have seen this client's removal at the present one.
    if (state !== null) this.#awareness.setLocalState(state)
  }

  closed(): void {
    this.#saves.closed()
    const others = [...this.#awareness.getStates().keys()].filter((client) => client !== this.#doc.clientID)
    awarenessProtocol.removeAwarenessStates(this.#awareness, others, this)
  }

  /** Takes a frame that is about the document or awareness; `false` for any other. */
  frame(frame: Frame): boolean {
    switch (frame.kind) {
      case 'step1':
        this.#answerStep1(frame.stateVector)
        return true
      case 'step2':
        Y.applyUpdate(this.#doc, frame.update, this)
        this.#events.synced()
        return true
      case 'update':
        Y.applyUpdate(this.#doc, frame.update, this)
        return true
      case 'awareness':
        awarenessProtocol.applyAwarenessUpdate(this.#awareness, frame.update, this)
        return true
      case 'query-awareness':
        this.#sendAwareness([...this.#awareness.getStates().keys()])
        return true
      default:
        return false
    }
  }

  #answerStep1(stateVector: Uint8Array): void {
    const update = this.#diverged ? NOTHING : Y.encodeStateAsUpdate(this.#doc, stateVector)
    this.#count({ kind: 'step2', update })
    this.#saves.complete()
    this.#events.saves()
  }

  #count(frame: Frame & { kind: 'step2' | 'update' }): void {
    this.#events.send(encodeFrame(frame))
    this.#saves.sent()
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === this || this.#diverged) return
    if (this.#events.isOpen()) this.#count({ kind: 'update', update })
    else this.#saves.edited()
    this.#events.saves()
  }

  readonly #onAwareness = (
    { added, updated, removed }: { added: number[]; updated: number[]; removed: number[] },
    origin: unknown,
  ): void => {
    const changed = [...added, ...updated, ...removed]
    // What came from the server is not sent back; except that y-protocols raised our own clock on its removal.
    const own = changed.filter((client) => client === this.#awareness.clientID)
    this.#sendAwareness(origin === this ? own : changed)
  }

  #sendAwareness(clients: number[]): void {
    if (clients.length === 0 || !this.#events.isOpen()) return
    this.#events.send(encodeFrame({ kind: 'awareness', update: awarenessProtocol.encodeAwarenessUpdate(this.#awareness, clients) }))
  }

  destroy(): void {
    this.#doc.off('update', this.#onUpdate)
    this.#awareness.off('update', this.#onAwareness)
  }
}
