/**
 * Who one is in this demo: a name and a colour, remembered by the tab first and by the browser second.
 *
 * Two windows of one browser would otherwise be two people of the same name; so a name that came from the browser's
 * memory gives way when somebody here has it already. Owns the two storage keys.
 */
import type { Peer, User } from '@baton/client'
import { recall, recallHere, remember, rememberHere } from './memory'

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
    return value && typeof value.name === 'string' && typeof value.color === 'string' ? { name: value.name, color: value.color } : null
  } catch {
    return null
  }
}

/** The profile of this tab; `borrowed` when it is another window's and may have to give way. */
export function loadProfile(): { user: User; borrowed: boolean } {
  const here = parse(recallHere(KEY))
  if (here) return { user: here, borrowed: false }
  const kept = parse(recall(KEY))
  if (kept) return { user: kept, borrowed: true }
  const user = { name: pick(NAMES), color: pick(COLORS).value }
  rememberHere(KEY, JSON.stringify(user))
  return { user, borrowed: false }
}

/** Remembers what the person chose. */
export function saveProfile(user: User): void {
  rememberHere(KEY, JSON.stringify(user))
  remember(KEY, JSON.stringify(user))
}

/** A name and a colour that nobody here has yet, as near to `user` as can be; remembered by this tab only. */
export function makeDistinct(user: User, others: Iterable<Peer>): User {
  const peers = [...others]
  const names = new Set(peers.map((peer) => peer.user.name))
  if (!names.has(user.name)) {
    rememberHere(KEY, JSON.stringify(user))
    return user
  }
  let n = 2
  while (names.has(`${user.name} ${n}`)) n += 1
  const colors = new Set(peers.map((peer) => peer.user.color))
  const color = COLORS.find(({ value }) => !colors.has(value))?.value ?? user.color
  const distinct = { name: `${user.name} ${n}`, color }
  rememberHere(KEY, JSON.stringify(distinct))
  return distinct
}
