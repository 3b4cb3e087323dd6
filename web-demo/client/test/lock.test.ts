import { describe, expect, it } from 'vitest'
import type { GrantState, GrantView, LockView, Timings, Welcome } from '../src/channel.js'
import { advance, type Instant } from '../src/clock.js'
import { Answers, Lease } from '../src/lease.js'
import { LockMachine } from '../src/lock.js'
import type { Scope } from '../src/scope.js'

const ME = 7
const HER = 3
const WHOLE = null
const at = (ms: number, wall = ms): Instant => ({ mono: ms, wall })
const fence = (position: number) => ({ epoch: 1, position })
const timings: Timings = {
  beat_every: 5000, server_silent_after: 10_000, offline_after: 10_000, offer: 2000, grace: 5000, client_stop: 7000, drain: 3000, request: 30_000, idle_yield: 90_000,
}

/** A grant to somebody, of the whole document or of a part. */
const grant = (session: number, state: GrantState, position: number, scope: Scope = WHOLE): GrantView => ({
  ...(scope && { paths: scope }), session, state, fence: fence(position),
})

function view(version: number, grants: GrantView[] = [], queue: number[] = []): LockView {
  return { version, mode: 'exclusive-when-held', grants, queue: queue.map((session) => ({ session })), waiting: queue.length }
}

function welcome(lock: LockView, resumed = false): Welcome {
  return { type: 'welcome', version: 1, session: ME, token: 't', resumed, epoch: 1, timings, roster: [], lock, rights: [], parks: [] }
}

/** A machine that was welcomed at 0 into a document with a free lock. */
function free(): LockMachine {
  const lock = new LockMachine()
  lock.helloSent(at(0))
  lock.welcomed(welcome(view(1)))
  return lock
}

/** Is offered that fence, and claims it. */
function claims(lock: LockMachine, position: number, scope: Scope, when: Instant): void {
  lock.offered(fence(position), scope)
  lock.claimSent(fence(position), when)
}

/** A machine that asked at 0, claimed at 10 and was granted fence 5 at 20. */
function holder(): LockMachine {
  const lock = free()
  lock.asked(WHOLE)
  lock.viewed(view(5, [grant(ME, 'offered', 5)], [ME]))
  claims(lock, 5, WHOLE, at(10))
  expect(lock.granted(fence(5), WHOLE)).toEqual([{ type: 'lock-granted', event: { fence: fence(5), scope: WHOLE, kept: false } }])
  lock.viewed(view(6, [grant(ME, 'held', 5)]))
  return lock
}

