// A bot without `ws`: from Node 22 on it runs, before that it is told what to do.
import { BatonProvider } from 'baton-client'
import * as Y from 'yjs'

const doc = new Y.Doc()
const provider = new BatonProvider(process.env.BATON_SOCKET, 'bare', doc)
await provider.ready()
doc.getText('content').insert(0, 'from a bare bot')
await provider.saved()
provider.destroy()
console.log('saved')
