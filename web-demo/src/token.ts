/**
 * The token that this page was opened with: `#token=...`, the part of an address that no browser sends.
 *
 * Owns its way out of the address bar and of the page's history, and the memory of this tab, so that a reload goes on.
 * No link of the page and no other tab gets it.
 */
import { recallHere, rememberHere } from './memory'

const KEY = 'baton-token'

/** The fragment without its token, and the token; `null` where there is none. Pure. */
export function splitToken(fragment: string): { token: string | null; rest: string } {
  const parts = fragment.replace(/^#/, '').split('&')
  const own = parts.find((part) => part.startsWith('token='))
  if (own === undefined) return { token: null, rest: fragment }
  const rest = parts.filter((part) => !part.startsWith('token=')).join('&')
  return { token: decoded(own.slice('token='.length)), rest: rest === '' ? '' : `#${rest}` }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The token of the address, which is taken out of it, else the one that this tab had before. */
export function takeToken(): string | null {
  const { token, rest } = splitToken(location.hash)
  if (token === null) return recallHere(KEY) || null
  history.replaceState(history.state, '', location.pathname + location.search + rest)
  rememberHere(KEY, token)
  return token || null
}