describe('who may edit', () => {
  it('nobody, before the server has said who holds the lock', () => {
    const lock = new LockMachine()
    expect(lock.right(WHOLE, at(0))).toEqual({ mayEdit: false, why: 'connecting' })
  })

  it('everybody while the lock is free, and when it was free as the connection was lost', () => {
    const lock = free()
    expect(lock.right(WHOLE, at(1))).toEqual({ mayEdit: true, why: 'free' })
    lock.disconnected()
    expect(lock.right(WHOLE, at(99_999))).toEqual({ mayEdit: true, why: 'free-offline' })
  })

  it.each(['offered', 'held', 'suspect', 'recovering', 'draining'] as const)('not this page while it is %s to another', (state) => {
    const lock = free()
    lock.viewed(view(2, [grant(HER, state, 2)]))
    expect(lock.right(WHOLE, at(1))).toEqual({ mayEdit: false, why: 'theirs' })
    lock.disconnected()
    expect(lock.right(WHOLE, at(99_999)).mayEdit).toBe(false)
  })

  it('not this page while it is only offered to it', () => {
    const lock = free()
    lock.viewed(view(5, [grant(ME, 'offered', 5)]))
    expect(lock.right(WHOLE, at(1)).why).toBe('offered')
    claims(lock, 5, WHOLE, at(10))
    expect(lock.right(WHOLE, at(20)).why).toBe('offered')
    lock.granted(fence(5), WHOLE)
    expect(lock.right(WHOLE, at(20))).toEqual({ mayEdit: true, why: 'holder' })
  })

  it('the holder, for client_stop after it sent the last thing that was confirmed', () => {
    const lock = holder()
    expect(lock.right(WHOLE, at(7009)).mayEdit).toBe(true)
    expect(lock.right(WHOLE, at(7010))).toEqual({ mayEdit: false, why: 'unconfirmed' })
    lock.answered(1, at(2000))
    // Sent, but not confirmed: it counts for nothing yet.
    expect(lock.right(WHOLE, at(7010)).mayEdit).toBe(false)
    lock.confirmed(1)
    expect(lock.right(WHOLE, at(8999)).mayEdit).toBe(true)
    expect(lock.right(WHOLE, at(9000)).mayEdit).toBe(false)
  })

  it('the holder, counted from its first claim, however often the offer was told', () => {
    const lock = holder()
    claims(lock, 5, WHOLE, at(5000))
    lock.granted(fence(5), WHOLE)
    expect(lock.right(WHOLE, at(7009)).mayEdit).toBe(true)
    expect(lock.right(WHOLE, at(7010)).mayEdit).toBe(false)
  })

  it('by the clock that advanced more, whichever that is', () => {
    const lock = holder()
    expect(lock.right(WHOLE, at(20, 7010)).mayEdit).toBe(false)
    expect(lock.right(WHOLE, at(7010, 20)).mayEdit).toBe(false)
    expect(lock.right(WHOLE, at(20, -90_000)).mayEdit).toBe(true)
  })

  it('the holder no more from the moment it gives the lock back, and all once it is free', () => {
    const lock = holder()
    lock.releaseSent(fence(5))
    expect(lock.right(WHOLE, at(30))).toEqual({ mayEdit: false, why: 'releasing' })
    expect(lock.viewed(view(9))).toEqual([])
    expect(lock.right(WHOLE, at(30))).toEqual({ mayEdit: true, why: 'free' })
  })

  it('not a copy that has diverged, whatever the lock says', () => {
    const lock = free()
    lock.bar('diverged')
    expect(lock.right(WHOLE, at(1))).toEqual({ mayEdit: false, why: 'diverged' })
  })
})

describe('losing the lock', () => {
  it('ends editing at once, with the reason', () => {
    const lock = holder()
    expect(lock.lost(fence(5), 'offline')).toEqual([{ type: 'lock-lost', event: { fence: fence(5), scope: WHOLE, reason: 'offline' } }])
    expect(lock.right(WHOLE, at(30)).mayEdit).toBe(false)
  })

  it('is believed from a newer view alone, and the reason may follow', () => {
    const lock = holder()
    expect(lock.viewed(view(9, [grant(HER, 'held', 8)]))).toEqual([{ type: 'lock-lost', event: { fence: fence(5), scope: WHOLE, reason: null } }])
    expect(lock.right(WHOLE, at(30)).why).toBe('theirs')
    expect(lock.lost(fence(5), 'silent')).toEqual([{ type: 'lock-lost', event: { fence: fence(5), scope: WHOLE, reason: 'silent' } }])
  })

  it('is not believed from a view that is older than the grant or than the last view', () => {
    const lock = holder()
    expect(lock.viewed(view(4, [grant(HER, 'held', 2)]))).toEqual([])
    expect(lock.status(WHOLE).state).toBe('mine')
    expect(lock.lost(fence(4), 'an older grant')).toEqual([])
    expect(lock.status(WHOLE).state).toBe('mine')
    // The grant came before the view that shows it, and after one that was made earlier.
    const early = free()
    claims(early, 7, WHOLE, at(10))
    early.granted(fence(7), WHOLE)
    expect(early.viewed(view(6))).toEqual([])
    expect(early.status(WHOLE).state).toBe('mine')
  })

  it('is not undone by a grant that was overtaken by its loss', () => {
    const lock = holder()
    lock.lost(fence(5), 'silent')
    expect(lock.granted(fence(5), WHOLE)).toEqual([])
    expect(lock.status(WHOLE).state).not.toBe('mine')
  })
})

