/** What guards of editors have in common, and CodeMirror's transactions; what needs a page is tested in a browser. */
import { EditorState } from '@codemirror/state'
import { describe, expect, it, vi } from 'vitest'
import { ySyncAnnotation } from 'y-codemirror.next'
import * as Y from 'yjs'
import { changeFilter } from '../src/editors/codemirror'
import { EditGuard, type GuardedProvider } from '../src/editors/guard'
import { refusalWords } from '../src/editors/refusal'
import { rootOf } from '../src/editors/root'

const options = (mayEdit: boolean) => ({ mayEdit, refuse: vi.fn() })
const shared = ySyncAnnotation.of({} as never)

/** The names of the browser's and CodeMirror's own ways of changing a text. */
const EVENTS = ['input.type', 'input.type.compose', 'input.paste', 'input.drop', 'input.complete', 'delete.backward', 'delete.cut', 'move.drop', 'undo', 'redo', undefined]

describe('a text that may not be written', () => {
  it.each(EVENTS)('takes no transaction of %s', (userEvent) => {
    const given = options(false)
    const state = EditorState.create({ doc: 'theirs', extensions: changeFilter(given) })
    const change = state.update({ changes: { from: 0, insert: 'mine ' }, ...(userEvent && { userEvent }) })
    expect(change.newDoc.toString()).toBe('theirs')
    expect(given.refuse).toHaveBeenCalledExactlyOnceWith('mine ')
  })

  it('takes what others wrote, and a moved cursor', () => {
    const given = options(false)
    const state = EditorState.create({ doc: 'theirs', extensions: changeFilter(given) })
    expect(state.update({ changes: { from: 0, insert: 'also ' }, annotations: shared }).newDoc.toString()).toBe('also theirs')
    expect(state.update({ selection: { anchor: 3 } }).newSelection.main.head).toBe(3)
    expect(given.refuse).not.toHaveBeenCalled()
  })
})

describe('a text that may be written', () => {
  it('takes what is typed, and says nothing', () => {
    const given = options(true)
    const state = EditorState.create({ doc: 'ours', extensions: changeFilter(given) })
    expect(state.update({ changes: { from: 0, insert: 'still ' } }).newDoc.toString()).toBe('still ours')
    expect(given.refuse).not.toHaveBeenCalled()
  })
})

describe('the guard', () => {
  /** A provider of one document whose lock is a switch. */
  const make = () => {
    const doc = new Y.Doc()
    const lock = { right: { mayEdit: true, why: 'holder' as 'holder' | 'theirs' }, peer: null }
    const lockFor = vi.fn(() => lock)
    const provider = { doc, on: vi.fn(), off: vi.fn(), lockFor } as unknown as GuardedProvider & { doc: Y.Doc }
    return { doc, lock, lockFor, provider, refused: vi.fn() }
  }

  it('asks for the lock of the root type, and for none that is given', () => {
    const { provider, lockFor, lock } = make()
    new EditGuard(provider, 'content')
    expect(lockFor).toHaveBeenLastCalledWith([['content']])
    new EditGuard(provider, null)
    expect(lockFor).toHaveBeenLastCalledWith(undefined)
    lockFor.mockClear()
    new EditGuard(provider, 'content', { lock })
    expect(lockFor).not.toHaveBeenCalled()
  })

  it('lets nobody undo or redo without the right, whatever calls them', () => {
    const { doc, lock, provider, refused } = make()
    const text = doc.getText('content')
    const undo = new EditGuard(provider, 'content', { refused }).guardUndo(new Y.UndoManager(text))
    text.insert(0, 'mine')
    lock.right = { mayEdit: false, why: 'theirs' }
    expect(undo.undo()).toBeNull()
    expect(text.toString()).toBe('mine')
    lock.right = { mayEdit: true, why: 'holder' }
    expect(undo.undo()).not.toBeNull()
    expect(text.toString()).toBe('')
    lock.right = { mayEdit: false, why: 'theirs' }
    expect(undo.redo()).toBeNull()
    expect(text.toString()).toBe('')
    expect(refused).toHaveBeenCalledTimes(2)
    expect(refused).toHaveBeenLastCalledWith({ why: 'theirs', peer: null, text: null, takenBack: false })
  })

  it('never allows a document that the provider has left', () => {
    const { provider } = make()
    const guard = new EditGuard(provider, 'content')
    expect(guard.mayEdit).toBe(true)
    provider.doc = new Y.Doc()
    expect(guard.right).toEqual({ mayEdit: false, why: 'diverged' })
  })
})

describe('words and names', () => {
  it('names the writer, and quotes the end of what was not added', () => {
    const peer = { user: { name: 'Ada', color: '' } } as never
    const refusal = { why: 'theirs', peer, text: null, takenBack: false } as const
    expect(refusalWords(refusal)).toBe('Ada is writing here.')
    expect(refusalWords({ ...refusal, text: 'hello' })).toBe('Ada is writing here. “hello” was not added.')
    expect(refusalWords({ ...refusal, peer: null, text: `${'x'.repeat(60)}y` })).toBe(`Somebody is writing here. “…${'x'.repeat(59)}y” was not added.`)
  })

  it('finds the root type of a type below it', () => {
    const doc = new Y.Doc()
    const card = doc.getMap('board').set('card', new Y.Map())
    const text = card.set('title', new Y.Text())
    expect(rootOf(text)).toBe('board')
    expect(rootOf(doc.getMap('board'))).toBe('board')
  })
})
