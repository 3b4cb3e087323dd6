/**
 * What all guards of editors have in common, without any editor: whether one root type may be written at this very
 * moment, what is tried all the same, and how that is shown.
 *
 * Owns the listeners on an editor's element, its attributes `data-may-edit`, `data-why` and `aria-readonly`, and the
 * cue. The guard of an editor adds the last gate before the shared document: docs/decisions/0071 of the repository.
 */
import type * as Y from 'yjs'
import type { LockHandle } from '../handle.js'
import type { BatonProvider } from '../provider.js'
import type { EditRight } from '../rights.js'
import { Cue, selectionBox, type Box } from './cue.js'
import { giveCaret, giveUp, isEditingKey, isTyping, textOf } from './input.js'
import type { Refusal } from './refusal.js'

export interface GuardOptions {
  /** The lock that decides; unless told otherwise, that of the editor's root type, which one of the whole document covers. */
  lock?: Pick<LockHandle, 'right' | 'peer'> | undefined
  /** Told of each change that was refused. */
  refused?: ((refusal: Refusal) => void) | undefined
  /** The sentence of the cue at the caret, or `false` for no cue; `refusalWords` unless told otherwise. */
  cue?: false | ((refusal: Refusal) => string) | undefined
}

/** The part of the provider that is used. */
export type GuardedProvider = Pick<BatonProvider, 'doc' | 'on' | 'off' | 'lockFor'>

/** The part of Yjs' `UndoManager` that is used. */
export interface Undoes {
  undo(): unknown
  redo(): unknown
}

/** An editor that is attached. */
export interface Surface {
  /** The caret, unless it is the browser's selection. */
  caret?(): Box | null
  /** Makes the editor read-only or not; the element is marked afterwards. */
  follow?(mayEdit: boolean): void
}

const EVENTS = ['may-edit', 'lock', 'doc'] as const

export class EditGuard {
  readonly #provider: GuardedProvider
  readonly #doc: Y.Doc
  readonly #lock: Pick<LockHandle, 'right' | 'peer'>
  readonly #options: GuardOptions
  readonly #attached = new Map<HTMLElement, Surface>()
  readonly #contexts = new Set<EditContextLike>()
  #undo: Undoes | null = null
  #cue: Cue | null = null
  #told: boolean | null = null

  /** @param root name of the root type that the editor shows; all of the document where it shows more than one */
  constructor(provider: GuardedProvider, root: string | null, options: GuardOptions = {}) {
    this.#provider = provider
    this.#doc = provider.doc
    this.#lock = options.lock ?? provider.lockFor(root === null ? undefined : [[root]])
    this.#options = options
  }

  /** The right to edit, at this moment. A document that the provider has left is never edited again. */
  get right(): EditRight {
    return this.#provider.doc === this.#doc ? this.#lock.right : { mayEdit: false, why: 'diverged' }
  }

  get mayEdit(): boolean {
    return this.right.mayEdit
  }

