/**
 * One document and its provider, as each page of the demo has it. Owns their making and their end, and
 * `window.baton`, through which tests and curious people look in.
 */
import { BatonProvider } from '@baton/client'
import * as Y from 'yjs'
import { loadProfile, makeDistinct } from './profile'

export interface Session {
  readonly doc: Y.Doc
  readonly provider: BatonProvider
  end(): void
}

declare global {
  interface Window {
    baton?: { provider: BatonProvider; doc: Y.Doc }
  }
}

export interface SessionOptions {
  /** Starts a new session even where this tab could go on with one. */
  afresh?: boolean
  observer?: boolean
}

/** The document named by `?doc=`, or the page's own. */
export function documentName(fallback: string): string {
  return new URLSearchParams(location.search).get('doc') || fallback
}

export function startSession(name: string, options: SessionOptions = {}): Session {
  const doc = new Y.Doc()
  const { user, borrowed } = loadProfile()
  const server = new URL('ws', document.baseURI)
  server.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
  server.search = ''
  const provider = new BatonProvider(server.href, name, doc, {
    user,
    resume: options.afresh !== true,
    observer: options.observer === true,
    connect: false,
  })
  showCursorAs(provider)
  if (borrowed) {
    provider.once('welcome', ({ session }) => {
      provider.user = makeDistinct(user, [...provider.roster.values()].filter((peer) => peer.session !== session))
      showCursorAs(provider)
    })
  }
  window.baton = { provider, doc }
  window.addEventListener('beforeunload', warn)
  /** What only this page has would be gone with it. */
  function warn(event: BeforeUnloadEvent): void {
    if (provider.hasUnsaved) event.preventDefault()
  }
  return {
    doc,
    provider,
    end() {
      window.removeEventListener('beforeunload', warn)
      provider.destroy()
      doc.destroy()
    },
  }
}

/** Says in the awareness, too, who this is: that is where cursors get their names from. */
export function showCursorAs(provider: BatonProvider): void {
  const { name, color } = provider.user
  provider.awareness.setLocalStateField('user', { name, color, colorLight: `${color}33` })
}
