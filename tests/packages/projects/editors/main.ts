// A page with each editor, all on one document: ?server=ws://...&name=Ada. What tests look at is `window.page`.
import { BatonProvider, draftDoc } from 'baton-client'
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
  /** Ends it, for one on another document. */
  destroy(): void
  /** All that it shows, of one that has more than text. */
  shape?(): string
  /** Undo takes back what comes next by itself. */
  step?(): void
  /** What its menus do, by names. */
  readonly buttons?: Readonly<Record<string, () => void>>
}

export type Start = (provider: BatonProvider, parent: HTMLElement, refused: (refusal: Refusal) => void) => Example

const query = new URLSearchParams(location.search)
const provider = new BatonProvider(query.get('server') ?? 'ws://127.0.0.1:8080/ws', 'notes', new Y.Doc(), {
  user: { name: query.get('name') ?? 'Ada', color: '#c2410c' },
})
const loaded = await Promise.all([
  import('./codemirror'),
  import('./prosemirror'),
  import('./tiptap'),
  import('./quill'),
  import('./monaco'),
  import('./lexical'),
  import('./blocknote'),
])
await provider.ready()
const names = ['codemirror', 'prosemirror', 'tiptap', 'quill', 'monaco', 'lexical', 'blocknote']
const desks: Record<string, Example & { readonly refusals: Refusal[] }> = {}

/** Makes all editors on the provider's document, in the place of those on an earlier one. */
function makeAll(): void {
  for (const [i, { start }] of loaded.entries()) {
    const name = names[i] ?? ''
    const refusals = desks[name]?.refusals ?? []
    desks[name]?.destroy()
    document.getElementById(name)?.remove()
    const frame = document.body.appendChild(document.createElement('section'))
    frame.id = name
    const parent = frame.appendChild(document.createElement('div'))
    desks[name] = { refusals, ...start(provider, parent, (refusal) => refusals.push(refusal)) }
  }
}
makeAll()
// An edit that came too late was set aside, and the provider goes on with a fresh document. Until that is here, the old
// text stays to be read.
provider.on('doc', () => {
  const next = (synced: boolean): void => {
    if (!synced) return
    provider.off('sync', next)
    makeAll()
  }
  provider.on('sync', next)
})
const page = { provider, desks, draftDoc }

declare global {
  interface Window {
    page?: typeof page
  }
}
window.page = page
