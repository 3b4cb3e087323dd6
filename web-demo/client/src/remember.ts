/** Memory with a bound, for what may still be on its way. Owns nothing: the maps are the callers'. */

/** Entries that are kept. */
const REMEMBERED = 64

/** Adds to a map that forgets its oldest entries. */
export function remember<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.set(key, value)
  for (const oldest of map.keys()) {
    if (map.size <= REMEMBERED) break
    map.delete(oldest)
  }
}
