import { GuardedMonaco } from 'baton-client/monaco'
import { editor as monaco } from 'monaco-editor/editor/editor.api'
import type { Start } from './main'

self.MonacoEnvironment = {
  getWorker: () => new Worker(new URL('monaco-editor/editor/editor.worker.js', import.meta.url), { type: 'module' }),
}

export const start: Start = (provider, parent, refused) => {
  const text = provider.doc.getText('monaco')
  const editor = monaco.create(parent, { value: '' })
  const guarded = new GuardedMonaco(provider, text, editor, { refused })
  return {
    shown: () => editor.getValue(),
    shared: () => text.toString(),
    // Past the editor, which refuses by itself.
    program: (words) => void editor.getModel()?.applyEdits([{ range: { startLineNumber: 1, startColumn: 1, endLineNumber: 1, endColumn: 1 }, text: words }]),
    destroy() {
      guarded.destroy()
      const model = editor.getModel()
      editor.dispose()
      model?.dispose()
    },
    undo: () => void guarded.undoManager.undo(),
  }
}
