// One page for each editor: ?editor=codemirror&server=ws://...&name=Ada. What tests look at is `window.page`.
import { BatonProvider } from 'baton-client'
import type { Refusal } from 'baton-client/codemirror'
import * as Y from 'yjs'

/** An example of an editor, and what a test wants of it. */
export interface Example {
  /** The text that it shows. */
  shown(): string
  /** The text that is shared, by the same rules. */
  shared(): string
  /** A change by a program, such as a button of a toolbar. */
  program(words: string): void
  undo(): void
}

export type Start = (provider: BatonProvider, parent: HTMLElement, refused: (refusal: Refusal) => void) => Example

const query = new URLSearchParams(location.search)
const provider = new BatonProvider(query.get('server') ?? 'ws://127.0.0.1:8080/ws', 'notes', new Y.Doc(), {
  user: { name: query.get('name') ?? 'Ada', color: '#c2410c' },
})
const parent = document.querySelector<HTMLElement>('#editor')
if (!parent) throw new Error('the page has changed')
const examples: Record<string, () => Promise<{ start: Start }>> = {
  codemirror: () => import('./codemirror'),
  prosemirror: () => import('./prosemirror'),
  tiptap: () => import('./tiptap'),
  quill: () => import('./quill'),
  monaco: () => import('./monaco'),
  lexical: () => import('./lexical'),
}
const load = examples[query.get('editor') ?? 'codemirror']
if (!load) throw new Error('there is no such editor')
const { start } = await load()
await provider.ready()
const refusals: Refusal[] = []
const page = { provider, refusals, example: start(provider, parent, (refusal) => refusals.push(refusal)) }

declare global {
  interface Window {
    page?: typeof page
  }
}
window.page = page
