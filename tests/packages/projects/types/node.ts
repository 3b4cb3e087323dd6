// A bot without the types of a browser, with the class of `ws`.
import { BatonProvider } from 'baton-client'
import WebSocket from 'ws'
import * as Y from 'yjs'

const doc = new Y.Doc()
const provider = new BatonProvider('ws://127.0.0.1:8080/ws', 'notes', doc, { WebSocketPolyfill: WebSocket, connect: false })
await provider.ready({ signal: AbortSignal.timeout(1000) }).catch(() => {})
provider.destroy()
