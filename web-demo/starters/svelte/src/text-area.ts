import type * as Y from 'yjs'

/**
 * Keeps a text area and a shared text in step, with the caret where its neighbours are.
 *
 * @param mayEdit asked before each change
 * @returns ends it
 */
export function bindTextArea(area: HTMLTextAreaElement, text: Y.Text, mayEdit: () => boolean): () => void {
  const show = (event?: Y.YTextEvent): void => {
    const value = text.toString()
    if (area.value === value) return
    const moved = (caret: number): number => {
      let at = 0
      for (const { retain = 0, insert, delete: gone = 0 } of event?.delta ?? []) {
        at += retain
        if (at > caret) break
        if (typeof insert === 'string') {
          caret += insert.length
          at += insert.length
        }
        caret -= Math.min(gone, caret - at)
      }
      return caret
    }
    const caret = [moved(area.selectionStart), moved(area.selectionEnd)] as const
    area.value = value
    area.setSelectionRange(...caret)
  }
  const onBeforeInput = (event: InputEvent): void => {
    if (!mayEdit()) event.preventDefault()
  }
  const onInput = (): void => {
    const [before, after] = [text.toString(), area.value]
    const shorter = Math.min(before.length, after.length)
    let start = 0
    while (start < shorter && before[start] === after[start]) start += 1
    let end = 0
    while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1
    // No cut between the two halves of a character.
    if (start > 0 && /[\uD800-\uDBFF]/.test(after[start - 1] ?? '')) start -= 1
    if (end > 0 && /[\uDC00-\uDFFF]/.test(after[after.length - end] ?? '')) end -= 1
    text.doc?.transact(() => {
      text.delete(start, before.length - start - end)
      text.insert(start, after.slice(start, after.length - end))
    })
  }
  show()
  text.observe(show)
  area.addEventListener('beforeinput', onBeforeInput)
  area.addEventListener('input', onInput)
  return () => {
    text.unobserve(show)
    area.removeEventListener('beforeinput', onBeforeInput)
    area.removeEventListener('input', onInput)
  }
}
