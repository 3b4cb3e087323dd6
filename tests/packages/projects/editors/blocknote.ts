import '@blocknote/core/style.css'
import { BlockNoteEditor, createExtension } from '@blocknote/core'
import { SideMenuExtension, SuggestionMenu } from '@blocknote/core/extensions'
import { withCollaboration } from '@blocknote/core/yjs'
import { batonGuard } from 'baton-client/prosemirror'
import { yUndoPluginKey } from 'y-prosemirror'
import type { Start } from './main'

export const start: Start = (provider, parent, refused) => {
  const fragment = provider.doc.getXmlFragment('blocknote')
  const guard = createExtension({ key: 'baton', prosemirrorPlugins: [batonGuard(provider, fragment, { refused })] })
  const editor = BlockNoteEditor.create(withCollaboration({
    collaboration: { provider, fragment, user: { ...provider.user } },
    extensions: [guard],
  }))
  editor.mount(parent)
  return {
    shown: () => editor.prosemirrorState.doc.textContent,
    shared: () => fragment.toString().replace(/<[^>]*>/g, ''),
    program: (words) => editor.insertInlineContent(words),
    destroy: () => editor._tiptapEditor.destroy(),
    undo: () => void editor.undo(),
    shape: () => JSON.stringify(editor.document),
    step: () => yUndoPluginKey.getState(editor.prosemirrorState)?.undoManager.stopCapturing(),
    buttons: buttonsOf(editor),
  }
}

/** What the menus, toolbars and handles of BlockNote call, on the first of at least two blocks. */
function buttonsOf(editor: ReturnType<typeof BlockNoteEditor.create>): Record<string, () => void> {
  const block = () => {
    const [first] = editor.document
    if (!first) throw new Error('there is no block')
    return first
  }
  const select = () => void editor._tiptapEditor.commands.setTextSelection({ from: 3, to: 5 })
  return {
    'type of a block': () => void editor.updateBlock(block(), { type: 'heading', props: { level: 2 } }),
    'colour of a block': () => void editor.updateBlock(block(), { props: { backgroundColor: 'red' } }),
    'item of the slash menu': () => void editor.insertBlocks([{ type: 'bulletListItem', content: 'item' }], block(), 'after'),
    'plus of the side menu': () => {
      editor.setTextCursorPosition(block())
      editor.getExtension(SuggestionMenu)?.openSuggestionMenu('/', { deleteTriggerCharacter: true })
    },
    'its slash menu, which is closed again': () => {
      editor.setTextCursorPosition(block())
      const menu = editor.getExtension(SuggestionMenu)
      menu?.openSuggestionMenu('/', { deleteTriggerCharacter: true })
      editor.insertInlineContent('head')
      menu?.closeMenu()
    },
    'a table': () => void editor.insertBlocks([{ type: 'table', content: { type: 'tableContent', rows: [{ cells: ['a', 'b'] }] } }], block(), 'before'),
    'a style of a selection': () => {
      select()
      editor.toggleStyles({ bold: true })
    },
    'a link': () => {
      select()
      editor.createLink('https://example.org/')
    },
    'nesting': () => {
      editor.setTextCursorPosition(editor.document[1] ?? block())
      editor.nestBlock()
    },
    'moving a block down': () => {
      editor.setTextCursorPosition(block())
      editor.moveBlocksDown()
    },
    'dragging a block by its handle': () => drag(editor, block()),
    'replacing blocks': () => void editor.replaceBlocks([block()], [{ type: 'quote', content: 'Other' }]),
    'pasting of Markdown': () => void editor.pasteMarkdown('- one\n- two'),
    'deleting a block': () => void editor.removeBlocks([block()]),
  }
}

/** The drag handle of the side menu: a block is taken, and dropped behind the last one. */
function drag(editor: ReturnType<typeof BlockNoteEditor.create>, block: ReturnType<typeof BlockNoteEditor.create>['document'][number]): void {
  const menu = editor.getExtension(SideMenuExtension)
  const element = [...(editor.domElement?.querySelectorAll('.bn-block-outer') ?? [])].at(-1)
  if (!menu || !element) throw new Error('there is nothing to drag')
  const dataTransfer = new DataTransfer()
  const { left, bottom } = element.getBoundingClientRect()
  const options = { bubbles: true, cancelable: true, dataTransfer, clientX: left + 60, clientY: bottom - 2 }
  menu.blockDragStart(options, block)
  document.body.dispatchEvent(new DragEvent('dragstart', options))
  element.dispatchEvent(new DragEvent('drop', options))
  document.body.dispatchEvent(new DragEvent('dragend', options))
  menu.blockDragEnd()
}
