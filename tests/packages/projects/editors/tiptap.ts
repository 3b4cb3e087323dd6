import { Editor, Extension } from '@tiptap/core'
import { Collaboration } from '@tiptap/extension-collaboration'
import { StarterKit } from '@tiptap/starter-kit'
import { batonGuard } from 'baton-client/prosemirror'
import type { Start } from './main'

export const start: Start = (provider, parent, refused) => {
  const fragment = provider.doc.getXmlFragment('tiptap')
  const Guard = Extension.create({ name: 'baton', addProseMirrorPlugins: () => [batonGuard(provider, fragment, { refused })] })
  const editor = new Editor({
    element: parent,
    extensions: [StarterKit.configure({ undoRedo: false }), Collaboration.configure({ fragment }), Guard],
  })
  return {
    shown: () => editor.getText(),
    shared: () => fragment.toString().replace(/<[^>]*>/g, ''),
    program: (words) => void editor.commands.insertContent(words),
    destroy: () => editor.destroy(),
    undo: () => void editor.commands.undo(),
    buttons: { selection: () => void editor.commands.selectAll() },
  }
}