describe('a lost connection', () => {
  it('keeps the lock when the server resumes the session, counted from the hello', () => {
    const lock = holder()
    lock.disconnected()
    expect(lock.right(WHOLE, at(7010)).why).toBe('unconfirmed')
    lock.helloSent(at(8000))
    const effects = lock.welcomed(welcome(view(12, [grant(ME, 'held', 5)]), true))
    expect(effects).toEqual([{ type: 'lock-granted', event: { fence: fence(5), scope: WHOLE, kept: true } }])
    expect(lock.right(WHOLE, at(14_999)).mayEdit).toBe(true)
    expect(lock.right(WHOLE, at(15_000)).mayEdit).toBe(false)
  })

  it('ends it when the session is a new one', () => {
    const lock = holder()
    lock.disconnected()
    lock.helloSent(at(8000))
    expect(lock.welcomed(welcome(view(12)))).toMatchObject([{ type: 'lock-lost', event: { fence: fence(5) } }])
    expect(lock.right(WHOLE, at(8001)).why).toBe('free')
  })

  it('ends it when the session is the same and the lock has passed on', () => {
    const lock = holder()
    lock.disconnected()
    lock.helloSent(at(30_000))
    expect(lock.welcomed(welcome(view(40, [grant(HER, 'held', 33)]), true))).toMatchObject([{ type: 'lock-lost' }])
    expect(lock.right(WHOLE, at(30_001)).why).toBe('theirs')
  })

  it('is gone over by a page that was reloaded and knows nothing but its ticket', () => {
    const lock = new LockMachine()
    lock.helloSent(at(100))
    lock.welcomed(welcome(view(12, [grant(ME, 'held', 5)]), true))
    expect(lock.status(WHOLE)).toMatchObject({ state: 'mine', fence: fence(5) })
    expect(lock.right(WHOLE, at(150)).mayEdit).toBe(true)
  })

  it('does not forget that the lock was asked for, or given back', () => {
    const asking = free()
    asking.asked(WHOLE)
    asking.disconnected()
    expect(asking.welcomed(welcome(view(9, [grant(HER, 'held', 8)])))).toEqual([{ type: 'ask-again', scope: WHOLE }])
    const giving = holder()
    giving.releaseSent(fence(5))
    giving.disconnected()
    expect(giving.welcomed(welcome(view(9, [grant(ME, 'held', 5)]), true))).toContainEqual({ type: 'release-again', fence: fence(5) })
    expect(giving.right(WHOLE, at(30)).why).toBe('releasing')
  })

  it('does not ask again for a place in the queue that was kept', () => {
    const lock = free()
    lock.asked(WHOLE)
    lock.disconnected()
    expect(lock.welcomed(welcome(view(9, [grant(HER, 'held', 8)], [ME]), true))).toEqual([])
    expect(lock.status(WHOLE)).toMatchObject({ state: 'waiting', place: 1 })
  })
})

describe('the queue', () => {
  it('shows the place, from 1', () => {
    const lock = free()
    lock.asked(WHOLE)
    lock.viewed(view(9, [grant(HER, 'held', 8)], [4, ME, 5]))
    expect(lock.status(WHOLE)).toMatchObject({ state: 'waiting', place: 2, waiting: 3, holder: HER })
  })

  it('is left by giving up, with the offer that was open', () => {
    const lock = free()
    lock.asked(WHOLE)
    lock.offered(fence(5), WHOLE)
    lock.gaveUp()
    lock.viewed(view(9, [grant(HER, 'held', 8)]))
    expect(lock.status(WHOLE).state).toBe('theirs')
  })

  it('keeps the place when an offer was not claimed in time', () => {
    const lock = free()
    lock.asked(WHOLE)
    lock.viewed(view(5, [grant(ME, 'offered', 5)], [ME]))
    lock.offered(fence(5), WHOLE)
    expect(lock.lost(fence(5), 'not claimed')).toEqual([{ type: 'offer-ended', event: { fence: fence(5), reason: 'not claimed' } }])
    lock.viewed(view(8, [grant(HER, 'offered', 8)], [ME]))
    expect(lock.status(WHOLE)).toMatchObject({ state: 'waiting', place: 1 })
  })
})

describe('an offer that is turned down', () => {
  it.each([
    [false, 'free', []],
    [true, 'waiting', [{ type: 'ask-again', scope: WHOLE }]],
  ] as const)('for now (%s) leaves it %s', (later, state, asks) => {
    const lock = free()
    lock.asked(WHOLE)
    lock.viewed(view(5, [grant(ME, 'offered', 5)], [ME]))
    lock.offered(fence(5), WHOLE)
    lock.declined(fence(5), later)
    lock.viewed(view(6, [], later ? [ME] : []))
    expect(lock.status(WHOLE).state).toBe(state)
    // And over a lost connection, if the server has forgotten it.
    lock.disconnected()
    expect(lock.welcomed(welcome(view(7), true))).toEqual(asks)
  })
})

