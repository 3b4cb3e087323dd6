/** Events by which a text is changed: what they would add, and which keys change a text. Pure. */

/** What the event would add to a text; `null` when it is no text. */
export function textOf(event: Event): string | null {
  const { data, dataTransfer, clipboardData, key } = event as Partial<InputEvent & ClipboardEvent & KeyboardEvent>
  if (typeof data === 'string') return data
  if (typeof key === 'string') return key.length === 1 && !isShortcut(event as KeyboardEvent) ? key : null
  return (clipboardData ?? dataTransfer)?.getData('text/plain') || null
}

type Key = Pick<KeyboardEvent, 'key' | 'altKey' | 'shiftKey' | 'ctrlKey' | 'metaKey'>

/** Alt Gr counts as Ctrl and Alt on some systems, and types. */
const isShortcut = ({ ctrlKey, metaKey, altKey }: Key): boolean => metaKey || (ctrlKey && !altKey)

/** Keys that type a character. */
export const isTyping = (event: Key): boolean => event.key.length === 1 && !isShortcut(event)

/**
 * Keys that change a text by a command of the editor, of which the browser sends no input event; in an editor that is
 * read-only they do nothing, and say nothing.
 */
export function isEditingKey({ key, altKey, shiftKey, ctrlKey, metaKey }: Key): boolean {
  if (key === 'Backspace' || key === 'Delete' || key === 'Enter') return true
  // Lines that are moved or copied.
  if (altKey && (key === 'ArrowUp' || key === 'ArrowDown')) return true
  if (!ctrlKey && !metaKey) return false
  // Undone, redone, indented, commented, deleted, transposed, made bold.
  if (['z', 'y', 'v', '[', ']', '/', '\\', 'b', 'i', 'u'].includes(key.toLowerCase())) return true
  return (shiftKey && key.toLowerCase() === 'k') || (ctrlKey && !shiftKey && ['h', 'd', 'k', 't', 'o'].includes(key) && isMac())
}

const isMac = (): boolean => typeof navigator !== 'undefined' && /Mac/.test(navigator.platform)

/**
 * Puts the caret behind the text of an element that has the focus without a caret, as one has that could not be edited when
 * it got the focus: keys would go nowhere.
 */
export function giveCaret(element: HTMLElement): void {
  const selection = element.ownerDocument.getSelection()
  if (!selection || !element.isContentEditable || element.ownerDocument.activeElement !== element || element.contains(selection.focusNode)) return
  selection.selectAllChildren(element)
  selection.collapseToEnd()
}

/** Makes an input method give up what it is composing: it does so without the focus. */
export function giveUp(element: HTMLElement): void {
  const active = (element.getRootNode() as Document).activeElement as HTMLElement | null
  if (!active || !element.contains(active)) return
  active.blur()
  active.focus({ preventScroll: true })
}
