/**
 * The secret by which the server knows all tabs of one person in one browser, so that a lock can move between them.
 *
 * Owns one key of localStorage. It proves nothing to other people and is never shown to them: the server keeps and
 * compares a hash.
 */
import { withStorage } from './storage.js'

const KEY = 'baton:user-key'

/** Bytes of a key; 32 hex digits. */
const BYTES = 16

/** This browser's key, made when there is none; `null` where nothing can be kept: each tab is then a person of its own. */
export function userKey(): string | null {
  return withStorage('localStorage', (store) => {
    const kept = store.getItem(KEY)
    if (kept !== null && /^[0-9a-f]{32}$/.test(kept)) return kept
    const fresh = Array.from(crypto.getRandomValues(new Uint8Array(BYTES)), (byte) => byte.toString(16).padStart(2, '0')).join('')
    store.setItem(KEY, fresh)
    return fresh
  })
}
