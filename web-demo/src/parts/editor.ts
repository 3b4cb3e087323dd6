/**
 * CodeMirror on the shared text, read-only exactly while the client says so.
 *
 * Owns the view. The state is marked read-only when the right to edit changes, and each change is checked once more
 * when it is made: after a sleep or a freeze, timers come later than the first key.
 */
import { defaultKeymap } from '@codemirror/commands'
import { defineLanguageFacet, HighlightStyle, Language, syntaxHighlighting } from '@codemirror/language'
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import { drawSelection, dropCursor, EditorView, highlightSpecialChars, keymap, placeholder, type KeyBinding } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { parser } from '@lezer/markdown'
import type { BatonProvider } from '@baton/client'
import { yCollab, ySyncAnnotation, yUndoManagerKeymap } from 'y-codemirror.next'
import * as Y from 'yjs'

/** Name of the shared text in the document. */
export const TEXT = 'content'

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

export interface Editor {
  readonly view: EditorView
  destroy(): void
}

export function editor(parent: HTMLElement, doc: Y.Doc, provider: BatonProvider): Editor {
  const text = doc.getText(TEXT)
  const undo = new Y.UndoManager(text)
  const right = new Compartment()
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text.toString(),
      extensions: [
        right.of(rights(provider.mayEdit)),
        EditorState.changeFilter.of((change) => change.annotation(ySyncAnnotation) !== undefined || provider.mayEdit),
        keymap.of([...yUndoManagerKeymap.map((binding) => whenAllowed(binding, provider)), ...defaultKeymap]),
        highlightSpecialChars(),
        drawSelection(),
        dropCursor(),
        EditorView.lineWrapping,
        markdown,
        syntaxHighlighting(marks),
        placeholder('Nothing is written here yet. Markdown is welcome.'),
        yCollab(text, provider.awareness, { undoManager: undo }),
        EditorView.contentAttributes.of({ 'aria-label': 'Shared text', 'data-testid': 'editor', spellcheck: 'true', autocapitalize: 'sentences' }),
      ],
    }),
  })
  const update = ({ mayEdit }: { mayEdit: boolean }): void => {
    view.dispatch({ effects: right.reconfigure(rights(mayEdit)) })
  }
  provider.on('may-edit', update)
  return {
    view,
    destroy() {
      provider.off('may-edit', update)
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
function whenAllowed(binding: KeyBinding, provider: BatonProvider): KeyBinding {
  const run = binding.run
  return run ? { ...binding, run: (view) => !provider.mayEdit || run(view) } : binding
}
