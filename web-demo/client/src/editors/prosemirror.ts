/**
 * A guard for ProseMirror, and for editors that are made of it: Tiptap, BlockNote, Milkdown.
 *
 * One plugin beside those of y-prosemirror, or of a fork of it such as Tiptap's. Transactions are judged by a filter, and
 * undo at the `UndoManager` of the undo plugin. Without the right to edit, the browser is told that the element is not
 * editable, so that no input method and no menu changes it.
 *
 * y-prosemirror writes whatever the editor shows, at any update of the view: also what schema and plugins have made of
 * an empty or incomplete document, such as the identifiers of blocks. What came while this page might not write is shown
 * so, and is not written before this page's own next change.
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

/** y-prosemirror between view and shared type. */
interface Binding {
  readonly prosemirrorView: { readonly state: EditorState } | null
  /** Writes what differs in this document of the editor. */
  _prosemirrorChanged(doc: EditorState['doc']): void
}

/** Where the text of a state comes from. */
interface Source {
  /** The last transaction brought a change of the shared document, or was appended to one that did. */
  readonly isOfOthers: boolean
  /** The text came while it might not be written. */
  readonly isHeld: boolean
}

/** The plugin, for the `plugins` of an `EditorState`, or of an extension. For one document: make the editor anew in event `doc`. */
export function batonGuard(provider: GuardedProvider, type: SharedType, options: GuardOptions = {}): Plugin {
  const guard = new EditGuard(provider, rootOf(type), options)
  const guarded = new WeakSet<object>()
  const first = <T extends object>(part: T | undefined): part is T => part !== undefined && !guarded.has(part) && !!guarded.add(part)
  /** Puts the parts of the other plugins under the guard, as soon as they are there. */
  const guardParts = (state: EditorState): void => {
    const undo = find<{ undoManager?: Undoes }>(state, UNDO)?.undoManager
    if (first(undo)) guard.guardUndo(undo)
    const binding = bindingOf(state)
    if (!first(binding)) return
    const write = binding._prosemirrorChanged.bind(binding)
    binding._prosemirrorChanged = (doc) => {
      const state = binding.prosemirrorView?.state
      if (!state || !plugin.getState(state)?.isHeld) write(doc)
    }
  }
  const plugin: Plugin<Source> = new Plugin<Source>({
    state: {
      init: () => ({ isOfOthers: true, isHeld: !guard.mayEdit }),
      apply(one, { isHeld }, before) {
        guardParts(before)
        const isOfOthers = isShared((one.getMeta('appendedTransaction') as Transaction | undefined) ?? one, before)
        return { isOfOthers, isHeld: one.docChanged ? isOfOthers && !guard.mayEdit : isHeld }
      },
    },
    filterTransaction(one, state) {
      if (!one.docChanged || isShared(one, state) || guard.mayEdit) return true
      // Other plugins append theirs to a state that is not shown yet; those come from no key of the user.
      if (state !== (bindingOf(state)?.prosemirrorView?.state ?? state)) return plugin.getState(state)?.isOfOthers === true
      guard.refuse(insertedBy(one))
      return false
    },
    props: {
      editable: () => guard.mayEdit,
      // An element that is not editable takes the focus only with a tab index; readers move and copy by keys.
      attributes: () => ({ tabindex: '0' }),
    },
    view(view) {
      guardParts(view.state)
      const element = view.dom
      guard.attach(element, {
        follow(mayEdit) {
          if (!mayEdit) giveUp(element)
          // ProseMirror asks for `editable` when it is given a state.
          if (!view.isDestroyed) view.updateState(view.state)
        },
      })
      return {
        update: () => guardParts(view.state),
        destroy: () => guard.detach(element),
      }
    },
  })
  return plugin
}

/** Tells a transaction that brings a change of the shared document. */
function isShared(one: Transaction, state: EditorState): boolean {
  const key = keyOf(state, SYNC)
  const meta = key === null ? undefined : (one.getMeta(key) as { isChangeOrigin?: boolean } | undefined)
  return meta?.isChangeOrigin === true
}

const bindingOf = (state: EditorState): Binding | undefined => find<{ binding?: Binding }>(state, SYNC)?.binding

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
