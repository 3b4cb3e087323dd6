/**
 * The edit lock as this session sees it, and the answer to "may this page edit now?".
 *
 * A state machine without sockets, timers or clocks: messages and moments go in, effects come out. It owns which
 * grant is ours, what we asked for and how far it got; it never sends anything.
 */
import { compareFences, sameFence, type Fence, type LockView, type Welcome } from './channel'
import type { Instant } from './clock'
import { Lease } from './lease'

/** What the lock is to this session. */
export type LockState =
  /** Nothing is known yet. */
  | 'unknown'
  /** Nobody has it: all may write. */
  | 'free'
  /** Somebody else has it, or is offered it. */
  | 'theirs'
  /** This session asked for it and has its place in the queue. */
  | 'waiting'
  /** This session is being offered it. */
  | 'offered'
  /** This session holds it. */
  | 'mine'
  /** This session is giving it back. */
  | 'releasing'

/** Why this page may or may not edit. */
export type EditReason =
  | 'connecting'
  | 'free'
  | 'free-offline'
  | 'holder'
  | 'unconfirmed'
  | 'offered'
  | 'releasing'
  | 'theirs'
  | 'diverged'
  | 'closed'

/** Whether this page may edit, and why. */
export interface EditRight {
  readonly mayEdit: boolean
  readonly why: EditReason
}

/** The lock at one moment. */
export interface LockStatus {
  readonly state: LockState
  /** The server's own word for the state, once there is one. */
  readonly phase: LockView['state'] | null
  /** Session that holds it or is offered it. */
  readonly holder: number | null
  /** The current grant or offer. */
  readonly fence: Fence | null
  /** Sessions that wait, the first 100 in order. */
  readonly queue: readonly number[]
  /** How many wait. */
  readonly waiting: number
  /** This session's place in the queue from 1; `null` when it has none, or one beyond the first 100. */
  readonly place: number | null
}

/** What followed from an input. */
export type LockEffect =
  /** The lock is ours; `kept` when it was ours before the connection was lost. */
  | { type: 'granted'; fence: Fence; kept: boolean }
  /** It is ours no more. `reason` is null when only a newer view of the lock told. */
  | { type: 'lost'; fence: Fence; reason: string | null }
  /** An offer of it ended before it became a grant. */
  | { type: 'offer-ended'; fence: Fence; reason: string }
  /** We still want it, and the server does not know: ask again. */
  | { type: 'ask-again' }
  /** We gave it back, and the server does not know: say it again. */
  | { type: 'release-again'; fence: Fence }

const KEPT: readonly LockView['state'][] = ['held', 'suspect', 'recovering']

export class LockMachine {
  readonly #lease = new Lease()
  #session: number | null = null
  #view: LockView | null = null
  #grant: Fence | null = null
  #ended: Fence | null = null
  #offer: Fence | null = null
  #claim: { fence: Fence; at: Instant } | null = null
  /** The newest fence that was ever claimed. */
  #claimed: Fence | null = null
  #hello: Instant | null = null
  #wanted = false
  #releasing = false
  #connected = false
  #barred: 'diverged' | 'closed' | null = null
  #stop = 0

  /** The grant that this session holds, to show in the next hello. */
  get grant(): Fence | null {
    return this.#grant
  }

  /** Whether the person asked for the lock and has neither got it nor given up. */
  get wanted(): boolean {
    return this.#wanted
  }

  /** Whether an offer waits for an answer. */
  get offer(): Fence | null {
    return this.#offer
  }

  helloSent(at: Instant): void {
    this.#hello = at
  }

