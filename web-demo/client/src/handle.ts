/**
 * The lock of the whole document, or of parts of it, in the hand of an application.
 *
 * Owns nothing: a live view onto the lock machine, and the operations under one scope. Two handles of one scope are the
 * same lock.
 */
import type { Fence, Peer } from './channel.js'
import { now } from './clock.js'
import { BatonError } from './error.js'
import type { LockMachine } from './lock.js'
import type { LockState, LockStatus } from './lock-status.js'
import type { EditRight } from './rights.js'
import { UNSENT, type Answer } from './requests.js'
import { byteLength, toWire, type Scope } from './scope.js'
import type { WaitOptions } from './waits.js'
import type { Ask } from './channel.js'

/** Bytes of a note to a holder, in UTF-8. */
export const NOTE_BYTES = 512

/** The lock at one moment, with the peers whom its numbers mean. */
export type BatonLock = LockStatus & {
  /** Who holds it, or a part of it, or is offered that. */
  readonly peer: Peer | null
}

/** What a handle needs of its provider. */
export interface LockCore {
  readonly machine: LockMachine
  readonly roster: ReadonlyMap<number, Peer>
  /** Asks the server, if it is here. */
  ask(ask: Ask): Promise<Answer>
  /** Resolves when the condition holds; an error that it returns breaks the promise. */
  until(condition: () => boolean | BatonError, what: string, options?: WaitOptions): Promise<void>
  /** Something of this side has changed. */
  changed(): void
}

export class LockHandle {
  /** What it covers; `null` is the whole document. */
  readonly scope: Scope
  readonly #core: LockCore

  constructor(scope: Scope, core: LockCore) {
    this.scope = scope
    this.#core = core
  }

  /** All that is known of it at this moment. */
  get status(): BatonLock {
    const status = this.#core.machine.status(this.scope)
    return { ...status, peer: status.holder === null ? null : (this.#core.roster.get(status.holder) ?? null) }
  }

  get state(): LockState {
    return this.#core.machine.status(this.scope).state
  }

  /** Who holds it, or a part of it, or is offered that. */
  get peer(): Peer | null {
    return this.status.peer
  }

  /** This session's place in the queue, from 1. */
  get place(): number | null {
    return this.#core.machine.status(this.scope).place
  }

  get fence(): Fence | null {
    return this.#core.machine.status(this.scope).fence
  }

  /** Whether this page may edit everything that the lock covers, at this very moment, and why. */
  get right(): EditRight {
    return this.#core.machine.right(this.scope, now())
  }

  get mayEdit(): boolean {
    return this.right.mayEdit
  }

  /** Milliseconds for which its holder may go on without news from the server; 0 for anybody else. */
  get leaseLeft(): number {
    return this.#core.machine.leaseLeft(this.scope, now())
  }

  /**
   * Asks for it, and waits for it. The wish survives lost connections until `cancel`; asking for something else replaces
   * it. `done`, `queued`, `would-wait` (release what this session holds first), `forbidden`. Without a session, the promise
   * waits for one; `unsent` when the wish was given up before, or the provider refused or destroyed.
   */
  acquire(): Promise<Answer> {
    return this.#wish({ type: 'acquire', ...toWire(this.scope) })
  }

  /**
   * Asks for it as `acquire` does, and resolves when it is this session's. An abort by the signal gives the wish up.
   *
   * @throws BatonError `not-granted` when the server refuses the wish or it is given up; `refused`, `destroyed`, `aborted`
   */
  async hold(options?: WaitOptions): Promise<void> {
    let answer: Answer | null = null
    const check = (): boolean | BatonError => {
      const { state } = this
      if (state === 'mine') return true
      if (answer === null || state === 'offered' || this.#core.machine.isWishing) return false
      return new BatonError('not-granted', `the lock is not this session's: ${answer.message ?? answer.outcome}`)
    }
    const held = this.#core.until(check, 'the lock was not held', options)
    void this.acquire().then((answered) => {
      answer = answered
      this.#core.changed()
    })
    try {
      await held
    } catch (error) {
      if (error instanceof BatonError && error.code === 'aborted') void this.cancel()
      throw error
    }
  }

  /** Asks for it if it can be had now; `busy` when it cannot. */
  try(): Promise<Answer> {
    return this.#core.ask({ type: 'try', ...toWire(this.scope) })
  }

  /** Leaves the queue, and declines an offer. */
  cancel(): Promise<Answer> {
    this.#core.machine.gaveUp()
    this.#core.changed()
    return this.#core.ask({ type: 'cancel' })
  }

  /**
   * Gives back what makes it ours, which may be a lock of more than this; the page stops editing under it at once.
   * `stale` when there was nothing to give back.
   */
  async release(): Promise<Answer> {
    const fences = this.#held()
    for (const fence of fences) this.#core.machine.releaseSent(fence)
    this.#core.changed()
    return await this.#each(fences, (fence) => ({ type: 'release', fence }))
  }

  /** Gives it to that session, whether it asked for it or not. `stale` when it is not ours to give. */
  async transfer(to: number): Promise<Answer> {
    return await this.#each(this.#held(), (fence) => ({ type: 'transfer', fence, to }))
  }

  /**
   * Waits for it and asks its holder to hand it over; the holder sees the note, and cannot keep it for ever.
   *
   * @throws RangeError when the note is longer than `NOTE_BYTES`
   */
  async request(note = ''): Promise<Answer> {
    if (byteLength(note) > NOTE_BYTES) throw new RangeError(`a note has at most ${NOTE_BYTES} bytes`)
    return await this.#wish({ type: 'request', ...toWire(this.scope), note })
  }

  /** Takes it from its holder; needs the right `take-over`. `cooldown` too soon after the last time. */
  takeOver(): Promise<Answer> {
    return this.#core.ask({ type: 'take-over', ...toWire(this.scope) })
  }

  /** Takes it from another tab of the same person. */
  moveHere(): Promise<Answer> {
    return this.#core.ask({ type: 'move-here', ...toWire(this.scope) })
  }

  #wish(ask: Ask): Promise<Answer> {
    this.#core.machine.asked(this.scope)
    this.#core.changed()
    return this.#core.ask(ask)
  }

  /** Our grants that make it ours. */
  #held(): Fence[] {
    const { state } = this
    return state === 'mine' || state === 'draining' || state === 'releasing' ? this.#core.machine.ownIn(this.scope) : []
  }

  /** Asks about each; the answer is the first that is not `done`. */
  async #each(fences: readonly Fence[], ask: (fence: Fence) => Ask): Promise<Answer> {
    if (fences.length === 0) return { outcome: 'stale', message: null }
    const answers = await Promise.all(fences.map((fence) => this.#core.ask(ask(fence))))
    return answers.find(({ outcome }) => outcome !== 'done') ?? answers[0] ?? UNSENT
  }
}
