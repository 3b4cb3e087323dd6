/**
 * A guard for ProseMirror, and for editors that are made of it: Tiptap, BlockNote, Milkdown.
 *
 * One plugin beside those of y-prosemirror, or of a fork of it such as Tiptap's. Transactions are judged by a filter,
 * the appended ones of other plugins too, and undo at the `UndoManager` of the undo plugin. Without the right to edit,
 * the browser is told that the element is not editable, so that no input method and no menu changes it.
 */
import { Plugin, type EditorState, type Transaction } from 'prosemirror-state'
import { EditGuard, type GuardedProvider, type GuardOptions, type Undoes } from './guard.js'
import { giveUp } from './input.js'
import { rootOf, type SharedType } from './root.js'

export { EditGuard, type GuardedProvider, type GuardOptions } from './guard.js'
export { refusalWords, type Refusal } from './refusal.js'

/** Keys of the plugins, which y-prosemirror and its forks share; a second copy in one program has a number behind it. */
const SYNC = /^y-sync\$/
const UNDO = /^y-undo\$/

/** The plugin, for the `plugins` of an `EditorState`, or of an extension. For one document: make the editor anew in event `doc`. */
export function batonGuard(provider: GuardedProvider, type: SharedType, options: GuardOptions = {}): Plugin {
  const guard = new EditGuard(provider, rootOf(type), options)
  const guarded = new WeakSet<Undoes>()
  const findUndo = (state: EditorState): void => {
    const manager = find<{ undoManager?: Undoes }>(state, UNDO)?.undoManager
    if (!manager || guarded.has(manager)) return
    guarded.add(manager)
    guard.guardUndo(manager)
  }
  return new Plugin({
    filterTransaction(one, state) {
      if (!one.docChanged || isShared(one, state) || guard.mayEdit) return true
      // A transaction that another plugin has appended comes from no key of the user.
      if (one.getMeta('appendedTransaction') === undefined) guard.refuse(insertedBy(one))
      return false
    },
    props: {
      editable: () => guard.mayEdit,
      // An element that is not editable takes the focus only with a tab index; readers move and copy by keys.
      attributes: () => ({ tabindex: '0' }),
    },
    view(view) {
      findUndo(view.state)
      const element = view.dom
      guard.attach(element, {
        follow(mayEdit) {
          if (!mayEdit) giveUp(element)
          // ProseMirror asks for `editable` when it is given a state.
          if (!view.isDestroyed) view.updateState(view.state)
        },
      })
      return {
        update: () => findUndo(view.state),
        destroy: () => guard.detach(element),
      }
    },
  })
}

/** Tells a transaction that brings a change of the shared document. */
function isShared(one: Transaction, state: EditorState): boolean {
  const key = keyOf(state, SYNC)
  const meta = key === null ? undefined : (one.getMeta(key) as { isChangeOrigin?: boolean } | undefined)
  return meta?.isChangeOrigin === true
}

const keyOf = (state: EditorState, name: RegExp): string | null => pluginOf(state, name)?.key ?? null

/** The key of a plugin is not in its types; `getState` of a plugin is. */
function pluginOf(state: EditorState, name: RegExp): (Plugin & { readonly key: string }) | undefined {
  return (state.plugins as (Plugin & { readonly key: string })[]).find(({ key }) => name.test(key))
}

function find<T>(state: EditorState, name: RegExp): T | undefined {
  return pluginOf(state, name)?.getState(state) as T | undefined
}

function insertedBy(one: Transaction): string | null {
  let words = ''
  one.mapping.maps.forEach((map, i) => {
    const after = one.docs[i + 1] ?? one.doc
    map.forEach((_oldStart, _oldEnd, from, to) => (words += after.textBetween(from, to, '\n')))
  })
  return words || null
}
