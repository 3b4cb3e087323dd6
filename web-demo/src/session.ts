/**
 * One document and its provider, as each page of the demo has it. Owns their making and their end, and
 * `window.baton`, through which tests and curious people look in.
 */
import { BatonProvider } from 'baton-client'
import * as Y from 'yjs'
import { loadProfile, makeDistinct } from './profile'
import { takeToken } from './token'

/** Taken before anything else can see the address. */
const token = takeToken()

export interface Session {
  readonly provider: BatonProvider
  end(): void
}

declare global {
  interface Window {
    baton?: { readonly provider: BatonProvider; readonly doc: Y.Doc }
  }
}

export interface SessionOptions {
  /** Starts a new session even where this tab could go on with one. */
  afresh?: boolean
  observer?: boolean
}

export function startSession(name: string, options: SessionOptions = {}): Session {
  const user = loadProfile()
  const server = new URL('ws', document.baseURI)
  server.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
  server.search = ''
  const provider = new BatonProvider(server.href, name, new Y.Doc(), {
    user,
    ...(token !== null && { token }),
    resume: options.afresh !== true,
    observer: options.observer === true,
    connect: false,
  })
  showCursorAs(provider)
  // A window that was opened or duplicated in the same browser has the name of the one before it.
  // One that goes on with its session has its name already.
  provider.once('welcome', ({ session, resumed }) => {
    if (resumed) return
    const others = [...provider.roster.values()].filter((peer) => peer.session !== session && peer.state !== 'offline')
    provider.user = makeDistinct(provider.user, others)
    showCursorAs(provider)
  })
  window.baton = {
    provider,
    get doc() {
      return provider.doc
    },
  }
  // The cursor's name goes over to a fresh copy by itself; a document that was left is not needed any more.
  provider.on('doc', (_, before) => provider.once('sync', () => before.destroy()))
  window.addEventListener('beforeunload', warn)
  /** What only this page has would be gone with it. */
  function warn(event: BeforeUnloadEvent): void {
    if (provider.hasUnsaved) event.preventDefault()
  }
  return {
    provider,
    end() {
      window.removeEventListener('beforeunload', warn)
      provider.destroy()
      provider.doc.destroy()
    },
  }
}

/** Says in the awareness, too, who this is: that is where cursors get their names from. */
export function showCursorAs(provider: BatonProvider): void {
  const { name, color } = provider.user
  provider.awareness.setLocalStateField('user', { name, color, colorLight: `${color}33` })
}
