/**
 * Sees what has changed since it last looked, and tells: the locks, the right to edit, the mode, what is saved.
 *
 * Owns the handles, the memory of what was told, and the one timer that looks again when a lease would run out. It
 * decides nothing.
 */
import type { Mode } from './channel.js'
import { now } from './clock.js'
import type { Emit } from './events.js'
import { LockHandle, type LockCore } from './handle.js'
import type { SaveState } from './saves.js'
import { keyOf, WHOLE, type Scope } from './scope.js'
import type { Session } from './session.js'

export class Watcher {
  readonly #session: Session
  readonly #saves: () => SaveState
  readonly #emit: Emit
  readonly #client: Pick<LockCore, 'until' | 'changed'>
  /** By the name of their scope; the first is the whole document's. */
  readonly #handles = new Map<string, LockHandle>()
  #locks = ''
  #rights = ''
  #mode: Mode | null = null
  #saved: SaveState
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(session: Session, saves: () => SaveState, emit: Emit, client: Pick<LockCore, 'until' | 'changed'>) {
    this.#session = session
    this.#saves = saves
    this.#emit = emit
    this.#client = client
    this.#saved = saves()
    this.handle(WHOLE)
  }

  /** The handle of that scope: always the same one. */
  handle(scope: Scope): LockHandle {
    const key = keyOf(scope)
    const known = this.#handles.get(key)
    if (known) return known
    const { machine, roster } = this.#session
    const handle = new LockHandle(scope, { machine, roster, ask: (ask) => this.#session.ask(ask), ...this.#client })
    this.#handles.set(key, handle)
    // A handle that is new has not changed.
    this.#locks = this.#locksNow()
    this.#rights = this.#rightsNow()
    return handle
  }

  /** Looks, and tells what is different. */
  look(): void {
    const { machine } = this.#session
    clearTimeout(this.#timer)
    const lapse = machine.nextLapse(now())
    if (lapse > 0) this.#timer = setTimeout(() => this.look(), Math.ceil(lapse))
    const [locksBefore, rightsBefore, modeBefore, savedBefore] = [this.#locks, this.#rights, this.#mode, this.#saved]
    this.#locks = this.#locksNow()
    this.#rights = this.#rightsNow()
    this.#mode = machine.mode
    this.#saved = this.#saves()
    const whole = this.handle(WHOLE)
    if (this.#mode !== null && this.#mode !== modeBefore) this.#emit('mode', this.#mode)
    if (this.#locks !== locksBefore) this.#emit('lock', whole)
    if (this.#rights !== rightsBefore) this.#emit('may-edit', whole.right)
    if (this.#saved !== savedBefore) this.#emit('saved', this.#saved)
  }

  #locksNow(): string {
    return JSON.stringify([this.#session.machine.version, ...[...this.#handles.values()].map(({ status }) => status)])
  }

  #rightsNow(): string {
    return JSON.stringify([...this.#handles.values()].map(({ right }) => right))
  }

  destroy(): void {
    clearTimeout(this.#timer)
  }
}
