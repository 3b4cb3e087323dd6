/**
 * Baton's channel on one logical connection: the session, its ticket, the roster, the beats, the locks and the parks.
 *
 * Owns what this client knows of the others, and which event follows which message. It knows no document and no socket,
 * and sends by the function that it is given.
 */
import { idleFor, isVisible } from './activity.js'
import { VERSION, type Ask, type ClientMessage, type Outcome, type ParkView, type Peer, type Right, type ServerMessage, type Timings, type User, type Welcome } from './channel.js'
import { now } from './clock.js'
import type { Emit, Offer, ProviderOptions } from './events.js'
import { canInflate, ENCODING } from './inflate.js'
import { LockMachine, type LockEffect } from './lock.js'
import { Requests, UNSENT, type ParkAnswer } from './requests.js'
import { scopeFrom, toWire } from './scope.js'
import type { Ticket } from './tickets.js'
import type { TokenSource } from './token.js'
import { userKey } from './user-key.js'

export interface SessionEvents {
  say(message: ClientMessage): void
  emit: Emit
  /** Something may look different now. */
  changed(): void
  welcomed(session: number, timings: Timings): void
  saved(updates: number): void
  /** The right to edit is back. */
  mayWriteAgain(): void
  parked(id: number, reason: string): void
  /** The parks, whenever they change. */
  parks(parks: ReadonlyMap<number, ParkView>, epoch: number): void
}

const NOTHING_SENT: ParkAnswer = { ...UNSENT, content: null }

/** Answers after which nobody waits in the queue. */
const NOT_QUEUED: readonly Outcome[] = ['forbidden', 'busy', 'would-wait', 'not-allowed', 'full', 'invalid']

type SessionOptions = Pick<ProviderOptions<never>, 'user' | 'userKey' | 'observer' | 'claim'>

export class Session {
  readonly machine = new LockMachine()
  readonly roster = new Map<number, Peer>()
  readonly parks = new Map<number, ParkView>()
  rights: ReadonlySet<Right> = new Set()
  timings: Timings | null = null
  /** This session's number, once there is one. */
  id: number | null = null
  epoch: number | null = null
  user: User
  /** How often an edit of this session was set aside. */
  parked = 0
  /** Beats are not answered. */
  mute = false
  readonly #options: SessionOptions
  readonly #token: TokenSource
  readonly #events: SessionEvents
  readonly #requests: Requests
  #ticket: Ticket | null
  #welcomed = false
  #isOver = false
  /** Counts the wishes: an older one is not asked for again. */
  #wishes = 0
  /** Wakes the wish that waits for a welcome. */
  #wake: ((again: boolean) => void) | null = null

  constructor(options: SessionOptions, ticket: Ticket | null, token: TokenSource, events: SessionEvents) {
    this.#options = options
    this.#token = token
    this.#events = events
    this.#ticket = ticket
    this.user = options.user ?? { name: '', color: '' }
    this.#requests = new Requests((message) => events.say(message))
  }

  /** Whether the server knows this session over the present connection. */
  get isWelcome(): boolean {
    return this.#welcomed
  }

  /** What a page that comes after this one needs to go on; `null` when there is nothing to go on with. */
  get ticket(): Ticket | null {
    const fences = this.machine.fences
    return this.#ticket && { ...this.#ticket, fences: this.id === null ? this.#ticket.fences : fences }
  }

