/**
 * The edit locks as this session sees them, and the answer to "may this page edit here, now?".
 *
 * A state machine without sockets, timers or clocks: messages and moments go in, effects come out. It owns which grants
 * are ours, what we asked for and how far it got; it never sends anything.
 */
import { fenceKey, type DrainReason, type Fence, type GrantView, type LockView, type Mode, type Welcome } from './channel.js'
import type { Instant } from './clock.js'
import { Answers, Lease } from './lease.js'
import type { Drain, HandOverRequest, LockState, LockStatus } from './lock-status.js'
import { remember } from './remember.js'
import { rightIn, type EditRight, type Hold } from './rights.js'
import { conflict, covers, scopeFrom, type Scope } from './scope.js'

/** What followed from an input: an event of the provider with its argument, or what to say again. */
export type LockEffect =
  /** A lock is ours; `kept` when it was ours before the connection was lost. */
  | { type: 'lock-granted'; event: { fence: Fence; scope: Scope; kept: boolean } }
  /** It is ours no more. `reason` is null when only a newer view of the locks told. */
  | { type: 'lock-lost'; event: { fence: Fence; scope: Scope; reason: string | null } }
  /** It passed on after this session had been asked to stop, and did. */
  | { type: 'lock-handed-over'; event: { fence: Fence; scope: Scope; reason: DrainReason | null; to: number | null } }
  /** An offer of it ended before it became a grant. */
  | { type: 'offer-ended'; event: { fence: Fence; reason: string } }
  /** We still want it, and the server does not know: ask again. */
  | { type: 'ask-again'; scope: Scope }
  /** We gave it back, and the server does not know: say it again. */
  | { type: 'release-again'; fence: Fence }

/** One grant of ours. */
interface Own {
  readonly fence: Fence
  readonly scope: Scope
  readonly lease: Lease
  phase: 'held' | 'draining' | 'releasing'
  drain: Drain | null
  /** Whether we have said that our last edits are sent. */
  drained: boolean
  request: HandOverRequest | null
}

export class LockMachine {
  readonly #answers = new Answers()
  readonly #own = new Map<string, Own>()
  readonly #offers = new Map<string, { fence: Fence; scope: Scope }>()
  /** How each grant that was ours ended. */
  readonly #ended = new Map<string, { scope: Scope; how: 'lost' | 'given' }>()
  /** When each fence was claimed first. An offer that is told twice is claimed twice, but only the first claim made the
      grant: a lease counted from a later one would outlast the server's patience. */
  readonly #claims = new Map<string, Instant>()
  #session: number | null = null
  #view: LockView | null = null
  #hello: Instant | null = null
  /** What this session asked for and has neither got nor given up; `undefined` for nothing. */
  #wish: Scope | undefined
  #connected = false
  #barred: 'diverged' | 'closed' | null = null
  #mayWrite = true
  #stop = 0

