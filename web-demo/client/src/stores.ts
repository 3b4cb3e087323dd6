/**
 * The state of a provider as stores: a snapshot that changes only when its content does, and the news of it.
 *
 * Each store fits `useSyncExternalStore` of React and the store contract of Svelte as it is, and any other framework in
 * a few lines. A store owns its snapshot and the list of its subscribers; `batonStore` owns the provider that it opens.
 */
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { Peer } from './channel.js'
import type { BatonLock, LockHandle } from './handle.js'
import type { Closed } from './link.js'
import { BatonProvider, type BatonOptions } from './provider.js'
import type { EditRight } from './rights.js'
import type { SaveState } from './saves.js'
import type { Path } from './scope.js'

/** A value that changes. Its functions need no `this`. */
export interface Store<T> {
  /** Returns the value at this moment: the same object as long as nothing in it has changed. */
  readonly getSnapshot: () => T
  /** Returns the value without a provider, as on a server that renders pages. */
  readonly getServerSnapshot: () => T
  /** Calls `run` with the value at once, and after each change, until the function returned is called. */
  readonly subscribe: (run: (value: T) => void) => () => void
}

/** A provider, or the store of one that comes and goes; `null` for none yet. */
export type Source = BatonProvider | Store<BatonView> | null

/** A document that is open, or about to be. */
export interface BatonView {
  /** `null` before the first subscriber, and on a server that renders pages. */
  readonly provider: BatonProvider | null
  /** The document to bind editors to. It becomes another one when this copy has diverged. */
  readonly doc: Y.Doc | null
  /** The cursors; changes together with `doc`. */
  readonly awareness: Awareness | null
  readonly status: 'connected' | 'connecting' | 'disconnected'
  readonly synced: boolean
  /** The server's reason for turning this client away; `endWords` has words for it. */
  readonly closed: Closed | null
}

/** A lock, and whether this page may edit all that it covers. */
export type LockSnapshot = BatonLock &
  EditRight & {
    /** The lock itself, to ask for it and to give it back. Ask its `mayEdit` before each change. */
    readonly handle: LockHandle | null
  }

/** A peer in the document. */
export type PresentPeer = Peer & {
  /** This page itself. */
  readonly self: boolean
}

/** How much of this copy is on the server's disk. */
export interface SavedSnapshot {
  readonly state: SaveState
  /** This copy holds an edit that the server has not acknowledged. */
  readonly unsaved: boolean
}

const CLOSED: BatonView = { provider: null, doc: null, awareness: null, status: 'disconnected', synced: false, closed: null }

const UNKNOWN: LockSnapshot = {
  state: 'unknown',
  phase: null,
  holder: null,
  fence: null,
  grantScope: undefined,
  queue: [],
  waiting: 0,
  place: null,
  request: null,
  requestedBy: null,
  drain: null,
  peer: null,
  mayEdit: false,
  why: 'connecting',
  handle: null,
}

const NOBODY: readonly PresentPeer[] = []

const UNSAID: SavedSnapshot = { state: 'offline', unsaved: false }

type Unwatch = () => void

/**
 * Makes a store of a value that can be read at any time.
 *
 * @param watch begins to call its argument after each event that may have changed the value
 */
function storeOf<T>(
  none: T,
  read: () => T,
  isSame: (one: T, other: T) => boolean,
  watch: (look: () => void) => Unwatch,
): Store<T> {
  const runs = new Set<{ readonly run: (value: T) => void }>()
  let value = none
  let unwatch: Unwatch | null = null
  /** Returns whether the value has changed. */
  const refresh = (): boolean => {
    const next = read()
    if (isSame(value, next)) return false
    value = next
    return true
  }
  const look = (): void => {
    if (!refresh()) return
    // A subscriber may leave, or change the value, while the others are told.
    for (const one of [...runs]) if (runs.has(one)) one.run(value)
  }
  return {
    getSnapshot: () => {
      // While events are watched, they say when to look.
      if (unwatch === null) refresh()
      return value
    },
    getServerSnapshot: () => none,
    subscribe: (run) => {
      unwatch ??= watch(look)
      refresh()
      const one = { run }
      runs.add(one)
      run(value)
      return () => {
        if (!runs.delete(one) || runs.size > 0) return
        unwatch?.()
        unwatch = null
      }
    },
  }
}

/** Makes a store of something that a provider has. */
function storeFrom<T>(
  source: Source,
  none: T,
  read: (provider: BatonProvider) => T,
  isSame: (one: T, other: T) => boolean,
  watch: (provider: BatonProvider, look: () => void) => Unwatch,
): Store<T> {
  if (source === null) return storeOf(none, () => none, isSame, () => () => {})
  if (!('getSnapshot' in source)) return storeOf(none, () => read(source), isSame, (look) => watch(source, look))
  const now = (): T => {
    const { provider } = source.getSnapshot()
    return provider === null ? none : read(provider)
  }
  return storeOf(none, now, isSame, (look) => {
    let watched: BatonProvider | null = null
    let unwatch: Unwatch = () => {}
    const leave = source.subscribe((view) => {
      if (view.provider === watched) return
      unwatch()
      watched = view.provider
      unwatch = watched === null ? () => {} : watch(watched, look)
      look()
    })
    return () => {
      leave()
      unwatch()
    }
  })
}

