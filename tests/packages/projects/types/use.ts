// What a program writes with baton-client, under the strictest settings: it only has to compile.
import {
  BatonError,
  BatonProvider,
  endWords,
  MemoryDrafts,
  type Answer,
  type BatonLock,
  type BatonOptions,
  type EditRight,
  type Path,
  type Peer,
  type WebSocketClass
} from 'baton-client'
import { GuardedMonaco, type MonacoEditorLike } from 'baton-client/monaco'
import { guardQuill, refusalWords, type GuardOptions, type QuillBindingLike } from 'baton-client/quill'
import { useLock, usePresence, type LockSnapshot, type PresentPeer } from 'baton-client/react'
import { batonStore, lockStore, savedStore, type BatonView, type SavedSnapshot, type Store } from 'baton-client/stores'
import * as Y from 'yjs'

/** `true` for the type `any` alone. */
type IsAny<T> = 0 extends 1 & T ? true : false

/** Does not compile for a value of the type `any`. */
function known<T>(value: IsAny<T> extends true ? never : T): T {
  return value as T
}

const options: BatonOptions = {
  connect: false,
  params: { room: 'a' },
  protocols: ['one'],
  maxBackoffTime: 1000,
  token: async () => await Promise.resolve('token'),
  user: { name: 'Ada', color: '#c2410c' },
  drafts: new MemoryDrafts(),
  shouldReconnect: ({ code }) => code !== 4404
}
const provider = new BatonProvider('wss://example.org/ws', 'notes', new Y.Doc(), options)

// An option may be said to be absent.
export const maybe: BatonOptions = { token: undefined, user: undefined, WebSocketPolyfill: undefined, claim: undefined }

// The browser's own class fits.
const browsers: WebSocketClass = WebSocket
export const other = new BatonProvider('wss://example.org/ws', 'notes', new Y.Doc(), { WebSocketPolyfill: browsers, connect: false })

provider.on('status', ({ status }) => known<'connected' | 'connecting' | 'disconnected'>(known(status)))
provider.on('sync', (synced) => known<boolean>(known(synced)))
provider.on('may-edit', (right) => known<EditRight>(known(right)))
provider.on('roster', (roster, change) => known<Peer | undefined>(known(roster.get(change?.peer.session ?? 0))))
provider.on('closed', (closed, from) => endWords(known(closed)) + known(from).roomname)
provider.on('lock', (lock) => known<BatonLock>(known(lock.status)))
provider.on('draining', ({ waitUntil }) => waitUntil(Promise.resolve()))
provider.on('channel-error', ({ code, message }) => known(code) + known(message))

// @ts-expect-error: there is no such event
provider.on('statuses', () => {})
// @ts-expect-error: a colour is missing
provider.user = { name: 'Bo' }

// Stores of a provider that is there, of one that comes and goes, and of none yet.
const opened: Store<BatonView> = known(batonStore('wss://example.org/ws', 'notes', options))
export const leave = lockStore(opened, [['title']]).subscribe((lock) => known<LockSnapshot>(known(lock)).handle?.acquire())
export const saving: SavedSnapshot['state'] = known(savedStore(provider).getSnapshot().state)
savedStore(null)
// @ts-expect-error: a store of something else has no provider
lockStore(savedStore(provider))

// The types of the hooks need none of React.
export function peers(from: BatonView): [LockSnapshot, readonly PresentPeer[]] {
  return [known(useLock(from.provider)), known(usePresence(from.provider))]
}

export async function session(): Promise<Answer | string> {
  try {
    await provider.ready({ signal: AbortSignal.timeout(1000) })
    const paths: Path[] = [['title']]
    const answer = known(await provider.lockFor(paths).acquire())
    await provider.saved()
    return answer
  } catch (error) {
    return error instanceof BatonError ? `${known(error.code)} ${known(error.closeCode) ?? ''}` : 'unknown'
  }
}

// Guards of editors need the types of no editor but their own, and these two not even those.
const guard: GuardOptions = { lock: provider.lockFor([['title']]), cue: refusalWords, refused: ({ text, why }) => known<string>(text ?? why) }
export const guarded = (binding: QuillBindingLike, editor: MonacoEditorLike): Y.UndoManager[] => [
  guardQuill(provider, binding, guard).undoManager,
  new GuardedMonaco(provider, provider.doc.getText('code'), editor, { cue: false }).undoManager
]
