/**
 * What lets a reloaded page go on with its session: kept for the moment between two pages, in sessionStorage.
 *
 * A token works once, and a duplicated tab is born with a copy of its parent's sessionStorage. So the token lies in
 * storage only while no page uses it: it is taken out when a page starts and put back on pagehide. Owns that storage
 * key; never decides what a token is worth.
 */
import type { Fence } from './channel.js'

export interface Ticket {
  readonly session: number
  readonly token: string
  /** Grants that the session held. */
  readonly fences: readonly Fence[]
}

/** The part of the Storage interface that is used. */
export type TicketStore = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>

function storage(): TicketStore | null {
  try {
    return globalThis.sessionStorage ?? null
  } catch {
    // Storage is forbidden here: each page is then a new session.
    return null
  }
}

/** Takes the ticket of this document out of storage, so that no copy of this tab can use it. */
export function takeTicket(url: string): Ticket | null {
  const key = keyOf(url)
  try {
    const store = storage()
    const text = store?.getItem(key)
    if (!store || !text) return null
    store.removeItem(key)
    const value = JSON.parse(text) as Partial<Ticket>
    if (typeof value.session !== 'number' || typeof value.token !== 'string') return null
    return { session: value.session, token: value.token, fences: Array.isArray(value.fences) ? value.fences : [] }
  } catch {
    return null
  }
}

/** Leaves the ticket for the page that comes after this one in the same tab. */
export function leaveTicket(url: string, ticket: Ticket): void {
  try {
    storage()?.setItem(keyOf(url), JSON.stringify(ticket))
  } catch {
    // A full or forbidden storage only means that the next page is a new session.
  }
}

/** Forgets the ticket of this document. */
export function dropTicket(url: string): void {
  try {
    storage()?.removeItem(keyOf(url))
  } catch {
    // As above.
  }
}

function keyOf(url: string): string {
  return `baton:${url}`
}
