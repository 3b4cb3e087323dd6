/**
 * A guard for Quill 2 with the `QuillBinding` of y-quill.
 *
 * Quill is disabled while this page may not write: the browser then takes its element as not editable, and Quill refuses
 * what toolbars do. What a program changes all the same does not reach the shared text, and is taken out of the editor.
 * Undo is that of the shared text, in the place of Quill's history, which knows nothing of the others.
 */
import * as Y from 'yjs'
import { EditGuard, type GuardedProvider, type GuardOptions } from './guard.js'
import { giveUp } from './input.js'
import { rootOf } from './root.js'

export { EditGuard, type GuardedProvider, type GuardOptions } from './guard.js'
export { refusalWords, type Refusal } from './refusal.js'

interface Delta {
  readonly ops: readonly { readonly insert?: unknown; readonly delete?: number; readonly retain?: unknown }[]
}

type Observer = (event: string, delta: unknown, before: unknown, source: unknown) => void

/** The part of Quill that is used. */
export interface QuillLike {
  readonly root: HTMLElement
  enable(enabled?: boolean): void
  getSelection(focus?: boolean): { index: number; length: number } | null
  getBounds(index: number, length?: number): { left: number; top: number; bottom: number } | null
  setContents(delta: never, source?: never): unknown
  setSelection(index: number, length?: number, source?: never): void
  getModule(name: string): unknown
  on(event: string, listener: (...given: never[]) => void): unknown
  off(event: string, listener: (...given: never[]) => void): unknown
}

/** The part of a `QuillBinding` that is used. */
export interface QuillBindingLike {
  readonly type: Y.Text
  readonly quill: QuillLike
  destroy(): void
}

/** What guards an editor, until `destroy`. */
export interface GuardedQuill {
  readonly guard: EditGuard
  /** Takes back what this page wrote; Quill's own keys call it too. */
  readonly undoManager: Y.UndoManager
  /** Ends the guard and the binding. */
  destroy(): void
}

/**
 * Guards a Quill editor and its binding. For one document: make all three anew in event `doc`.
 *
 * @throws Error for a binding that is not made as that of y-quill 1 is
 */
export function guardQuill(provider: GuardedProvider, binding: QuillBindingLike, options: GuardOptions = {}): GuardedQuill {
  const { quill, type } = binding
  const guard = new EditGuard(provider, rootOf(type), options)
  const undoManager = guard.guardUndo(new Y.UndoManager(type, { trackedOrigins: new Set([binding]) }))
  judge(guard, binding)
  takeOverHistory(quill, undoManager)
  guard.attach(quill.root, {
    caret: () => caretOf(quill),
    follow(mayEdit) {
      // An element that is not editable takes the focus only with a tab index; readers move and copy by keys.
      quill.root.tabIndex = 0
      if (mayEdit) return quill.enable()
      giveUp(quill.root)
      // Quill reads what was composed in a microtask, which the judge must hear of.
      queueMicrotask(() => quill.enable(guard.mayEdit))
    },
  })
  return {
    guard,
    undoManager,
    destroy() {
      guard.detach(quill.root)
      undoManager.destroy()
      binding.destroy()
    },
  }
}

/** Puts a judge before the listener by which the binding writes into the shared text. */
function judge(guard: EditGuard, binding: QuillBindingLike): void {
  const { quill, type } = binding
  const own = binding as unknown as { _quillObserver?: Observer }
  const write = own._quillObserver
  if (!write) throw new Error('baton-client/quill: this is no QuillBinding of y-quill 1')
  const judged: Observer = (event, delta, before, source) => {
    const { ops } = (delta ?? {}) as Partial<Delta>
    if (!ops || source === binding || guard.mayEdit) return write(event, delta, before, source)
    const selection = quill.getSelection()
    quill.setContents(type.toDelta() as never, binding as never)
    if (selection) quill.setSelection(selection.index, selection.length)
    guard.refuse(ops.map(({ insert }) => (typeof insert === 'string' ? insert : '')).join('') || null, true)
  }
  quill.off('editor-change', write)
  quill.on('editor-change', judged)
  // The binding takes it off at its end.
  own._quillObserver = judged
}

/** Quill's keys and the browser's menu come to the history's `change`, bound before anybody could replace them. */
function takeOverHistory(quill: QuillLike, manager: Y.UndoManager): void {
  const history = quill.getModule('history') as { change?(source: 'undo' | 'redo'): void; record?(): void; clear?(): void } | undefined
  if (!history?.change) return
  history.clear?.()
  history.change = (source) => void (source === 'undo' ? manager.undo() : manager.redo())
  history.record = () => {}
}

/** Quill tells places within its container. */
function caretOf(quill: QuillLike): { left: number; top: number; bottom: number } | null {
  const selection = quill.getSelection()
  const bounds = selection && quill.getBounds(selection.index)
  const frame = quill.root.getBoundingClientRect()
  return bounds ? { left: frame.left + bounds.left, top: frame.top + bounds.top, bottom: frame.top + bounds.bottom } : null
}
