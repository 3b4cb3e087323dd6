/**
 * CodeMirror 6 on one shared text, read-only while this page may not write it.
 *
 * `batonText` stands in the place of `yCollab` of y-codemirror.next. What comes as an event is stopped by the guard of
 * all editors; what comes as a transaction, by a change filter; and a transaction that no filter was asked about never
 * reaches the shared text. The element stays editable to the browser, so that it has a caret to read and copy with.
 */
import { Compartment, EditorState, type Extension, type Transaction } from '@codemirror/state'
import { keymap, ViewPlugin, type EditorView } from '@codemirror/view'
import { yCollab, ySync, ySyncAnnotation, yUndoManagerKeymap } from 'y-codemirror.next'
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { guardFacet, textSync } from './codemirror-sync.js'
import { EditGuard, type GuardedProvider, type GuardOptions } from './guard.js'
import { rootOf } from './root.js'

export { textSync, type TextSync } from './codemirror-sync.js'
export { placeAtCaret, type Box } from './cue.js'
export { EditGuard, type GuardedProvider, type GuardOptions } from './guard.js'
export { refusalWords, type Refusal } from './refusal.js'

export interface TextOptions extends GuardOptions {
  /** Whose cursors are shown by y-codemirror.next; `null` for none. The provider's unless told otherwise. */
  awareness?: Awareness | null | undefined
}

/** The text, its undo by key and menu, the others' cursors, and the guard. For one document: make it anew in event `doc`. */
export function batonText(provider: GuardedProvider & { readonly awareness: Awareness }, text: Y.Text, options: TextOptions = {}): Extension {
  const { awareness = provider.awareness, ...rest } = options
  const guard = new EditGuard(provider, rootOf(text), rest)
  const undoManager = guard.guardUndo(new Y.UndoManager(text))
  return [
    guardFacet.of(guard),
    changeFilter(guard),
    // All but the part that writes into the shared text.
    (yCollab(text, awareness, { undoManager }) as Extension[]).filter((one) => one !== ySync),
    textSync,
    following(guard, undoManager),
    keymap.of(yUndoManagerKeymap),
  ]
}

/** Refuses each transaction that would change the text, other than those which bring a change of the shared text. */
export function changeFilter(guard: Pick<EditGuard, 'mayEdit' | 'refuse'>): Extension {
  return EditorState.changeFilter.of((one) => {
    if (one.annotation(ySyncAnnotation) !== undefined || guard.mayEdit) return true
    if (one.docChanged) guard.refuse(insertedBy(one))
    return false
  })
}

function insertedBy(one: Transaction): string | null {
  let words = ''
  one.changes.iterChanges((_fromA, _toA, _fromB, _toB, inserted) => (words += inserted.toString()))
  return words || null
}

/** Attaches the guard to the view, and marks its state as read-only when the right to edit changes. */
function following(guard: EditGuard, undoManager: Y.UndoManager): Extension {
  const right = new Compartment()
  const readOnly = (mayEdit: boolean): Extension => right.of(EditorState.readOnly.of(!mayEdit))
  let views = 0
  const plugin = ViewPlugin.define((view) => {
    views += 1
    let isOpen = true
    const follow = (mayEdit: boolean): void => {
      const sync = view.plugin(textSync)
      // The right may be found to be over by the very key that is being written.
      if (sync?.isWriting) return queueMicrotask(() => isOpen && follow(guard.mayEdit))
      if (!mayEdit) sync?.takeBack()
      if (view.state.readOnly === mayEdit) view.dispatch({ effects: right.reconfigure(EditorState.readOnly.of(!mayEdit)) })
    }
    // A view that is being made takes no transaction.
    queueMicrotask(() => isOpen && guard.attach(view.contentDOM, { caret: () => caretOf(view), follow }))
    return {
      destroy() {
        isOpen = false
        views -= 1
        guard.detach(view.contentDOM)
        // A state that was set anew has this plugin again.
        queueMicrotask(() => views === 0 && undoManager.destroy())
      },
    }
  })
  return [readOnly(guard.mayEdit), plugin]
}

/** Where CodeMirror draws the caret, in its frame. */
function caretOf(view: EditorView): DOMRect | null {
  return view.coordsAtPos(view.state.selection.main.head) as DOMRect | null
}