  /** A connection is open: says who this is. `client` is the Yjs client of the copy at hand. */
  opened(client: number): void {
    const ticket = this.ticket
    const key = this.#options.userKey === undefined ? userKey() : this.#options.userKey
    this.machine.helloSent(now())
    this.#events.say({
      type: 'hello',
      version: VERSION,
      resume: ticket ? { session: ticket.session, token: ticket.token } : undefined,
      epoch: this.epoch ?? undefined,
      fences: ticket?.fences,
      locks: this.machine.version ?? undefined,
      user: this.user,
      user_key: key ?? undefined,
      token: this.#token.current || undefined,
      client,
      observer: this.#options.observer,
      encodings: canInflate ? [ENCODING] : undefined,
    })
  }

  closed(): void {
    this.#welcomed = false
    this.#requests.abandon()
    this.machine.disconnected()
  }

  /** The server turned this client away for good. */
  refused(): void {
    this.machine.bar('closed')
    this.#ticket = null
    this.giveUp()
  }

  setUser(user: User): void {
    this.user = user
    if (this.#welcomed) this.#events.say({ type: 'profile', user })
  }

  /** Asks the server. A wish for a lock waits for the session; anything else is `unsent` without one. */
  async ask(ask: Ask): Promise<ParkAnswer> {
    if (ask.type === 'acquire' || ask.type === 'request') return await this.#wish(ask)
    if (ask.type === 'cancel') this.giveUp()
    return this.#welcomed ? await this.#requests.ask(ask) : NOTHING_SENT
  }

  /** A wish that was not sent is `unsent` from now on. */
  giveUp(): void {
    this.#wishes += 1
    this.#rouse(false)
  }

  /** This session never comes again. */
  end(): void {
    this.#isOver = true
    this.giveUp()
  }

  #rouse(again: boolean): void {
    const wake = this.#wake
    this.#wake = null
    wake?.(again)
  }

  async #wish(ask: Ask): Promise<ParkAnswer> {
    this.giveUp()
    const wish = this.#wishes
    let isAsked = false
    while (!this.#isOver) {
      if (this.#welcomed) {
        isAsked = true
        const answer = await this.#requests.ask(ask)
        if (answer.outcome !== 'unsent') return answer
      }
      const again = await new Promise<boolean>((wake) => (this.#wake = wake))
      if (wish !== this.#wishes) return NOTHING_SENT
      // The server has it already: the welcome tells how far it got.
      if (isAsked && !again) return { outcome: this.machine.isWishing ? 'queued' : this.rights.has('lock') ? 'done' : 'not-allowed', message: null, content: null }
    }
    return NOTHING_SENT
  }

  told(message: ServerMessage): void {
    const { emit } = this.#events
    switch (message.type) {
      case 'welcome':
        return this.#welcome(message)
      case 'rights':
        return this.#allowAnew(message.rights)
      case 'token-expiring':
        return void this.#renewToken()
      case 'beat':
        return this.#beat(message.n, message.confirmed)
      case 'peer':
        return this.#peer(message.peer)
      case 'lock':
        return this.#follow(this.machine.viewed(message.lock))
      case 'offer':
        return this.#offered({ fence: message.fence, scope: scopeFrom(message.paths), expires_ms: message.expires_ms })
      case 'granted':
        return this.#follow(this.machine.granted(message.fence, scopeFrom(message.paths)))
      case 'lost':
        return this.#follow(this.machine.lost(message.fence, message.reason))
      case 'drain':
        return this.#drain(message)
      case 'requested':
      case 'request-over':
      case 'idle-warning':
        return this.#asked(message)
      case 'result':
        return this.#result(message.nonce, message.outcome, message.message ?? null)
      case 'park':
        return this.#park(message.park)
      case 'park-content':
        return this.#requests.content(message.nonce, message)
      case 'saved':
        return this.#events.saved(message.updates)
      case 'parked':
        this.parked += 1
        return this.#events.parked(message.id, message.reason)
      case 'error':
        return emit('channel-error', message)
    }
  }

  #welcome(welcome: Welcome): void {
    const { session, resumed, timings } = welcome
    const { emit } = this.#events
    this.#welcomed = true
    this.id = session
    this.timings = timings
    this.epoch = welcome.epoch
    this.#ticket = { session, token: welcome.token, fences: [] }
    this.roster.clear()
    for (const peer of welcome.roster) this.roster.set(peer.session, peer)
    this.parks.clear()
    for (const park of welcome.parks) this.parks.set(park.id, park)
    const effects = this.machine.welcomed(welcome)
    this.#allow(welcome.rights)
    this.#events.welcomed(session, timings)
    emit('welcome', { session, resumed })
    emit('roster', this.roster, null)
    emit('park', this.parks, null)
    this.#events.parks(this.parks, welcome.epoch)
    this.#follow(effects)
    this.#token.welcomed()
    this.#rouse(effects.some(({ type }) => type === 'ask-again'))
  }

  async #renewToken(): Promise<void> {
    try {
      const asking = this.#token.refresh()
      if (!asking) return
      await asking
      const token = this.#token.current
      if (token !== null && this.#welcomed) this.#events.say({ type: 'token', token })
    } catch (error) {
      this.#events.emit('channel-error', { code: 'token', message: `no other token for the one that expires: ${String(error)}`, retry: true })
    }
  }

  /** This session has these rights from now on. */
  #allow(rights: readonly Right[]): void {
    this.rights = new Set(rights)
    this.machine.allow({ write: this.rights.has('write'), lock: this.rights.has('lock') })
    this.#events.emit('rights', this.rights)
  }

  #allowAnew(rights: readonly Right[]): void {
    const couldWrite = this.rights.has('write')
    this.#allow(rights)
    if (!couldWrite && this.rights.has('write')) this.#events.mayWriteAgain()
  }

  #beat(n: number, confirmed: number): void {
    if (!this.mute) {
      this.#events.say({ type: 'answer', n, visible: isVisible(), idle_ms: idleFor() })
      this.machine.answered(n, now())
    }
    this.machine.confirmed(confirmed)
    this.#events.emit('beat', { n, confirmed, answered: !this.mute })
  }

  #peer(peer: Peer): void {
    const before = this.roster.get(peer.session) ?? null
    if (peer.state === 'gone') this.roster.delete(peer.session)
    else this.roster.set(peer.session, peer)
    this.#events.emit('roster', this.roster, { peer, before })
  }

  #park(park: ParkView): void {
    const before = this.parks.get(park.id) ?? null
    this.parks.set(park.id, park)
    this.#events.emit('park', this.parks, { park, before })
    if (this.epoch !== null) this.#events.parks(this.parks, this.epoch)
  }

  #offered(offer: Offer): void {
    const { fence, scope } = offer
    this.machine.offered(fence, scope)
    this.#events.emit('offer', offer)
    const claim = this.#options.claim ?? 'auto'
    const wanted = claim === 'auto' || claim(offer)
    // One that crossed a cancel on its way is not wanted any more.
    if (this.#requests.isPending('cancel') || wanted !== true) {
      const later = wanted === 'later'
      this.machine.declined(fence, later)
      return this.#events.say({ type: 'decline', fence, later })
    }
    this.#events.say({ type: 'claim', fence })
    this.machine.claimSent(fence, now())
  }

  #drain(message: ServerMessage & { type: 'drain' }): void {
    const { fence, reason, expires_ms } = message
    const to = message.to ?? null
    const scope = this.machine.scopeOfOwn(fence)
    if (scope === undefined || !this.machine.drain(fence, { reason, to })) return
    // Nobody types any more before the last words are sent.
    this.#events.changed()
    const last: Promise<unknown>[] = []
    this.#events.emit('draining', { fence, scope, reason, to, expires_ms, waitUntil: (promise) => last.push(promise) })
    const drained = (): void => {
      if (this.machine.drainedSent(fence)) this.#events.say({ type: 'drained', fence })
    }
    if (last.length === 0) drained()
    else void Promise.allSettled(last).then(drained)
  }

  /** What a holder is told about those who would like to have its lock. */
  #asked(message: ServerMessage & { type: 'requested' | 'request-over' | 'idle-warning' }): void {
    const { fence } = message
    const scope = this.machine.scopeOfOwn(fence)
    if (scope === undefined) return
    if (message.type === 'idle-warning') return this.#events.emit('idle-warning', { fence, scope, left_ms: message.left_ms })
    if (message.type === 'request-over') {
      this.machine.requested(fence, null)
      return this.#events.emit('request-over', { fence, scope })
    }
    const request = { by: message.by, note: message.note, until: Date.now() + message.expires_ms }
    this.machine.requested(fence, request)
    this.#events.emit('requested', { fence, scope, ...request })
  }

  #result(nonce: number, outcome: Outcome, message: string | null): void {
    const asked = this.#requests.result(nonce, outcome, message)
    if ((asked?.type === 'acquire' || asked?.type === 'request') && NOT_QUEUED.includes(outcome)) this.machine.gaveUp()
    if (asked?.type === 'release' && outcome === 'stale') this.machine.releaseStale(asked.fence)
  }

  #follow(effects: LockEffect[]): void {
    const { emit } = this.#events
    for (const effect of effects) {
      switch (effect.type) {
        case 'ask-again':
          // A wish that waits asks by itself.
          if (!this.#wake) void this.#requests.ask({ type: 'acquire', ...toWire(effect.scope) })
          break
        case 'release-again':
          void this.#requests.ask({ type: 'release', fence: effect.fence })
          break
        // A branch for each event: in one for all, the compiler could not tell which argument belongs to which name.
        case 'lock-granted':
          emit(effect.type, effect.event)
          break
        case 'lock-lost':
          emit(effect.type, effect.event)
          break
        case 'lock-handed-over':
          emit(effect.type, effect.event)
          break
        case 'offer-ended':
          emit(effect.type, effect.event)
      }
    }
  }
}
