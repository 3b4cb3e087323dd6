/**
 * CodeMirror on one shared text, read-only exactly while the client says so.
 *
 * Owns the view. The state is marked read-only when the right to edit changes, and each change is checked once more
 * when it is made: after a sleep or a freeze, timers come later than the first key. When the provider goes on with
 * another document, the view is made anew on it; until that is here, the old text stays to be read.
 */
import { defaultKeymap } from '@codemirror/commands'
import { defineLanguageFacet, HighlightStyle, Language, syntaxHighlighting } from '@codemirror/language'
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import { drawSelection, dropCursor, EditorView, highlightSpecialChars, keymap, placeholder, type KeyBinding } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { parser } from '@lezer/markdown'
import type { BatonProvider, LockHandle } from '@baton/client'
import { yCollab, ySyncAnnotation, yUndoManagerKeymap } from 'y-codemirror.next'
import * as Y from 'yjs'
import { mountStylesWithoutElements } from './editor-styles'
import { remoteCursors } from './remote-cursors'

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

export interface EditorOptions {
  /** Name of the shared text in the document. */
  root: string
  /** The lock that says whether it may be edited. */
  lock: LockHandle
  label: string
  placeholder: string
  testId: string
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
  const undo = new Y.UndoManager(text)
  const right = new Compartment()
  // A text that has been left is never edited again.
  const mayEdit = (): boolean => lock.mayEdit && provider.doc === doc
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text.toString(),
      extensions: [
        right.of(rights(mayEdit())),
        EditorState.changeFilter.of((change) => change.annotation(ySyncAnnotation) !== undefined || mayEdit()),
        keymap.of([...yUndoManagerKeymap.map((binding) => whenAllowed(binding, mayEdit)), ...defaultKeymap]),
        highlightSpecialChars(),
        drawSelection(),
        dropCursor(),
        EditorView.lineWrapping,
        markdown,
        syntaxHighlighting(marks),
        placeholder(options.placeholder),
        yCollab(text, null, { undoManager: undo }),
        remoteCursors(text, provider.awareness),
        EditorView.contentAttributes.of({ 'aria-label': options.label, 'data-testid': options.testId, spellcheck: 'true', autocapitalize: 'sentences' }),
      ],
    }),
  })
  const update = (): void => view.dispatch({ effects: right.reconfigure(rights(mayEdit())) })
  provider.on('may-edit', update)
  provider.on('doc', update)
  return {
    view,
    close() {
      provider.off('may-edit', update)
      provider.off('doc', update)
      view.destroy()
      undo.destroy()
    },
  }
}

/** The text can still be read, selected and copied with the keyboard, so it stays focusable. */
function rights(mayEdit: boolean): Extension {
  return [
    EditorState.readOnly.of(!mayEdit),
    EditorView.contentAttributes.of({ 'aria-readonly': String(!mayEdit), 'data-may-edit': String(mayEdit) }),
  ]
}

/** Undo works on the shared text itself, past the editor's own check. */
function whenAllowed(binding: KeyBinding, mayEdit: () => boolean): KeyBinding {
  const run = binding.run
  return run ? { ...binding, run: (view) => !mayEdit() || run(view) } : binding
}
