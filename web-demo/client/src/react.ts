'use client'
/**
 * The stores as hooks of React, from version 18 on. Owns nothing: each hook is a store and a subscription of its
 * component, so that they render on a server, under StrictMode, and in concurrent rendering without tearing.
 */
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import type { BatonOptions, BatonProvider } from './provider.js'
import type { Path } from './scope.js'
import {
  batonStore,
  lockStore,
  presenceStore,
  savedStore,
  type BatonView,
  type LockSnapshot,
  type PresentPeer,
  type SavedSnapshot,
  type Store,
} from './stores.js'

export type { BatonView, LockSnapshot, PresentPeer, SavedSnapshot } from './stores.js'

function useStore<T>({ subscribe, getSnapshot, getServerSnapshot }: Store<T>): T {
  return useSyncExternalStore(subscribe, getSnapshot, getServerSnapshot)
}

/**
 * Opens a document for as long as the component is mounted. Until then, and on a server, `provider` and `doc` are `null`.
 * Each call is a connection of its own: hand the `provider` to the components within.
 *
 * @param serverUrl address for sockets, such as `wss://example.org/ws`; `null` opens nothing
 * @param options taken when the document is opened; of later ones, only `user` is told to the server
 */
export function useBaton(serverUrl: string | null, roomname: string, options: BatonOptions = {}): BatonView {
  const name = JSON.stringify([serverUrl, roomname])
  const open = (): { name: string; store: Store<BatonView> } => ({ name, store: batonStore(serverUrl, roomname, options) })
  // No memo: React may forget that, and the connection with it.
  const [opened, setOpened] = useState(open)
  const current = opened.name === name ? opened : open()
  if (current !== opened) setOpened(current)
  const view = useStore(current.store)
  const { provider } = view
  const { user } = options
  useEffect(() => {
    if (provider === null || user === undefined) return
    if (provider.user.name !== user.name || provider.user.color !== user.color) provider.user = user
  }, [provider, user])
  return view
}

/** The lock of these parts of the document, or, without paths, of all of it; and whether this page may edit there. */
export function useLock(provider: BatonProvider | null, paths?: readonly Path[]): LockSnapshot {
  const name = JSON.stringify(paths)
  // The same paths in a new list are the same lock.
  return useStore(useMemo(() => lockStore(provider, paths), [provider, name]))
}

/** All peers in the document, those first that have been there longest. */
export function usePresence(provider: BatonProvider | null): readonly PresentPeer[] {
  return useStore(useMemo(() => presenceStore(provider), [provider]))
}

/** How much of this copy is on the server's disk. */
export function useSaved(provider: BatonProvider | null): SavedSnapshot {
  return useStore(useMemo(() => savedStore(provider), [provider]))
}
