/** The guard over a locked text: the editor's state, its transactions, undo. */
import { EditorState } from '@codemirror/state'
import type { EditorView } from '@codemirror/view'
import { describe, expect, it, vi } from 'vitest'
import { ySyncAnnotation } from 'y-codemirror.next'
import * as Y from 'yjs'
import { guard, GuardedUndo, judged } from '../src/parts/guard'

const options = (mayEdit: boolean) => ({ mayEdit: vi.fn(() => mayEdit), refused: vi.fn() })
const shared = ySyncAnnotation.of({} as never)

/** The names of the browser's and CodeMirror's own ways of changing a text. */
const EVENTS = ['input.type', 'input.type.compose', 'input.paste', 'input.drop', 'input.complete', 'delete.backward', 'delete.cut', 'move.drop', 'undo', 'redo', undefined]

describe('a text that may not be written', () => {
  it.each(EVENTS)('takes no transaction of %s', (userEvent) => {
    const given = options(false)
    const state = EditorState.create({ doc: 'theirs', extensions: guard(given) })
    const change = state.update({ changes: { from: 0, insert: 'mine ' }, ...(userEvent && { userEvent }) })
    expect(change.newDoc.toString()).toBe('theirs')
    expect(given.refused).toHaveBeenCalledOnce()
  })

  it('takes what others wrote, and a moved cursor', () => {
    const given = options(false)
    const state = EditorState.create({ doc: 'theirs', extensions: guard(given) })
    expect(state.update({ changes: { from: 0, insert: 'also ' }, annotations: shared }).newDoc.toString()).toBe('also theirs')
    expect(state.update({ selection: { anchor: 3 } }).newSelection.main.head).toBe(3)
    expect(given.refused).not.toHaveBeenCalled()
  })

  it('takes no transaction that no filter was asked about, nor what builds on it', () => {
    const given = options(false)
    const update = vi.fn()
    const dispatch = judged(given)
    const state = EditorState.create({ doc: 'theirs', extensions: guard(given) })
    const wild = state.update({ changes: { from: 0, insert: 'mine ' }, filter: false })
    expect(wild.newDoc.toString()).toBe('mine theirs')
    dispatch([wild, wild.state.update({ selection: { anchor: 5 } })], { update } as unknown as EditorView)
    expect(update).not.toHaveBeenCalled()
    expect(given.refused).toHaveBeenCalledOnce()
    const theirs = state.update({ changes: { from: 0, insert: 'also ' }, annotations: shared })
    dispatch([theirs], { update } as unknown as EditorView)
    expect(update).toHaveBeenCalledWith([theirs])
  })

  it('is not changed by undo or redo, whatever calls them', () => {
    const text = new Y.Doc().getText('content')
    const given = options(true)
    const undo = new GuardedUndo(text, given)
    text.insert(0, 'mine')
    given.mayEdit.mockReturnValue(false)
    expect(undo.undo()).toBeNull()
    expect(text.toString()).toBe('mine')
    given.mayEdit.mockReturnValue(true)
    expect(undo.undo()).not.toBeNull()
    expect(text.toString()).toBe('')
    given.mayEdit.mockReturnValue(false)
    expect(undo.redo()).toBeNull()
    expect(text.toString()).toBe('')
    expect(given.refused).toHaveBeenCalledTimes(2)
    undo.destroy()
  })
})

describe('a text that may be written', () => {
  it('takes what is typed, and says nothing', () => {
    const given = options(true)
    const state = EditorState.create({ doc: 'ours', extensions: guard(given) })
    expect(state.update({ changes: { from: 0, insert: 'still ' } }).newDoc.toString()).toBe('still ours')
    expect(given.refused).not.toHaveBeenCalled()
  })
})
