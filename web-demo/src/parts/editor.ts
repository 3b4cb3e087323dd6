/**
 * CodeMirror on one shared text, read-only exactly while the client says so.
 *
 * Owns the view; the guard is that of `baton-client/codemirror`. When the provider goes on with
 * another document, the view is made anew on it; until that is here, the old text stays to be read.
 */
import { defaultKeymap } from '@codemirror/commands'
import { defineLanguageFacet, HighlightStyle, Language, syntaxHighlighting } from '@codemirror/language'
import { EditorState } from '@codemirror/state'
import { drawSelection, dropCursor, EditorView, highlightSpecialChars, keymap, placeholder } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { parser } from '@lezer/markdown'
import type { BatonProvider, LockHandle } from 'baton-client'
import { batonText } from 'baton-client/codemirror'
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
  const text = provider.doc.getText(options.root)
  const view: EditorView = new EditorView({
    parent,
    state: EditorState.create({
      doc: text.toString(),
      extensions: [
        batonText(provider, text, {
          lock,
          // Both are the page's own.
          awareness: null,
          cue: false,
          refused: ({ text, takenBack }) => options.refused(view, takenBack && text !== null ? text : undefined),
        }),
        keymap.of(defaultKeymap),
        highlightSpecialChars(),
        drawSelection(),
        dropCursor(),
        EditorView.lineWrapping,
        // Keeps the caret out from under the line about the lock, which lies over a scrolled page.
        EditorView.scrollMargins.of(({ scrollDOM }) => (scrollDOM.getBoundingClientRect().top < BAR ? { top: BAR } : null)),
        markdown,
        syntaxHighlighting(marks),
        placeholder(options.placeholder),
        remoteCursors(text, provider.awareness),
        EditorView.contentAttributes.of({ 'aria-label': options.label, 'data-testid': options.testId, spellcheck: 'true', autocapitalize: 'sentences' }),
      ],
    }),
  })
  return { view, close: () => view.destroy() }
}