describe('handing over', () => {
  /** A holder that is asked to hand over to her. */
  function draining(): LockMachine {
    const lock = holder()
    expect(lock.drain(fence(5), { reason: 'transfer', to: HER })).toBe(true)
    return lock
  }

  it('ends editing at once, and the lock is still ours until it is drained', () => {
    const lock = draining()
    expect(lock.right(WHOLE, at(30))).toEqual({ mayEdit: false, why: 'draining' })
    expect(lock.status(WHOLE)).toMatchObject({ state: 'draining', drain: { reason: 'transfer', to: HER } })
    expect(lock.viewed(view(7, [grant(ME, 'draining', 5)]))).toEqual([])
    expect(lock.fences).toEqual([fence(5)])
  })

  it('is no loss when it is drained in time', () => {
    const lock = draining()
    const over = { type: 'lock-handed-over', event: { fence: fence(5), scope: WHOLE, reason: 'transfer', to: HER } }
    expect(lock.viewed(view(9, [grant(HER, 'offered', 9)]))).toEqual([over])
    expect(lock.lost(fence(5), 'said late')).toEqual([])
    expect(lock.right(WHOLE, at(30)).why).toBe('theirs')
  })

  it('is no loss either when the server says why it ended', () => {
    const lock = draining()
    expect(lock.drainedSent(fence(5))).toBe(true)
    expect(lock.lost(fence(5), 'given back')).toMatchObject([{ type: 'lock-handed-over', event: { fence: fence(5) } }])
    expect(lock.drainedSent(fence(5))).toBe(false)
  })

  it('is a loss when its time ran out', () => {
    expect(draining().lost(fence(5), 'too late')).toEqual([{ type: 'lock-lost', event: { fence: fence(5), scope: WHOLE, reason: 'too late' } }])
  })

  it('starts anew after a lost connection, when the server says so', () => {
    const lock = draining()
    lock.disconnected()
    lock.helloSent(at(100))
    lock.welcomed(welcome(view(12, [grant(ME, 'draining', 5)]), true))
    // Also before it is told so again.
    expect(lock.right(WHOLE, at(110)).why).toBe('draining')
    expect(lock.drain(fence(5), { reason: 'transfer', to: HER })).toBe(true)
    expect(lock.right(WHOLE, at(110)).why).toBe('draining')
  })

  it('is over after a start of the server, which holds the lock for us again', () => {
    const lock = draining()
    lock.disconnected()
    lock.helloSent(at(100))
    lock.welcomed(welcome(view(12, [grant(ME, 'held', 5)]), true))
    expect(lock.right(WHOLE, at(110)).why).toBe('holder')
  })

  it('is nothing to a grant that is not ours', () => {
    expect(free().drain(fence(5), { reason: 'idle', to: null })).toBe(false)
  })

  it('is asked for, until it is void or begins', () => {
    const lock = holder()
    const request = { by: HER, note: 'please', until: 30_000 }
    expect(lock.requested(fence(5), request)).toBe(true)
    expect(lock.status(WHOLE).request).toEqual(request)
    lock.requested(fence(5), null)
    expect(lock.status(WHOLE).request).toBeNull()
    lock.requested(fence(5), request)
    lock.drain(fence(5), { reason: 'requested', to: null })
    expect(lock.status(WHOLE).request).toBeNull()
  })
})

