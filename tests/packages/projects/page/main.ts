// A page with a text area, a lock and a store of its own: ?server=ws://...&doc=name&offline&tokens=http://...
import { BatonProvider } from 'baton-client'
import { IndexeddbPersistence } from 'y-indexeddb'
import * as Y from 'yjs'

const query = new URLSearchParams(location.search)
const name = query.get('doc') ?? 'notes'
const tokens = query.get('tokens')
const doc = new Y.Doc()
const provider = new BatonProvider(query.get('server') ?? 'ws://127.0.0.1:8080/ws', name, doc, {
  user: { name: query.get('name') ?? 'Ada', color: '#c2410c' },
  token: tokens === null ? undefined : async () => await (await fetch(tokens)).text(),
})

const area = document.querySelector('textarea')
const state = document.querySelector('#state')
const button = document.querySelector('button')
if (!area || !state || !button) throw new Error('the page has changed')

const text = (): Y.Text => provider.doc.getText('content')
const bind = (fresh: Y.Doc): void => {
  const show = (): void => void (area.value = fresh.getText('content').toString())
  fresh.getText('content').observe(show)
  show()
}
bind(doc)
area.addEventListener('input', () => {
  // Enough for this page: what stands at the end is new.
  text().insert(text().length, area.value.slice(text().length))
})

let store = query.has('offline') ? new IndexeddbPersistence(name, doc) : null
provider.on('doc', async (fresh) => {
  bind(fresh)
  // The copy with edits that were set aside is kept as a draft; the store begins anew with the fresh one.
  await store?.clearData()
  if (store) store = new IndexeddbPersistence(name, fresh)
})

const show = (): void => {
  area.disabled = !provider.mayEdit
  state.textContent = `${provider.saveState} ${provider.lock.state}`
}
provider.on('may-edit', show)
provider.on('saved', show)
provider.on('lock', show)
button.onclick = () => void (provider.lock.state === 'mine' ? provider.lock.release() : provider.lock.acquire())
show()

export type Notes = { readonly provider: BatonProvider; readonly doc: Y.Doc; readonly store: IndexeddbPersistence | null }
declare global {
  interface Window {
    notes?: Notes
  }
}
window.notes = {
  provider,
  get doc() {
    return provider.doc
  },
  get store() {
    return store
  },
}
