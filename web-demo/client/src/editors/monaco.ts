/**
 * Monaco on one shared text, read-only while this page may not write it.
 *
 * A binding of its own, in the place of y-monaco's: that one writes whatever happens to the model. Here each change of
 * the model is judged; what may not be is taken out again. Undo is that of the shared text, for every key, menu and
 * command of Monaco, since all of them ask the model. The others' carets and selections are drawn. Imports nothing of Monaco.
 */
import * as Y from 'yjs'
import type { BatonProvider } from '../provider.js'
import { EditGuard, type GuardedProvider, type GuardOptions } from './guard.js'
import { giveUp } from './input.js'
import { MonacoCursors, type CursorEditorLike, type CursorModelLike } from './monaco-cursors.js'
import { rootOf } from './root.js'

export { EditGuard, type GuardedProvider, type GuardOptions } from './guard.js'
export { refusalWords, type Refusal } from './refusal.js'

interface Position {
  readonly lineNumber: number
  readonly column: number
}

interface Change {
  readonly rangeOffset: number
  readonly rangeLength: number
  readonly text: string
}

interface Disposable {
  dispose(): void
}

/** The part of Monaco's text model that is used. */
export interface MonacoModelLike extends CursorModelLike {
  getValue(): string
  setValue(value: string): void
  setEOL(eol: 0): void
  applyEdits(edits: { range: { startLineNumber: number; startColumn: number; endLineNumber: number; endColumn: number }; text: string }[]): unknown
  onDidChangeContent(listener: (event: { readonly changes: readonly Change[]; readonly isEolChange: boolean }) => void): Disposable
}

/** The part of Monaco's editor that is used. */
export interface MonacoEditorLike extends CursorEditorLike {
  getModel(): MonacoModelLike | null
  getDomNode(): HTMLElement | null
  getPosition(): Position | null
  getScrolledVisiblePosition(position: Position): { top: number; left: number; height: number } | null
  getContribution(id: string): Disposable | null
  updateOptions(options: { readOnly: boolean }): void
}

/** `EndOfLineSequence.LF`. */
const LF = 0

/** A text in a Monaco editor, until `destroy`. */
export class GuardedMonaco {
  readonly guard: EditGuard
  /** Takes back what this page wrote; Monaco's own keys and menus call it too. */
  readonly undoManager: Y.UndoManager
  readonly #text: Y.Text
  readonly #model: MonacoModelLike & { undo?(): unknown; redo?(): unknown }
  readonly #element: HTMLElement
  readonly #listening: Disposable
  readonly #cursors: MonacoCursors
  #isApplying = false
  /** The model has a change that is about to be taken out of it. */
  #isAstray = false

  /**
   * Shows the text in the editor's model, whose own text is replaced. Line ends are LF in both. For one document: make it
   * anew in event `doc`.
   *
   * @throws Error for an editor without a model, or that is in no page
   */
  constructor(provider: GuardedProvider & Pick<BatonProvider, 'awareness'>, text: Y.Text, editor: MonacoEditorLike, options: GuardOptions = {}) {
    const [model, element] = [editor.getModel(), editor.getDomNode()]
    if (!model || !element) throw new Error('baton-client/monaco: the editor has no model, or is in no page')
    this.#text = text
    this.#model = model
    this.#element = element
    this.guard = new EditGuard(provider, rootOf(text), options)
    this.undoManager = this.guard.guardUndo(new Y.UndoManager(text, { trackedOrigins: new Set([this]) }))
    model.setEOL(LF)
    model.setValue(text.toString())
    this.#listening = model.onDidChangeContent(this.#changed)
    text.observe(this.#received)
    this.#cursors = new MonacoCursors(text, editor, model, provider.awareness, element)
    this.#model.undo = () => this.undoManager.undo()
    this.#model.redo = () => this.undoManager.redo()
    // Its words for a key that does nothing know no reason.
    if (options.cue !== false) editor.getContribution('editor.contrib.readOnlyMessageController')?.dispose()
    this.guard.attach(element, {
      caret: () => caretOf(editor, element),
      follow(mayEdit) {
        if (!mayEdit) giveUp(element)
        editor.updateOptions({ readOnly: !mayEdit })
      },
    })
  }

  readonly #changed = ({ changes, isEolChange }: { readonly changes: readonly Change[]; readonly isEolChange: boolean }): void => {
    if (this.#isApplying) return
    if (isEolChange) return this.#apply(() => this.#model.setEOL(LF))
    if (!this.guard.mayEdit || this.#isAstray) {
      this.guard.refuse(changes.map(({ text }) => text).join('') || null, true)
      if (this.#isAstray) return
      this.#isAstray = true
      // The model tells others of this change first.
      return queueMicrotask(() => this.#takeBack())
    }
    const ordered = [...changes].sort((a, b) => b.rangeOffset - a.rangeOffset)
    this.#text.doc?.transact(() => {
      for (const { rangeOffset, rangeLength, text } of ordered) {
        if (rangeLength > 0) this.#text.delete(rangeOffset, rangeLength)
        if (text !== '') this.#text.insert(rangeOffset, text)
      }
    }, this)
  }

  readonly #received = (event: Y.YTextEvent, transaction: Y.Transaction): void => {
    if (transaction.origin === this || this.#isAstray) return
    this.#show(event)
    this.#cursors.draw()
  }

  #show(event: Y.YTextEvent): void {
    const edits: [number, number, string][] = []
    let at = 0
    for (const { insert, delete: gone, retain } of event.delta) {
      if (typeof insert === 'string') edits.push([at, at, insert])
      else if (gone !== undefined) {
        edits.push([at, at + gone, ''])
        at += gone
      } else at += retain ?? 0
    }
    this.#edit(edits)
  }

  /** Makes the model what the shared text is. */
  #takeBack(): void {
    this.#isAstray = false
    const [is, should] = [this.#model.getValue(), this.#text.toString()]
    let start = 0
    while (start < is.length && is[start] === should[start]) start += 1
    let end = 0
    while (end < Math.min(is.length, should.length) - start && is[is.length - 1 - end] === should[should.length - 1 - end]) end += 1
    this.#edit([[start, is.length - end, should.slice(start, should.length - end)]])
    this.#cursors.draw()
  }

  /** Replaces ranges of the model's text, as it is before all of them, past its undo. */
  #edit(edits: readonly (readonly [from: number, to: number, text: string])[]): void {
    const model = this.#model
    const all = edits.map(([from, to, text]) => {
      const [start, end] = [model.getPositionAt(from), model.getPositionAt(to)]
      return { range: { startLineNumber: start.lineNumber, startColumn: start.column, endLineNumber: end.lineNumber, endColumn: end.column }, text }
    })
    this.#apply(() => model.applyEdits(all))
  }

  #apply(change: () => void): void {
    this.#isApplying = true
    try {
      change()
    } finally {
      this.#isApplying = false
    }
  }

  /** Ends the guard and the binding; editor and model stay. */
  destroy(): void {
    this.guard.detach(this.#element)
    this.#cursors.destroy()
    this.#listening.dispose()
    this.#text.unobserve(this.#received)
    this.undoManager.destroy()
    // Those of its class are seen again.
    delete this.#model.undo
    delete this.#model.redo
  }
}

/** Monaco tells places within the editor. */
function caretOf(editor: MonacoEditorLike, element: HTMLElement): { left: number; top: number; bottom: number } | null {
  const position = editor.getPosition()
  const place = position && editor.getScrolledVisiblePosition(position)
  const frame = element.getBoundingClientRect()
  return place ? { left: frame.left + place.left, top: frame.top + place.top, bottom: frame.top + place.top + place.height } : null
}
