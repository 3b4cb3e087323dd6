/** The browser's storages, which may be missing, forbidden or full. Owns nothing; the callers own their keys. */

/**
 * Returns what `use` returns; `null` where there is no such storage, or where using it fails. A page works without: what
 * is not kept there only means a new session, or tabs that do not know one another.
 */
export function withStorage<T>(area: 'localStorage' | 'sessionStorage', use: (store: Storage) => T): T | null {
  try {
    const store: Storage | undefined = globalThis[area]
    return store ? use(store) : null
  } catch {
    return null
  }
}
