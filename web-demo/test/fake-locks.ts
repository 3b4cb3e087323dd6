/**
 * The locks of the small server for tests: grants, a queue, draining, requests, as far as a client can see them. Not a
 * second implementation of Baton's: one connection a session, no clock but setTimeout, nothing kept.
 */
import type { DrainReason, Fence, GrantState, LockView, Mode, Outcome, ServerMessage, Timings } from '../client/src/channel'
import { conflict, covers, scopeFrom, toWire, type Path, type Scope } from '../client/src/scope'

export interface Grant {
  session: number
  scope: Scope
  fence: Fence
  state: GrantState
  to: number | undefined
  requestedBy: number | undefined
  timer: ReturnType<typeof setTimeout> | undefined
}

/** What the locks need of their room. */
export interface Around {
  position(): number
  timings: Timings
  tell(session: number, message: ServerMessage): void
  all(message: ServerMessage): void
  /** Sessions that could take a lock now, the one that is longest here first. */
  live(): number[]
  granted(session: number): void
}

export class FakeLocks {
  grants: Grant[] = []
  queue: { session: number; scope: Scope }[] = []
  mode: Mode = 'exclusive-when-held'
  /** While true, no offer is made by itself and no claim is granted. */
  hold = false
  readonly #around: Around

  constructor(around: Around) {
    this.#around = around
  }

  view(): LockView {
    return {
      version: this.#around.position(),
      mode: this.mode,
      grants: this.grants.map(({ scope, state, session, fence, to, requestedBy }) => ({
        ...toWire(scope),
        state,
        session,
        fence,
        ...(to !== undefined && { to }),
        ...(requestedBy !== undefined && { requested_by: requestedBy }),
      })),
      queue: this.queue.map(({ session, scope }) => ({ session, ...toWire(scope) })),
      waiting: this.queue.length,
    }
  }

  /** Whether that session may write in these roots. */
  mayWrite(session: number, roots: readonly string[]): boolean {
    if (this.mode === 'open') return true
    return roots.every((root) => {
      const here = this.grants.filter(({ scope }) => conflict(scope, [[root]]))
      if (here.some((grant) => grant.session === session && grant.state !== 'offered')) return true
      return here.length === 0 && this.mode !== 'required'
    })
  }

  acquire(session: number, paths: readonly Path[] | undefined, waits: boolean): Outcome {
    const scope = scopeFrom(paths)
    const own = this.grants.filter((grant) => grant.session === session)
    if (covers(own.map((grant) => grant.scope), scope)) return 'done'
    const free = !this.grants.some((grant) => conflict(grant.scope, scope))
    if (!free && !waits) return 'busy'
    if (!free && own.length > 0) return 'would-wait'
    this.queue = this.queue.filter((ticket) => ticket.session !== session)
    this.queue.push({ session, scope })
    this.settle()
    return free ? 'done' : 'queued'
  }

  cancel(session: number): void {
    this.queue = this.queue.filter((ticket) => ticket.session !== session)
    for (const grant of this.grants) if (grant.requestedBy === session) this.#voided(grant)
    this.settle()
  }

