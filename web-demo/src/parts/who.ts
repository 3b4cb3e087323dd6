/** People in a sentence on this page: by name, except who reads it, and their other tabs. Owns nothing. */
import type { BatonLock, BatonProvider, LockHandle } from '@baton/client'
import { nameOf } from '../words'

/** “you”, “your other tab”, or a name. */
export function whoIs(provider: BatonProvider, session: number): string {
  if (session === provider.session) return 'you'
  return provider.isOwn(session) ? 'your other tab' : nameOf(provider.roster.get(session))
}

/** Who else has a lock, or is offered it; `null` for nobody, and for this page itself. */
export function holderOf(provider: BatonProvider, lock: LockHandle | BatonLock): string | null {
  const { holder } = 'status' in lock ? lock.status : lock
  return holder === null || holder === provider.session ? null : whoIs(provider, holder)
}
