/**
 * What lets a reloaded page go on with its session: kept for the moment between two pages, in sessionStorage.
 *
 * A token works once, and a duplicated tab is born with a copy of its parent's sessionStorage. So the token lies in
 * storage only while no page uses it: it is taken out when a page starts and put back on pagehide. Owns that storage
 * key; never decides what a token is worth.
 */
import type { Fence } from './channel.js'
import { withStorage } from './storage.js'

export interface Ticket {
  readonly session: number
  readonly token: string
  /** Grants that the session held. */
  readonly fences: readonly Fence[]
}

/** Takes the ticket of this document out of storage, so that no copy of this tab can use it. */
export function takeTicket(url: string): Ticket | null {
  return withStorage('sessionStorage', (store) => {
    const text = store.getItem(keyOf(url))
    store.removeItem(keyOf(url))
    const value = JSON.parse(text ?? '{}') as Partial<Ticket>
    if (typeof value.session !== 'number' || typeof value.token !== 'string') return null
    return { session: value.session, token: value.token, fences: Array.isArray(value.fences) ? value.fences : [] }
  })
}

/** Leaves the ticket for the page that comes after this one in the same tab. */
export function leaveTicket(url: string, ticket: Ticket): void {
  withStorage('sessionStorage', (store) => store.setItem(keyOf(url), JSON.stringify(ticket)))
}

/** Forgets the ticket of this document. */
export function dropTicket(url: string): void {
  withStorage('sessionStorage', (store) => store.removeItem(keyOf(url)))
}

function keyOf(url: string): string {
  return `baton:${url}`
}