  #voided(grant: Grant): void {
    grant.requestedBy = undefined
    clearTimeout(grant.timer)
    this.#around.tell(grant.session, { type: 'request-over', fence: grant.fence })
  }

  claim(session: number, fence: Fence): void {
    const grant = this.#find(session, fence)
    if (this.hold || grant?.state !== 'offered') return
    clearTimeout(grant.timer)
    grant.state = 'held'
    this.queue = this.queue.filter((ticket) => ticket.session !== session || !covers([grant.scope], ticket.scope))
    this.#around.tell(session, { type: 'granted', fence, ...toWire(grant.scope) })
    this.announce()
    this.#around.granted(session)
  }

  release(session: number, fence: Fence): Outcome {
    const grant = this.#find(session, fence)
    if (!grant || grant.state === 'offered') return 'stale'
    this.#drop(grant)
    this.settle()
    return 'done'
  }

  decline(session: number, fence: Fence, later: boolean): void {
    const grant = this.#find(session, fence)
    if (grant?.state !== 'offered') return
    this.#drop(grant)
    const own = this.queue.filter((ticket) => ticket.session === session)
    this.queue = this.queue.filter((ticket) => ticket.session !== session)
    this.settle()
    // Behind the others; this server never ends the pause.
    if (later) this.queue.push(...own)
  }

  transfer(session: number, fence: Fence, to: number): Outcome {
    const grant = this.#find(session, fence)
    if (!grant || grant.state === 'offered') return 'stale'
    if (!this.#around.live().includes(to)) return 'unknown'
    this.drain(grant, 'transfer', to)
    return 'done'
  }

  /** Takes what conflicts with the scope for that session. */
  take(session: number, paths: readonly Path[] | undefined, reason: 'taken-over' | 'moved'): Outcome {
    const scope = scopeFrom(paths)
    const grant = this.grants.find((one) => one.session !== session && conflict(one.scope, scope))
    if (!grant) return 'unknown'
    this.drain(grant, reason, session)
    return 'done'
  }

  request(session: number, paths: readonly Path[] | undefined, note: string): Outcome {
    const outcome = this.acquire(session, paths, true)
    const scope = scopeFrom(paths)
    for (const grant of this.grants) {
      if (grant.session === session || grant.requestedBy !== undefined || !conflict(grant.scope, scope)) continue
      grant.requestedBy = session
      grant.timer = setTimeout(() => this.drain(grant, 'requested', undefined), this.#around.timings.request)
      this.#around.tell(grant.session, { type: 'requested', fence: grant.fence, by: session, note, expires_ms: this.#around.timings.request })
    }
    this.announce()
    return outcome
  }

  drain(grant: Grant, reason: DrainReason, to: number | undefined): void {
    clearTimeout(grant.timer)
    Object.assign(grant, { state: 'draining', to, requestedBy: undefined })
    const { drain } = this.#around.timings
    this.#around.tell(grant.session, { type: 'drain', fence: grant.fence, reason, expires_ms: drain, ...(to !== undefined && { to }) })
    grant.timer = setTimeout(() => {
      this.#around.tell(grant.session, { type: 'lost', fence: grant.fence, reason: 'the time to hand over ran out' })
      this.#passed(grant)
    }, drain)
    this.announce()
  }

  drained(session: number, fence: Fence): void {
    const grant = this.#find(session, fence)
    if (grant?.state === 'draining') this.#passed(grant)
  }

  #passed(grant: Grant): void {
    this.#drop(grant)
    if (grant.to !== undefined && this.#around.live().includes(grant.to)) this.#offer(grant.to, grant.scope)
    this.settle()
  }

  /** The holder is gone: its grants pass on, also to somebody who never asked. */
  expire(session: number, reason: string): void {
    for (const grant of this.grants.filter((one) => one.session === session)) {
      this.#around.tell(session, { type: 'lost', fence: grant.fence, reason })
      this.#drop(grant)
      const waits = this.queue.some((ticket) => ticket.session !== session && conflict(ticket.scope, grant.scope))
      const heir = this.#around.live().find((one) => one !== session)
      if (!waits && heir !== undefined) this.#offer(heir, grant.scope)
    }
    this.settle(session)
  }

  /** The connection of a holder broke; `back` ends that. */
  suspect(session: number, back: boolean): void {
    for (const grant of this.grants.filter((one) => one.session === session)) {
      if (grant.state === 'draining') continue
      clearTimeout(grant.timer)
      grant.state = back ? 'held' : 'suspect'
      if (!back) grant.timer = setTimeout(() => this.expire(session, 'the connection was lost'), this.#around.timings.grace)
    }
  }

  /** The session is done. */
  left(session: number): void {
    this.queue = this.queue.filter((ticket) => ticket.session !== session)
    for (const grant of this.grants.filter((one) => one.session === session)) this.#drop(grant)
    this.settle()
  }

  /** Offers what can be offered, in the order of the tickets. `past` is one that shall not get it back at once. */
  settle(past: number | null = null): void {
    const live = this.#around.live()
    const older: Scope[] = []
    for (const { session, scope } of this.queue) {
      if (!live.includes(session) || session === past) continue
      const blocked = older.some((one) => conflict(one, scope)) || this.grants.some((grant) => conflict(grant.scope, scope))
      if (!blocked && !this.hold) this.#offer(session, scope)
      older.push(scope)
    }
    this.announce()
  }

  #offer(session: number, scope: Scope): void {
    const fence = { epoch: 1, position: this.#around.position() }
    const grant: Grant = { session, scope, fence, state: 'offered', to: undefined, requestedBy: undefined, timer: undefined }
    this.grants.push(grant)
    this.#around.tell(session, { type: 'offer', fence, ...toWire(scope), expires_ms: this.#around.timings.offer })
    grant.timer = setTimeout(() => {
      this.#around.tell(session, { type: 'lost', fence, reason: 'the offer was not claimed in time' })
      this.#drop(grant)
      this.settle(session)
    }, this.#around.timings.offer)
  }

  announce(): void {
    this.#around.all({ type: 'lock', lock: this.view() })
  }

  #find(session: number, fence: Fence): Grant | undefined {
    return this.grants.find((grant) => grant.session === session && grant.fence.position === fence.position)
  }

  #drop(grant: Grant): void {
    clearTimeout(grant.timer)
    this.grants = this.grants.filter((one) => one !== grant)
  }

  close(): void {
    for (const { timer } of this.grants) clearTimeout(timer)
  }
}