/** Calls `look` at each of these events. */
function watchEvents(provider: BatonProvider, events: readonly ('lock' | 'may-edit' | 'roster' | 'welcome' | 'saved')[], look: () => void): Unwatch {
  for (const event of events) provider.on(event, look)
  return () => {
    for (const event of events) provider.off(event, look)
  }
}

/** Compares the members of two objects or lists, by identity. */
function isShallowEqual<T extends object>(one: T, other: T): boolean {
  const keys = Object.keys(one) as (keyof T)[]
  return keys.length === Object.keys(other).length && keys.every((key) => Object.is(one[key], other[key]))
}

/**
 * A document that is open while the store has subscribers: the first opens it, and it is closed soon after the last has
 * gone, with its locks passing on. A subscriber that comes back within the same task finds it as it was, so that React's
 * StrictMode, which mounts each component twice, makes one connection.
 *
 * @param serverUrl address for sockets, such as `wss://example.org/ws`; `null` opens nothing
 * @throws from `subscribe`, as the constructor of `BatonProvider` does
 */
export function batonStore(serverUrl: string | null, roomname: string, options: BatonOptions = {}): Store<BatonView> {
  let provider: BatonProvider | null = null
  let closed: Closed | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  const read = (): BatonView => {
    if (provider === null) return CLOSED
    const { doc, awareness, wsconnected, wsconnecting, synced } = provider
    return { provider, doc, awareness, status: wsconnected ? 'connected' : wsconnecting ? 'connecting' : 'disconnected', synced, closed }
  }
  return storeOf(CLOSED, read, isShallowEqual, (look) => {
    if (serverUrl === null) return () => {}
    clearTimeout(timer)
    const open = (provider ??= new BatonProvider(serverUrl, roomname, new Y.Doc(), options))
    const onStatus = ({ status }: { status: BatonView['status'] }): void => {
      if (status === 'connecting') closed = null
      look()
    }
    const onClosed = (why: Closed): void => {
      closed = why
      look()
    }
    open.on('status', onStatus)
    open.on('closed', onClosed)
    open.on('synced', look)
    open.on('doc', look)
    return () => {
      open.off('status', onStatus)
      open.off('closed', onClosed)
      open.off('synced', look)
      open.off('doc', look)
      timer = setTimeout(() => {
        provider = null
        closed = null
        open.destroy()
      })
    }
  })
}

/** The lock of these parts of the document, or, without paths, of all of it. */
export function lockStore(source: Source, paths?: readonly Path[]): Store<LockSnapshot> {
  const read = (provider: BatonProvider): LockSnapshot => {
    const handle = provider.lockFor(paths)
    return { ...handle.status, ...handle.right, handle }
  }
  const isSame = (one: LockSnapshot, other: LockSnapshot): boolean => one.handle === other.handle && plain(one) === plain(other)
  return storeFrom(source, UNKNOWN, read, isSame, (provider, look) => watchEvents(provider, ['lock', 'may-edit'], look))
}

/** Returns all that a lock's snapshot says. */
function plain({ handle: _, ...rest }: LockSnapshot): string {
  return JSON.stringify(rest)
}

/**
 * All peers in the document, those first that have been there longest. The snapshot of a peer that has not changed is the
 * same object. Cursors, which change with each key, are not in it: they are in the awareness.
 */
export function presenceStore(source: Source): Store<readonly PresentPeer[]> {
  const known = new WeakMap<Peer, PresentPeer>()
  const read = ({ roster, session }: BatonProvider): readonly PresentPeer[] => {
    const present = (peer: Peer): PresentPeer => {
      const self = peer.session === session
      const before = known.get(peer)
      if (before?.self === self) return before
      const made = { ...peer, self }
      known.set(peer, made)
      return made
    }
    return [...roster.values()].sort((one, other) => one.session - other.session).map(present)
  }
  return storeFrom(source, NOBODY, read, isShallowEqual, (provider, look) => watchEvents(provider, ['roster', 'welcome'], look))
}

/** How much of this copy is on the server's disk. */
export function savedStore(source: Source): Store<SavedSnapshot> {
  const read = ({ saveState, hasUnsaved }: BatonProvider): SavedSnapshot => ({ state: saveState, unsaved: hasUnsaved })
  return storeFrom(source, UNSAID, read, isShallowEqual, (provider, look) => {
    const unwatch = watchEvents(provider, ['saved'], look)
    // Without a connection, an edit changes no state, and is unsaved all the same.
    let { doc } = provider
    const change = (fresh: Y.Doc): void => {
      doc.off('update', look)
      doc = fresh
      doc.on('update', look)
      look()
    }
    change(doc)
    provider.on('doc', change)
    return () => {
      unwatch()
      provider.off('doc', change)
      doc.off('update', look)
    }
  })
}
