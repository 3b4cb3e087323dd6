import { batonGuard } from 'baton-client/prosemirror'
import { baseKeymap } from 'prosemirror-commands'
import { keymap } from 'prosemirror-keymap'
import { schema } from 'prosemirror-schema-basic'
import { EditorState } from 'prosemirror-state'
import { EditorView } from 'prosemirror-view'
import { initProseMirrorDoc, redo, undo, yCursorPlugin, ySyncPlugin, yUndoPlugin } from 'y-prosemirror'
import type { Start } from './main'

export const start: Start = (provider, parent, refused) => {
  const fragment = provider.doc.getXmlFragment('prosemirror')
  const { doc, mapping } = initProseMirrorDoc(fragment, schema)
  const plugins = [
    ySyncPlugin(fragment, { mapping }),
    yCursorPlugin(provider.awareness),
    yUndoPlugin(),
    batonGuard(provider, fragment, { refused }),
    keymap({ 'Mod-z': undo, 'Mod-y': redo }),
    keymap(baseKeymap),
  ]
  const view = new EditorView(parent, { state: EditorState.create({ doc, plugins }) })
  return {
    shown: () => view.state.doc.textContent,
    shared: () => fragment.toString().replace(/<[^>]*>/g, ''),
    program: (words) => view.dispatch(view.state.tr.insertText(words)),
    destroy: () => view.destroy(),
    undo: () => void undo(view.state),
  }
}
