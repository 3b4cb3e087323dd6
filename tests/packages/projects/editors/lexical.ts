import { registerRichText } from '@lexical/rich-text'
import { GuardedLexical } from 'baton-client/lexical'
import { $createTextNode, $getRoot, createEditor, UNDO_COMMAND, type ElementNode } from 'lexical'
import * as Y from 'yjs'
import type { Start } from './main'

export const start: Start = (provider, parent, refused) => {
  const editor = createEditor({ onError: (error) => { throw error } })
  editor.setRootElement(parent)
  const unregister = registerRichText(editor)
  const guarded = new GuardedLexical(provider, editor, { refused })
  const type = provider.doc.get('root', Y.XmlText)
  return {
    shown: () => editor.read(() => $getRoot().getTextContent()),
    shared: () => plain(type),
    program: (words) => editor.update(() => void $getRoot().getFirstChild<ElementNode>()?.append($createTextNode(words))),
    destroy() {
      guarded.destroy()
      unregister()
      editor.setRootElement(null)
    },
    undo: () => void editor.dispatchCommand(UNDO_COMMAND, undefined),
  }
}

/** The text of an element and of all below it. */
const plain = (type: Y.XmlText): string =>
  type.toDelta().map(({ insert }: { insert: unknown }) => (typeof insert === 'string' ? insert : insert instanceof Y.XmlText ? plain(insert) : '')).join('')