  welcomed(welcome: Welcome): LockEffect[] {
    const { lock, session, resumed } = welcome
    this.#connected = true
    this.#session = session
    this.#view = lock
    this.#stop = welcome.timings.client_stop
    this.#offer = null
    this.#claim = null
    if (!resumed) this.#lease.reset()
    const effects = this.#resumeGrant(resumed && lock.session === session && KEPT.includes(lock.state) ? (lock.fence ?? null) : null)
    if (lock.queue.includes(session)) this.#wanted = true
    else if (this.#wanted && this.#grant === null && lock.queue.length >= lock.waiting) effects.push({ type: 'ask-again' })
    if (this.#releasing && this.#grant) effects.push({ type: 'release-again', fence: this.#grant })
    return effects
  }

  #resumeGrant(kept: Fence | null): LockEffect[] {
    const had = this.#grant
    this.#grant = kept
    if (kept === null) {
      this.#releasing = false
      return had === null ? [] : [this.#end(had, 'it passed on while this page was out of reach')]
    }
    // The welcome answers our hello, so the server knew us alive after the hello was sent.
    if (this.#hello) this.#lease.renew(this.#hello)
    this.#wanted = false
    return [{ type: 'granted', fence: kept, kept: true }]
  }

  #end(fence: Fence, reason: string | null): LockEffect {
    this.#ended = fence
    this.#grant = null
    this.#releasing = false
    return { type: 'lost', fence, reason }
  }

  disconnected(): void {
    this.#connected = false
    this.#offer = null
    this.#claim = null
  }

  answered(n: number, at: Instant): void {
    this.#lease.answered(n, at)
  }

  /** A beat said which of our answers came in time. */
  confirmed(n: number): void {
    this.#lease.confirmed(n)
  }

  /** A newer view of the lock; one that is older than what we know changes nothing. */
  viewed(view: LockView): LockEffect[] {
    if (this.#view && view.version < this.#view.version) return []
    this.#view = view
    if (this.#session !== null && view.queue.includes(this.#session) && !this.#releasing) this.#wanted = true
    const mine = view.session === this.#session
    if (this.#offer && !(mine && sameFence(view.fence, this.#offer)) && view.version > this.#offer.position) this.#offer = null
    const grant = this.#grant
    // A view from before the grant says nothing about it.
    if (grant === null || view.version < grant.position) return []
    if (mine && sameFence(view.fence, grant)) return []
    return this.#releasing ? this.#released() : [this.#end(grant, null)]
  }

  #released(): LockEffect[] {
    this.#ended = this.#grant
    this.#grant = null
    this.#releasing = false
    return []
  }

  offered(fence: Fence): void {
    this.#offer = fence
  }

  claimSent(fence: Fence, at: Instant): void {
    // An offer that is told twice is claimed twice, but only the first claim made the grant: a lease counted from a
    // later one would outlast the server's patience.
    if (this.#claimed && compareFences(fence, this.#claimed) <= 0) return
    this.#claimed = fence
    this.#claim = { fence, at }
  }

  declined(): void {
    this.#offer = null
  }

  granted(fence: Fence): LockEffect[] {
    if (this.#ended && compareFences(fence, this.#ended) <= 0) return []
    const known = sameFence(this.#grant, fence)
    // The grant answers our claim: the server knew us alive after the claim was sent.
    if (this.#claim && sameFence(this.#claim.fence, fence)) this.#lease.renew(this.#claim.at)
    this.#grant = fence
    this.#offer = null
    this.#claim = null
    this.#wanted = false
    this.#releasing = false
    return known ? [] : [{ type: 'granted', fence, kept: false }]
  }

  lost(fence: Fence, reason: string): LockEffect[] {
    const offer = this.#offer
    if (offer && compareFences(fence, offer) >= 0) this.#offer = null
    if (this.#grant && compareFences(fence, this.#grant) >= 0) {
      return this.#releasing ? this.#released() : [this.#end(this.#grant, reason)]
    }
    // A view may have told first, without the reason.
    if (sameFence(fence, this.#ended)) return [{ type: 'lost', fence, reason }]
    return sameFence(fence, offer) ? [{ type: 'offer-ended', fence, reason }] : []
  }

  asked(): void {
    this.#wanted = true
  }

  /** The person gave up waiting, or the server refused to queue us. */
  gaveUp(): void {
    this.#wanted = false
    this.#offer = null
  }

  releaseSent(): void {
    this.#releasing = true
  }

  /** The server does not know the grant that we gave back. */
  releaseStale(): LockEffect[] {
    return this.#grant && this.#releasing ? this.#released() : []
  }

  /** This copy of the document can never be merged as it is, or the server has turned us away for good. */
  bar(why: 'diverged' | 'closed'): void {
    this.#barred ??= why
  }

  status(): LockStatus {
    const view = this.#view
    const queue = view?.queue ?? []
    const at = this.#session === null ? -1 : queue.indexOf(this.#session)
    return {
      state: this.#state(),
      phase: view?.state ?? null,
      holder: view?.session ?? null,
      fence: this.#grant ?? view?.fence ?? null,
      queue,
      waiting: view?.waiting ?? 0,
      place: at < 0 ? null : at + 1,
    }
  }

  #state(): LockState {
    const view = this.#view
    if (view === null) return 'unknown'
    if (this.#grant) return this.#releasing ? 'releasing' : 'mine'
    if (this.#offer || (view.state === 'offered' && view.session === this.#session)) return 'offered'
    if (this.#wanted) return 'waiting'
    return view.state === 'free' ? 'free' : 'theirs'
  }

  right(now: Instant): EditRight {
    if (this.#barred) return { mayEdit: false, why: this.#barred }
    switch (this.#state()) {
      case 'unknown':
        return { mayEdit: false, why: 'connecting' }
      case 'mine':
        return this.leaseLeft(now) > 0 ? { mayEdit: true, why: 'holder' } : { mayEdit: false, why: 'unconfirmed' }
      case 'releasing':
        return { mayEdit: false, why: 'releasing' }
      case 'offered':
        return { mayEdit: false, why: 'offered' }
      default:
        if (this.#view?.state !== 'free') return { mayEdit: false, why: 'theirs' }
        return { mayEdit: true, why: this.#connected ? 'free' : 'free-offline' }
    }
  }

  /** Milliseconds for which a holder may go on without news; 0 for anybody else. */
  leaseLeft(now: Instant): number {
    return this.#grant ? this.#lease.left(now, this.#stop) : 0
  }
}
