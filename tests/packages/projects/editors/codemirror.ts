import { batonText } from 'baton-client/codemirror'
import { EditorView, minimalSetup } from 'codemirror'
import { yUndoManagerKeymap } from 'y-codemirror.next'
import type { Start } from './main'

export const start: Start = (provider, parent, refused) => {
  const text = provider.doc.getText('content')
  const view = new EditorView({ parent, doc: text.toString(), extensions: [batonText(provider, text, { refused }), minimalSetup] })
  return {
    shown: () => view.state.doc.toString(),
    shared: () => text.toString(),
    // Past all filters, as a plugin may.
    program: (words) => view.dispatch({ changes: { from: 0, insert: words }, filter: false }),
    destroy: () => view.destroy(),
    undo: () => void yUndoManagerKeymap.find(({ key }) => key === 'Mod-z')?.run?.(view),
  }
}