  /** The grants that this session believes in, to show in the next hello. */
  get fences(): Fence[] {
    return [...this.#own.values()].map(({ fence }) => fence)
  }

  /** Version of the last view, for the next hello. */
  get version(): number | null {
    return this.#view?.version ?? null
  }

  /** The locks as the server shows them. */
  get view(): LockView | null {
    return this.#view
  }

  get mode(): Mode | null {
    return this.#view?.mode ?? null
  }

  /** Whether this session waits for a lock. */
  get isWishing(): boolean {
    return this.#wish !== undefined
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
    this.#offers.clear()
    if (!resumed) this.#answers.reset()
    const effects = this.#resumeGrants(resumed ? lock.grants.filter((grant) => grant.session === session && grant.state !== 'offered') : [])
    const ticket = lock.queue.find((waiter) => waiter.session === session)
    if (ticket) this.#wish = scopeFrom(ticket.paths)
    else if (this.#wish !== undefined && lock.queue.length >= lock.waiting) effects.push({ type: 'ask-again', scope: this.#wish })
    for (const own of this.#own.values()) if (own.phase === 'releasing') effects.push({ type: 'release-again', fence: own.fence })
    return effects
  }

  #resumeGrants(kept: readonly GrantView[]): LockEffect[] {
    const effects: LockEffect[] = []
    const keys = kept.map(({ fence }) => fenceKey(fence))
    for (const [key, own] of [...this.#own]) {
      if (!keys.includes(key)) effects.push(...this.#end(own, 'it passed on while this page was out of reach'))
    }
    for (const { fence, paths, state } of kept) {
      const own = this.#take(fence, scopeFrom(paths))
      // The welcome answers our hello, so the server knew us alive after the hello was sent.
      if (this.#hello) own.lease.renew(this.#hello)
      // One that is being drained is told so again; until that comes, nobody edits under it. A start of the server
      // forgets that it drained.
      if (state === 'draining' || own.phase === 'draining') {
        Object.assign(own, { phase: state === 'draining' ? 'draining' : 'held', drained: false })
      }
      effects.push({ type: 'lock-granted', event: { fence, scope: own.scope, kept: true } })
    }
    return effects
  }

  /** Makes it ours, if it is not already. */
  #take(fence: Fence, scope: Scope): Own {
    const key = fenceKey(fence)
    const own = this.#own.get(key) ?? { fence, scope, lease: new Lease(), phase: 'held', drain: null, drained: false, request: null }
    this.#own.set(key, own)
    this.#offers.delete(key)
    // Nobody waits while holding.
    this.#wish = undefined
    return own
  }

  #end(own: Own, reason: string | null): LockEffect[] {
    const { fence, scope, drain } = own
    this.#own.delete(fenceKey(fence))
    const given = own.phase === 'releasing' || (own.phase === 'draining' && (own.drained || reason === null))
    remember(this.#ended, fenceKey(fence), { scope, how: given ? 'given' : 'lost' })
    if (own.phase === 'releasing') return []
    if (!given) return [{ type: 'lock-lost', event: { fence, scope, reason } }]
    return [{ type: 'lock-handed-over', event: { fence, scope, reason: drain?.reason ?? null, to: drain?.to ?? null } }]
  }

  disconnected(): void {
    this.#connected = false
    this.#offers.clear()
  }

  answered(n: number, at: Instant): void {
    this.#answers.sent(n, at)
  }

  /** A beat said which of our answers came in time. */
  confirmed(n: number): void {
    const at = this.#answers.confirmed(n)
    if (at) for (const { lease } of this.#own.values()) lease.renew(at)
  }

  /** A newer view of the locks; one that is older than what we know changes nothing. */
  viewed(view: LockView): LockEffect[] {
    if (this.#view && view.version < this.#view.version) return []
    this.#view = view
    const shown = view.grants.filter(({ session }) => session === this.#session).map(({ fence }) => fenceKey(fence))
    // A view from before a grant or an offer says nothing about it.
    const isGone = ({ fence }: { fence: Fence }): boolean => view.version >= fence.position && !shown.includes(fenceKey(fence))
    for (const [key, offer] of this.#offers) if (isGone(offer)) this.#offers.delete(key)
    return [...this.#own.values()].filter(isGone).flatMap((own) => this.#end(own, null))
  }

  offered(fence: Fence, scope: Scope): void {
    this.#offers.set(fenceKey(fence), { fence, scope })
  }

  claimSent(fence: Fence, at: Instant): void {
    if (!this.#claims.has(fenceKey(fence))) remember(this.#claims, fenceKey(fence), at)
  }

  /** The offer is turned down; unless it is wanted later, the wish that it would fulfil goes with it. */
  declined(fence: Fence, later: boolean): void {
    const offer = this.#offers.get(fenceKey(fence))
    this.#offers.delete(fenceKey(fence))
    if (offer && !later && this.#wish !== undefined && covers([offer.scope], this.#wish)) this.#wish = undefined
  }

  granted(fence: Fence, scope: Scope): LockEffect[] {
    const key = fenceKey(fence)
    if (this.#ended.has(key)) return []
    const known = this.#own.has(key)
    const own = this.#take(fence, scope)
    // The grant answers our claim: the server knew us alive after the claim was sent.
    const claim = this.#claims.get(key)
    if (claim) own.lease.renew(claim)
    return known ? [] : [{ type: 'lock-granted', event: { fence, scope, kept: false } }]
  }

  lost(fence: Fence, reason: string): LockEffect[] {
    const key = fenceKey(fence)
    const own = this.#own.get(key)
    if (own) return this.#end(own, reason)
    // A view may have told first, without the reason.
    const ended = this.#ended.get(key)
    if (ended) return ended.how === 'lost' ? [{ type: 'lock-lost', event: { fence, scope: ended.scope, reason } }] : []
    return this.#offers.delete(key) ? [{ type: 'offer-ended', event: { fence, reason } }] : []
  }

  /** The holder shall stop; `false` when that grant is not ours. */
  drain(fence: Fence, drain: Drain): boolean {
    const own = this.#own.get(fenceKey(fence))
    if (!own) return false
    if (own.phase === 'held') own.phase = 'draining'
    own.drain = drain
    own.request = null
    return true
  }

  /** We have said that our last edits are sent; `false` when that grant is not ours any more. */
  drainedSent(fence: Fence): boolean {
    const own = this.#own.get(fenceKey(fence))
    if (own) own.drained = true
    return own !== undefined
  }

  /** Somebody asks for a lock of ours, or, with `null`, asks no more; `false` when it is not ours. */
  requested(fence: Fence, request: HandOverRequest | null): boolean {
    const own = this.#own.get(fenceKey(fence))
    if (own) own.request = request
    return own !== undefined
  }

  asked(scope: Scope): void {
    this.#wish = scope
  }

  /** The person gave up waiting, or the server refused to queue us. */
  gaveUp(): void {
    this.#wish = undefined
    this.#offers.clear()
  }

  releaseSent(fence: Fence): void {
    const own = this.#own.get(fenceKey(fence))
    if (own) own.phase = 'releasing'
  }

  /** The server does not know the grant that we gave back. */
  releaseStale(fence: Fence): void {
    const own = this.#own.get(fenceKey(fence))
    if (own?.phase === 'releasing') this.#end(own, null)
  }

  /** This copy of the document takes no edits now, or the server has turned us away for good; `null` ends that. */
  bar(why: 'diverged' | 'closed' | null): void {
    this.#barred = why
  }

  /** What this session may do. Without the right to hold a lock, the server has forgotten what it waits for. */
  allow(may: { write: boolean; lock: boolean }): void {
    this.#mayWrite = may.write
    if (!may.write || !may.lock) this.#wish = undefined
  }

  /** Fences of our grants that lie in the scope, over it or under it. */
  ownIn(scope: Scope): Fence[] {
    return this.#ownUnder(scope).map(({ fence }) => fence)
  }

  /** The scope of a grant of ours. */
  scopeOfOwn(fence: Fence): Scope | undefined {
    return this.#own.get(fenceKey(fence))?.scope
  }

  /** Grants of ours that lie in the scope, over it or under it. */
  #ownUnder(scope: Scope): Own[] {
    return [...this.#own.values()].filter((own) => conflict(own.scope, scope))
  }

  #scopes(): Scope[] {
    return [...this.#own.values()].map(({ scope }) => scope)
  }

  /** Grants that keep us out. One of ours that has ended keeps us out, too, until a view shows it gone. */
  #others(): (GrantView & { scope: Scope })[] {
    const grants = this.#view?.grants ?? []
    return grants
      .filter(({ session, state, fence }) => session !== this.#session || (state !== 'offered' && !this.#own.has(fenceKey(fence))))
      .map((grant) => ({ ...grant, scope: scopeFrom(grant.paths) }))
  }

  /** Offers to us, those included that only a view has told of. */
  #offered(): Scope[] {
    const told = this.#view?.grants.filter(({ session, state, fence }) => session === this.#session && state === 'offered' && !this.#own.has(fenceKey(fence)))
    return [...[...this.#offers.values()].map(({ scope }) => scope), ...(told ?? []).map(({ paths }) => scopeFrom(paths))]
  }

  status(scope: Scope): LockStatus {
    const view = this.#view
    const grants = view?.grants ?? []
    const own = this.#ownUnder(scope)
    const [first] = own
    const other = this.#others().find((grant) => conflict(grant.scope, scope))
    const mine = first && grants.find(({ fence }) => fenceKey(fence) === fenceKey(first.fence))
    const state = this.#state(scope)
    const grant = state === 'offered' ? grants.find(({ session }) => session === this.#session) : (other ?? mine)
    const queue = (view?.queue ?? []).filter(({ paths }) => conflict(scopeFrom(paths), scope)).map(({ session }) => session)
    const at = this.#session === null ? -1 : queue.indexOf(this.#session)
    return {
      state,
      phase: grant?.state ?? (first ? 'held' : view ? 'free' : null),
      holder: grant?.session ?? (first ? this.#session : null),
      fence: first?.fence ?? grant?.fence ?? null,
      grantScope: first ? first.scope : grant && scopeFrom(grant.paths),
      queue,
      waiting: scope === null ? (view?.waiting ?? 0) : queue.length,
      place: at < 0 ? null : at + 1,
      request: own.find(({ request }) => request)?.request ?? null,
      requestedBy: grant?.requested_by ?? null,
      drain: own.find(({ drain }) => drain)?.drain ?? null,
    }
  }

  #state(scope: Scope): LockState {
    if (this.#view === null) return 'unknown'
    if (covers(this.#scopes(), scope)) {
      const phases = this.#ownUnder(scope).map(({ phase }) => phase)
      return phases.includes('draining') ? 'draining' : phases.includes('releasing') ? 'releasing' : 'mine'
    }
    if (this.#offered().some((offer) => covers([offer], scope))) return 'offered'
    if (this.#wish !== undefined && covers([this.#wish], scope)) return 'waiting'
    return this.#others().some((grant) => conflict(grant.scope, scope)) ? 'theirs' : 'free'
  }

  right(scope: Scope, now: Instant): EditRight {
    if (this.#barred) return { mayEdit: false, why: this.#barred }
    if (this.#view === null) return { mayEdit: false, why: 'connecting' }
    if (!this.#mayWrite) return { mayEdit: false, why: 'read-only' }
    const holds = [...this.#own.values()].map((own): Hold => {
      const confirmed = own.phase !== 'held' || own.lease.left(now, this.#stop) > 0
      return { scope: own.scope, phase: confirmed ? own.phase : 'unconfirmed' }
    })
    return rightIn(scope, { mode: this.#view.mode, connected: this.#connected, holds, offers: this.#offered(), others: this.#others() })
  }

  /** Milliseconds until the next of our grants runs out of confirmation; 0 when none will. */
  nextLapse(now: Instant): number {
    const left = [...this.#own.values()].map(({ lease }) => lease.left(now, this.#stop)).filter((ms) => ms > 0)
    return left.length === 0 ? 0 : Math.min(...left)
  }

  /** Milliseconds for which the holder of the scope may go on without news; 0 for anybody else. */
  leaseLeft(scope: Scope, now: Instant): number {
    const own = this.#ownUnder(scope)
    return own.length === 0 ? 0 : Math.min(...own.map(({ lease }) => lease.left(now, this.#stop)))
  }
}