  /** Tells that a change was refused. */
  refuse(text: string | null = null, takenBack = false): void {
    const refusal: Refusal = { why: this.right.why, peer: this.#lock.peer, text, takenBack }
    this.#options.refused?.(refusal)
    const [first] = this.#attached
    if (!first || this.#options.cue === false) return
    const [element, surface] = [...this.#attached].find(([one]) => one.matches(':focus-within')) ?? first
    this.#cue ??= new Cue(this.#options.cue)
    this.#cue.show(refusal, () => ({ caret: surface.caret ? surface.caret() : selectionBox(element), frame: element.getBoundingClientRect() }))
  }

  /** Whether a change may be made now; tells where it may not. */
  allows(): boolean {
    if (this.mayEdit) return true
    this.refuse()
    return false
  }

  /** Puts undo and redo under the guard, whoever calls them, and lets the browser's menu call them. */
  guardUndo<T extends Undoes>(manager: T): T {
    const undo = manager.undo.bind(manager)
    const redo = manager.redo.bind(manager)
    manager.undo = () => (this.allows() ? undo() : null)
    manager.redo = () => (this.allows() ? redo() : null)
    this.#undo = manager
    return manager
  }

  /** Looks whether the right has changed, and has the editors follow. */
  readonly look = (): void => {
    const { mayEdit, why } = this.right
    if (mayEdit !== this.#told) {
      this.#told = mayEdit
      for (const [element, surface] of this.#attached) {
        surface.follow?.(mayEdit)
        if (mayEdit) giveCaret(element)
      }
      if (mayEdit) this.#cue?.close()
    }
    for (const element of this.#attached.keys()) mark(element, mayEdit, why)
  }

  /** Guards the input of an editor until `detach`. */
  attach(element: HTMLElement, surface: Surface = {}): void {
    if (this.#attached.size === 0) for (const event of EVENTS) this.#provider.on(event, this.look)
    this.#attached.set(element, surface)
    for (const [type, listener] of this.#listeners) element.addEventListener(type, listener, true)
    const { mayEdit, why } = this.right
    this.#told = mayEdit
    this.#findContext(element.ownerDocument.activeElement)
    surface.follow?.(mayEdit)
    mark(element, mayEdit, why)
  }

  detach(element: HTMLElement): void {
    if (!this.#attached.delete(element)) return
    for (const [type, listener] of this.#listeners) element.removeEventListener(type, listener, true)
    if (this.#attached.size > 0) return
    for (const event of EVENTS) this.#provider.off(event, this.look)
    for (const context of this.#contexts) context.removeEventListener('compositionstart', this.#compose)
    this.#contexts.clear()
    this.#cue?.destroy()
    this.#cue = null
  }

  /** Stops what would change the text, before the browser or the editor acts on it. */
  readonly #stop = (event: Event): void => {
    // After a sleep, timers come later than the first key.
    this.look()
    if (this.mayEdit) return this.#history(event)
    this.refuse(textOf(event))
    event.preventDefault()
    event.stopImmediatePropagation()
  }

  /** Undo of the browser's menu is that of the shared text, not of this element. */
  #history(event: Event): void {
    const { inputType } = event as InputEvent
    if (!this.#undo || (inputType !== 'historyUndo' && inputType !== 'historyRedo')) return
    event.preventDefault()
    event.stopImmediatePropagation()
    if (inputType === 'historyUndo') this.#undo.undo()
    else this.#undo.redo()
  }

  /** Tells of an event that only reads, or that no handler can stop: the editor's last gate refuses its change. */
  readonly #notice = (): void => {
    this.look()
    if (!this.mayEdit) this.refuse()
  }

  readonly #key = (event: Event): void => {
    this.look()
    if (this.mayEdit) return
    const key = event as KeyboardEvent
    // The browser follows a key that types with an input event that says more, if the element takes text.
    if (isTyping(key) ? !takesInput(event.target as HTMLElement) : isEditingKey(key)) this.refuse(textOf(event))
  }

  readonly #compose = (event: Event): void => {
    this.look()
    if (this.mayEdit) return
    this.refuse()
    // No event stops an input method.
    setTimeout(() => giveUp(composed(event.target as HTMLElement | EditContextLike)))
  }

  /** An input method composes in an `EditContext` past its element: no event of the element tells of it. */
  #findContext(element: Element | null): void {
    const context = (element as Contextual | null)?.editContext
    if (!context || this.#contexts.has(context) || ![...this.#attached.keys()].some((one) => one.contains(element))) return
    this.#contexts.add(context)
    context.addEventListener('compositionstart', this.#compose)
  }

  readonly #focus = (event: Event): void => this.#findContext(event.target as Element)

  readonly #listeners: readonly (readonly [string, (event: Event) => void])[] = [
    // Every kind of input has one: typing, deleting, pasting, dropping, undo of a menu, a correction.
    ['beforeinput', this.#stop],
    ['paste', this.#stop],
    ['drop', this.#stop],
    ['cut', this.#notice],
    // Of a program's `execCommand`, which has no other.
    ['input', this.#notice],
    ['keydown', this.#key],
    ['compositionstart', this.#compose],
    ['focusin', this.#focus],
  ]
}

/** The part of an `EditContext` that is used: what some editors have in the place of an element that can be edited. */
interface EditContextLike extends EventTarget {
  attachedElements(): HTMLElement[]
}

type Contextual = Element & { readonly editContext?: EditContextLike | null }

const takesInput = (element: HTMLElement & Contextual): boolean => element.isContentEditable || element.editContext != null

/** The element in which an input method composes. */
const composed = (target: HTMLElement | EditContextLike): HTMLElement => ('attachedElements' in target ? (target.attachedElements()[0] as HTMLElement) : target)

function mark(element: HTMLElement, mayEdit: boolean, why: string): void {
  const attributes = { 'data-may-edit': String(mayEdit), 'data-why': why, 'aria-readonly': String(!mayEdit) }
  for (const [name, value] of Object.entries(attributes)) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value)
  }
}
