import 'quill/dist/quill.snow.css'
import { guardQuill } from 'baton-client/quill'
import Quill from 'quill'
import { QuillBinding } from 'y-quill'
import type { Start } from './main'

export const start: Start = (provider, parent, refused) => {
  const text = provider.doc.getText('quill')
  const quill = new Quill(parent, { theme: 'snow', modules: { toolbar: true } })
  const guarded = guardQuill(provider, new QuillBinding(text, quill, provider.awareness), { refused })
  return {
    shown: () => quill.root.innerText.replace(/\n+$/, ''),
    shared: () => text.toString().replace(/\n+$/, ''),
    // A program that says it is one; what toolbars do, Quill refuses by itself.
    program: (words) => void quill.insertText(0, words, 'api'),
    destroy: () => guarded.destroy(),
    undo: () => void guarded.undoManager.undo(),
  }
}
