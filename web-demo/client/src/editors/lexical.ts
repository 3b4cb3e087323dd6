/**
 * Lexical on one shared `XmlText`, read-only while this page may not write it.
 *
 * In the place of the collaboration plugin of `@lexical/react`, over the same `@lexical/yjs`: Lexical has no filter for
 * updates, so each one is judged before it is written into the shared document, and one that may not be is taken out of
 * the editor. Undo is that of the shared document.
 *
 * Lexical joins neighbouring runs of text that have become alike, and `@lexical/yjs` then writes what was joined. Without
 * the right to edit that is not written; until it is, each change of the others is shown by building the text anew.
 */
import { createYjsBinding, syncCursorPositions, syncLexicalUpdateToYjs, syncYjsChangesToLexical, type Binding, type Provider } from '@lexical/yjs'
import { $createParagraphNode, $getRoot, COMMAND_PRIORITY_EDITOR, REDO_COMMAND, UNDO_COMMAND, type EditorState, type LexicalEditor, type UpdateListenerPayload } from 'lexical'
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { User } from '../channel.js'
import { EditGuard, type GuardedProvider, type GuardOptions } from './guard.js'
import { giveUp } from './input.js'

export { EditGuard, type GuardedProvider, type GuardOptions } from './guard.js'
export { refusalWords, type Refusal } from './refusal.js'

/** Tags of updates: a change of others, and one of undo, both of which are in the shared document already. */
const SHARED = ['collaboration', 'historic'] as const

export interface LexicalOptions extends GuardOptions {
  /** Name of the root type; `root` unless told otherwise, as in `@lexical/react`. */
  root?: string | undefined
  /** Where the others' cursors are drawn: an element over the text, at its upper left corner. None, no cursors. */
  cursors?: HTMLElement | undefined
}

/** The part of the provider that is used. */
export type LexicalProvider = GuardedProvider & { readonly awareness: Awareness; readonly user: User }

/** A shared text in a Lexical editor, until `destroy`. */
export class GuardedLexical {
  readonly guard: EditGuard
  /** Takes back what this page wrote; `UNDO_COMMAND` and `REDO_COMMAND` call it too. */
  readonly undoManager: Y.UndoManager
  readonly #editor: LexicalEditor
  readonly #doc: Y.Doc
  readonly #type: Y.XmlText
  readonly #root: string
  readonly #cursors: HTMLElement | null
  readonly #provider: Provider
  readonly #undoing: (() => void)[]
  #binding: Binding
  /** What was joined here is not joined in the shared document. */
  #isStale = false
  #isOver = false
  /** The state before an update that is about to be taken out of the editor. */
  #good: EditorState | null = null