describe('parts of a document', () => {
  const TITLE: Scope = [['title']]
  const BODY: Scope = [['body']]

  /** A machine that holds the title since 20, by a claim of 10. */
  function titled(): LockMachine {
    const lock = free()
    claims(lock, 5, TITLE, at(10))
    lock.granted(fence(5), TITLE)
    lock.viewed(view(6, [grant(ME, 'held', 5, TITLE)]))
    return lock
  }

  it('are held one by one, each as long as its own claim allows', () => {
    const lock = titled()
    claims(lock, 8, BODY, at(3000))
    lock.granted(fence(8), BODY)
    expect([lock.right(TITLE, at(7009)).why, lock.right(BODY, at(7009)).why]).toEqual(['holder', 'holder'])
    expect([lock.right(TITLE, at(7010)).why, lock.right(BODY, at(7010)).why]).toEqual(['unconfirmed', 'holder'])
    expect(lock.nextLapse(at(7010))).toBe(2990)
    lock.answered(1, at(4000))
    lock.confirmed(1)
    expect([lock.right(TITLE, at(10_999)).why, lock.right(BODY, at(10_999)).why]).toEqual(['holder', 'holder'])
  })

  it('are lost one by one', () => {
    const lock = titled()
    claims(lock, 8, BODY, at(20))
    lock.granted(fence(8), BODY)
    expect(lock.viewed(view(9, [grant(ME, 'held', 8, BODY), grant(HER, 'held', 9, TITLE)]))).toEqual([
      { type: 'lock-lost', event: { fence: fence(5), scope: TITLE, reason: null } },
    ])
    expect([lock.status(TITLE).state, lock.status(BODY).state, lock.status(WHOLE).state]).toEqual(['theirs', 'mine', 'theirs'])
    expect(lock.fences).toEqual([fence(8)])
  })

  it('do not keep others out of the rest', () => {
    const lock = free()
    lock.viewed(view(9, [grant(HER, 'held', 9, TITLE)]))
    expect(lock.right(TITLE, at(1))).toEqual({ mayEdit: false, why: 'theirs' })
    expect(lock.right(BODY, at(1))).toEqual({ mayEdit: true, why: 'free' })
    expect(lock.right(WHOLE, at(1)).mayEdit).toBe(false)
    expect(lock.status(BODY)).toMatchObject({ state: 'free', phase: 'free', holder: null })
    expect(lock.status(WHOLE)).toMatchObject({ state: 'theirs', holder: HER })
  })

  it('have each their own queue', () => {
    const lock = free()
    lock.asked(BODY)
    lock.viewed({
      ...view(9, [grant(HER, 'held', 8)]),
      queue: [{ session: 11, paths: [['title']] }, { session: 12, paths: [['body', 'x']] }, { session: ME, paths: [['body']] }, { session: 13 }],
      waiting: 4,
    })
    expect(lock.status(BODY)).toMatchObject({ state: 'waiting', queue: [12, ME, 13], place: 2 })
    expect(lock.status(TITLE)).toMatchObject({ state: 'theirs', queue: [11, 13], place: null })
    expect(lock.status(WHOLE)).toMatchObject({ state: 'theirs', place: 3, waiting: 4 })
  })

  it('are asked for again as they were', () => {
    const lock = free()
    lock.asked(BODY)
    lock.disconnected()
    expect(lock.welcomed(welcome(view(9, [grant(HER, 'held', 8)])))).toEqual([{ type: 'ask-again', scope: BODY }])
  })

  it('are kept by a resumed session, those that the server still names', () => {
    const lock = titled()
    claims(lock, 8, BODY, at(20))
    lock.granted(fence(8), BODY)
    lock.disconnected()
    lock.helloSent(at(8000))
    expect(lock.welcomed(welcome(view(20, [grant(ME, 'suspect', 8, BODY)]), true))).toEqual([
      { type: 'lock-lost', event: { fence: fence(5), scope: TITLE, reason: 'it passed on while this page was out of reach' } },
      { type: 'lock-granted', event: { fence: fence(8), scope: BODY, kept: true } },
    ])
  })
})

describe('the lease', () => {
  it('takes the newest confirmed sending, and an older confirmation does not shorten it', () => {
    const lease = new Lease()
    lease.renew(at(2000))
    lease.renew(at(0))
    expect(lease.left(at(3000), 7000)).toBe(6000)
  })

  it('gives nothing for a confirmation of what was never sent', () => {
    expect(new Answers().confirmed(9)).toBeNull()
    expect(new Lease().left(at(0), 7000)).toBe(0)
  })

  it('remembers a bounded number of answers', () => {
    const answers = new Answers()
    for (let n = 1; n <= 1000; n += 1) answers.sent(n, at(n))
    expect(answers.confirmed(1)).toBeNull()
    expect(answers.confirmed(1000)).toEqual(at(1000))
    expect(answers.confirmed(999)).toBeNull()
  })

  it('never counts backwards', () => {
    expect(advance(at(10, 10), at(5, 5))).toBe(-5)
    const lease = new Lease()
    lease.renew(at(10))
    expect(lease.left(at(5), 7000)).toBe(7000)
  })
})
