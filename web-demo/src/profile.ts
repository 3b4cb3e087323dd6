/**
 * Who one is in this demo: a name and a colour, remembered by the tab first and by the browser second.
 *
 * Two windows of one browser would otherwise be two people of the same name, also a tab that was
 * duplicated, which copies the tab's memory; so the name of who comes later gives way. Owns the two
 * storage keys.
 */
import type { Peer, User } from 'baton-client'
import { readable } from './colors'
import { recall, recallHere, remember, rememberHere } from './memory'
import { cleanName } from './words'

const KEY = 'baton-profile'

/** Dark enough for white letters, far enough apart to be told from each other. */
export const COLORS: readonly { value: string; name: string }[] = [
  { value: '#c2410c', name: 'Clay' },
  { value: '#a16207', name: 'Ochre' },
  { value: '#4d7c0f', name: 'Moss' },
  { value: '#047857', name: 'Fir' },
  { value: '#0e7490', name: 'Lake' },
  { value: '#1d4ed8', name: 'Cobalt' },
  { value: '#7c3aed', name: 'Violet' },
  { value: '#be185d', name: 'Berry' },
]

const NAMES = ['Heron', 'Otter', 'Marten', 'Swift', 'Hare', 'Lynx', 'Wren', 'Badger', 'Kestrel', 'Ibex', 'Plover', 'Stoat', 'Curlew', 'Vole', 'Fox', 'Tern']

const pick = <T>(from: readonly T[]): T => from[Math.floor(Math.random() * from.length)] as T

function parse(text: string | null): User | null {
  try {
    const value = JSON.parse(text ?? 'null') as Partial<User> | null
    const name = cleanName(value?.name)
    return value && name !== '' && typeof value.color === 'string' ? { name, color: readable(value.color) } : null
  } catch {
    return null
  }
}

/** The profile of this tab, else of this browser, else a new one. */
export function loadProfile(): User {
  const kept = parse(recallHere(KEY)) ?? parse(recall(KEY))
  if (kept) return kept
  const user = { name: pick(NAMES), color: pick(COLORS).value }
  rememberHere(KEY, JSON.stringify(user))
  return user
}

/** Remembers what the person chose. */
export function saveProfile(user: User): void {
  rememberHere(KEY, JSON.stringify(user))
  remember(KEY, JSON.stringify(user))
}

/**
 * Makes a name and a colour that no peer has, near to `user`: “Ada (2)”. This tab remembers them.
 */
export function makeDistinct(user: User, others: Iterable<Peer>): User {
  const peers = [...others]
  const names = new Set(peers.map((peer) => cleanName(peer.user.name)))
  let distinct = user
  if (names.has(user.name)) {
    const base = user.name.replace(/ \(\d+\)$/, '')
    let n = 2
    while (names.has(`${base} (${n})`)) n += 1
    const colors = new Set(peers.map((peer) => peer.user.color))
    distinct = { name: `${base} (${n})`, color: COLORS.find(({ value }) => !colors.has(value))?.value ?? user.color }
  }
  rememberHere(KEY, JSON.stringify(distinct))
  return distinct
}
