/**
 * Names people in a sentence: the reader is “you”, and their other tab is called that. Owns
 * nothing.
 */
import type { BatonLock, BatonProvider, LockHandle } from 'baton-client'
import { nameOf } from '../words'

/** “you”, “your other tab”, or a name. */
export function whoIs(provider: BatonProvider, session: number): string {
  if (session === provider.session) return 'you'
  return provider.isOwn(session) ? 'your other tab' : nameOf(provider.roster.get(session))
}

/** Names another holder of a lock, or the one it is offered to; `null` when there is none. */
export function holderOf(provider: BatonProvider, lock: LockHandle | BatonLock): string | null {
  const { holder } = 'status' in lock ? lock.status : lock
  return holder === null || holder === provider.session ? null : whoIs(provider, holder)
}