  /**
   * Shows the text in the editor, whose own content is replaced. The editor must have its root element, and its nodes must
   * be known to all pages. For one document: make it anew in event `doc`.
   *
   * @throws Error for an editor without a root element
   */
  constructor(provider: LexicalProvider, editor: LexicalEditor, options: LexicalOptions = {}) {
    const element = editor.getRootElement()
    if (!element) throw new Error('baton-client/lexical: the editor has no root element yet')
    const { root = 'root', cursors = null, ...rest } = options
    this.#editor = editor
    this.#doc = provider.doc
    this.#root = root
    this.#type = this.#doc.get(root, Y.XmlText)
    this.#cursors = cursors
    this.#provider = { awareness: provider.awareness, connect() {}, disconnect() {}, on() {}, off() {} } as unknown as Provider
    this.guard = new EditGuard(provider, root, rest)
    this.#binding = this.#bind()
    this.undoManager = this.guard.guardUndo(new Y.UndoManager(this.#type, { trackedOrigins: new Set([this.#binding]) }))
    this.#introduce(provider)
    this.#rebuild()
    this.#type.observeDeep(this.#received)
    provider.awareness.on('update', this.#draw)
    const commands = [
      [UNDO_COMMAND, () => this.undoManager.undo()],
      [REDO_COMMAND, () => this.undoManager.redo()],
    ] as const
    this.#undoing = [
      editor.registerUpdateListener(this.#updated),
      ...commands.map(([command, act]) => editor.registerCommand(command, () => (act(), true), COMMAND_PRIORITY_EDITOR)),
      () => provider.awareness.off('update', this.#draw),
      () => this.guard.detach(element),
    ]
    element.addEventListener('focus', this.#begin)
    this.#undoing.push(() => element.removeEventListener('focus', this.#begin))
    this.guard.attach(element, { follow: (mayEdit) => this.#follow(element, mayEdit) })
  }

  #bind(): Binding {
    const binding = createYjsBinding({ editor: this.#editor, id: 'baton', doc: this.#doc, docMap: new Map([['baton', this.#doc]]), rootName: this.#root })
    binding.cursorsContainer = this.#cursors
    return binding
  }

  /** What `@lexical/yjs` expects in an awareness state. */
  #introduce({ awareness, user }: LexicalProvider): void {
    const { name, color } = user
    const state = { name, color, focusing: true, awarenessData: {}, anchorPos: null, focusPos: null }
    awareness.setLocalState({ ...awareness.getLocalState(), ...state })
  }

  #follow(element: HTMLElement, mayEdit: boolean): void {
    if (!mayEdit) {
      // Lexical reads the rest of a composition from the page, in microtasks: after them the shared text is shown again.
      if (this.#editor.isComposing()) setTimeout(() => this.guard.mayEdit || this.#isOver || this.#rebuild())
      giveUp(element)
    }
    this.#editor.setEditable(mayEdit)
    element.contentEditable = String(mayEdit)
    // An element that is not editable takes the focus only with a tab index; readers move and copy by keys.
    element.tabIndex = 0
    if (mayEdit && this.#isStale) this.#rebuild()
  }

  /** Lexical types into a paragraph; an empty document gets one from the first who is about to write. */
  readonly #begin = (): void => {
    if (!this.guard.mayEdit || this.#type.length > 0) return
    this.#editor.update(() => void $getRoot().append($createParagraphNode()), { discrete: true })
    this.undoManager.clear()
  }

  readonly #updated = (update: UpdateListenerPayload): void => {
    const { prevEditorState, editorState, dirtyElements, dirtyLeaves, normalizedNodes, tags } = update
    const isShared = SHARED.some((tag) => tags.has(tag))
    const mayEdit = this.guard.mayEdit && this.#good === null
    if (mayEdit || (!isShared && !dirtyElements.has('root'))) {
      return syncLexicalUpdateToYjs(this.#binding, this.#provider, prevEditorState, editorState, dirtyElements, dirtyLeaves, normalizedNodes, tags)
    }
    if (isShared) {
      if (normalizedNodes.size > 0) this.#isStale = true
      return
    }
    const [before, after] = [textOf(prevEditorState), textOf(editorState)]
    // Lexical makes some updates without a key of the user: it normalizes nodes, and gives an empty text a paragraph.
    const isSame = JSON.stringify(prevEditorState) === JSON.stringify(editorState)
    if (!isSame && (before !== '' || after !== '')) this.guard.refuse(addedTo(before, after), true)
    if (this.#good !== null) return
    this.#good = prevEditorState
    queueMicrotask(() => this.#takeBack())
  }

  #takeBack(): void {
    const good = this.#good
    if (good === null) return
    this.#editor.setEditorState(good, { tag: 'collaboration' })
    this.#good = null
  }

  readonly #received = (events: Y.YEvent<any>[], transaction: Y.Transaction): void => {
    if (transaction.origin === this.#binding) return
    this.#takeBack()
    if (this.#isStale) return this.#rebuild()
    syncYjsChangesToLexical(this.#binding, this.#provider, events, transaction.origin instanceof Y.UndoManager)
  }

  /** Builds the editor's text from the shared one. */
  #rebuild(): void {
    this.#isStale = false
    forget(this.#type as Y.AbstractType<unknown>)
    const binding = (this.#binding = this.#bind())
    this.undoManager.addTrackedOrigin(binding)
    const { root } = binding
    this.#editor.update(
      () => {
        $getRoot().clear()
        root.applyChildrenYjsDelta(binding, this.#type.toDelta() as never)
        root.syncChildrenFromYjs(binding)
      },
      { tag: 'collaboration', skipTransforms: true, discrete: true },
    )
  }

  readonly #draw = (): void => syncCursorPositions(this.#binding, this.#provider)

  /** Ends the guard and the binding; the editor stays. */
  destroy(): void {
    this.#isOver = true
    for (const undo of this.#undoing) undo()
    this.#type.unobserveDeep(this.#received)
    this.undoManager.destroy()
  }
}

/** `@lexical/yjs` keeps its nodes at the shared types, also for a binding that comes later, which would add them twice. */
function forget(type: Y.AbstractType<unknown>): void {
  delete (type as { _collabNode?: unknown })._collabNode
  if (!(type instanceof Y.XmlText)) return
  for (const { insert } of type.toDelta() as { insert: unknown }[]) {
    if (insert instanceof Y.AbstractType) forget(insert)
  }
}

const textOf = (state: EditorState): string => state.read(() => $getRoot().getTextContent())

/** What stands in `after` where it differs from `before`; `null` when nothing was added. */
function addedTo(before: string, after: string): string | null {
  let start = 0
  while (start < before.length && before[start] === after[start]) start += 1
  let end = 0
  while (end < Math.min(before.length, after.length) - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1
  return after.slice(start, after.length - end) || null
}
