/**
 * CodeMirror on one shared text, read-only exactly while the client says so.
 *
 * Owns the view. The state is marked read-only when the right to edit changes; what is tried all
 * the same, `guard.ts` refuses. When the provider goes on with another document, the view is made
 * anew on it; until that is here, the old text stays to be read.
 */
import { defaultKeymap } from '@codemirror/commands'
import { defineLanguageFacet, HighlightStyle, Language, syntaxHighlighting } from '@codemirror/language'
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import { drawSelection, dropCursor, EditorView, highlightSpecialChars, keymap, placeholder } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { parser } from '@lezer/markdown'
import type { BatonProvider, LockHandle } from 'baton-client'
import { yCollab, ySync, yUndoManagerKeymap } from 'y-codemirror.next'
import type * as Y from 'yjs'
import { mountStylesWithoutElements } from './editor-styles'
import { guard, GuardedUndo, judged, type GuardOptions } from './guard'
import { remoteCursors } from './remote-cursors'
import { sharedText, textSync } from './text-sync'

mountStylesWithoutElements()

// The parser alone: CodeMirror's own markdown package brings HTML, CSS and JavaScript along, four fifths of its weight.
const markdown = new Language(defineLanguageFacet(), parser, [], 'markdown')

const marks = HighlightStyle.define([
  { tag: tags.heading1, class: 'md-h1' },
  { tag: tags.heading2, class: 'md-h2' },
  { tag: [tags.heading3, tags.heading4, tags.heading5, tags.heading6], class: 'md-h3' },
  { tag: tags.strong, class: 'md-strong' },
  { tag: tags.emphasis, class: 'md-em' },
  { tag: tags.link, class: 'md-link' },
  { tag: tags.url, class: 'md-url' },
  { tag: tags.monospace, class: 'md-code' },
  { tag: tags.quote, class: 'md-quote' },
  { tag: [tags.processingInstruction, tags.contentSeparator], class: 'md-mark' },
])

/** Height of the line about the lock, in pixels, and a little more. */
const BAR = 50

export interface EditorOptions {
  /** Name of the shared text in the document. */
  root: string
  /** The lock that says whether it may be edited. */
  lock: LockHandle
  label: string
  placeholder: string
  testId: string
  /**
   * A change was refused; `takenBack` is what an input method had added, where that was taken back.
   */
  refused(view: EditorView, takenBack?: string): void
}

/** Puts an editor into `parent`, for as long as the provider lives. */
export function editor(parent: HTMLElement, provider: BatonProvider, options: EditorOptions): void {
  let shown = open(parent, provider, options)
  provider.on('doc', () => {
    const next = (synced: boolean): void => {
      if (!synced) return
      provider.off('sync', next)
      const hadFocus = shown.view.hasFocus
      shown.close()
      shown = open(parent, provider, options)
      if (hadFocus) shown.view.focus()
    }
    provider.on('sync', next)
  })
}

function open(parent: HTMLElement, provider: BatonProvider, options: EditorOptions): { view: EditorView; close(): void } {
  const { lock } = options
  const { doc } = provider
  const text = doc.getText(options.root)
  const right = new Compartment()
  // A text that has been left is never edited again.
  const mayEdit = (): boolean => lock.mayEdit && provider.doc === doc
  const guarded: GuardOptions = { mayEdit, refused: () => options.refused(view) }
  const undo = new GuardedUndo(text, guarded)
  const view: EditorView = new EditorView({
    parent,
    dispatchTransactions: judged(guarded),
    state: EditorState.create({
      doc: text.toString(),
      extensions: [
        right.of(rights(mayEdit())),
        guard(guarded),
        keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
        highlightSpecialChars(),
        drawSelection(),
        dropCursor(),
        EditorView.lineWrapping,
        // Keeps the caret out from under the line about the lock, which lies over a scrolled page.
        EditorView.scrollMargins.of(({ scrollDOM }) => (scrollDOM.getBoundingClientRect().top < BAR ? { top: BAR } : null)),
        markdown,
        syntaxHighlighting(marks),
        placeholder(options.placeholder),
        undoable(text, undo),
        sharedText({ mayEdit, takenBack: (words) => options.refused(view, words) }),
        remoteCursors(text, provider.awareness),
        EditorView.contentAttributes.of({ 'aria-label': options.label, 'data-testid': options.testId, spellcheck: 'true', autocapitalize: 'sentences' }),
      ],
    }),
  })
  const update = (): void => {
    const sync = view.plugin(textSync)
    // The right may be found to be over by the very key that is being written.
    if (sync?.isWriting) return queueMicrotask(() => isOpen && update())
    if (!mayEdit()) sync?.takeBack()
    view.dispatch({ effects: right.reconfigure(rights(mayEdit())) })
  }
  let isOpen = true
  provider.on('may-edit', update)
  provider.on('doc', update)
  return {
    view,
    close() {
      isOpen = false
      provider.off('may-edit', update)
      provider.off('doc', update)
      view.destroy()
      undo.destroy()
    },
  }
}

/**
 * The text's name for the plugins, and undo, as y-codemirror has them; the two texts are kept in
 * step by our own.
 */
function undoable(text: Y.Text, undoManager: Y.UndoManager): Extension {
  return (yCollab(text, null, { undoManager }) as Extension[]).filter((one) => one !== ySync)
}

/** The text can still be read, selected and copied with the keyboard, so it stays focusable. */
function rights(mayEdit: boolean): Extension {
  return [
    EditorState.readOnly.of(!mayEdit),
    EditorView.contentAttributes.of({ 'aria-readonly': String(!mayEdit), 'data-may-edit': String(mayEdit) }),
  ]
}
