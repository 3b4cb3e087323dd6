/**
 * Nothing of this page gets into a text that it may not write, whatever way it comes.
 *
 * A key, a paste, a drop, a correction of the browser, an input method, another program's hand in
 * the page: all of them end as a transaction of the editor, and those are judged here. Undo goes
 * past the editor, at the shared text itself, so it is judged where it is done. Owns no state; asks
 * at the very moment, because after a sleep or a freeze timers come later than the first key.
 */
import { EditorState, Prec, type Extension, type Transaction } from '@codemirror/state'
import { EditorView } from '@codemirror/view'
import { ySyncAnnotation } from 'y-codemirror.next'
import * as Y from 'yjs'

export interface GuardOptions {
  mayEdit(): boolean
  /** Something was tried and refused. */
  refused(): void
}

/** Tells a transaction that brings a change of the shared text. */
const isShared = (one: Transaction): boolean => one.annotation(ySyncAnnotation) !== undefined

export function guard({ mayEdit, refused }: GuardOptions): Extension {
  /** Stops an event that would change the text, before the browser acts on it. */
  const stop = (event: Event): boolean => {
    if (mayEdit()) return false
    refused()
    event.preventDefault()
    return true
  }
  /**
   * Lets an event go on that only reads, or that no handler can stop: the filter refuses its
   * change.
   */
  const notice = (): boolean => {
    if (!mayEdit()) refused()
    return false
  }
  return [
    EditorState.changeFilter.of((one) => {
      if (isShared(one) || mayEdit()) return true
      if (one.docChanged) refused()
      return false
    }),
    Prec.highest(
      EditorView.domEventHandlers({
        // Every kind of input has one: typing, deleting, pasting, dropping, undo of a menu, a
        // correction.
        beforeinput: stop,
        paste: stop,
        drop: stop,
        cut: notice,
        input: notice,
        keydown: (event) => isEditingKey(event) && notice(),
        compositionstart: (_, view) => {
          // An input method cannot be stopped by an event; without the focus it gives up.
          if (!mayEdit()) setTimeout(() => giveUp(view))
          return notice()
        },
      }),
    ),
  ]
}

/**
 * Keys that change a text by a command of the editor, which does nothing in one that is read-only,
 * and says nothing.
 */
export function isEditingKey({ key, altKey, shiftKey, ctrlKey, metaKey }: Pick<KeyboardEvent, 'key' | 'altKey' | 'shiftKey' | 'ctrlKey' | 'metaKey'>): boolean {
  if (key === 'Backspace' || key === 'Delete' || key === 'Enter') return true
  // Lines that are moved or copied.
  if (altKey && (key === 'ArrowUp' || key === 'ArrowDown')) return true
  // Indented, commented, deleted, transposed.
  if (ctrlKey || metaKey) return ['[', ']', '/', '\\'].includes(key) || (shiftKey && key.toLowerCase() === 'k') || (ctrlKey && !shiftKey && ['h', 'd', 'k', 't', 'o'].includes(key) && isMac())
  return false
}

const isMac = (): boolean => typeof navigator !== 'undefined' && /Mac/.test(navigator.platform)

/** Makes an input method give up what it is composing. */
export function giveUp(view: EditorView): void {
  if (!view.hasFocus) return
  view.contentDOM.blur()
  view.focus()
}

/** Hands transactions to the view; those that no filter was asked about are judged here. */
export function judged({ mayEdit, refused }: GuardOptions): (all: readonly Transaction[], view: EditorView) => void {
  return (all, view) => {
    // Each builds on the one before it, so they go or stay together.
    if (mayEdit() || all.every((one) => !one.docChanged || isShared(one))) view.update(all)
    else refused()
  }
}

/** Takes back what this page wrote, as long as it may write. */
export class GuardedUndo extends Y.UndoManager {
  readonly #options: GuardOptions

  constructor(text: Y.Text, options: GuardOptions) {
    super(text)
    this.#options = options
  }

  override undo(): ReturnType<Y.UndoManager['undo']> {
    return this.#allowed() ? super.undo() : null
  }

  override redo(): ReturnType<Y.UndoManager['redo']> {
    return this.#allowed() ? super.redo() : null
  }

  #allowed(): boolean {
    const { mayEdit, refused } = this.#options
    const allowed = mayEdit()
    if (!allowed) refused()
    return allowed
  }
}
