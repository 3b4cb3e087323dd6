import { describe, expect, it } from 'vitest'
import type { LockView, Welcome } from '../src/channel'
import { advance, type Instant } from '../src/clock'
import { Lease } from '../src/lease'
import { LockMachine } from '../src/lock'

const ME = 7
const HER = 3
const at = (ms: number, wall = ms): Instant => ({ mono: ms, wall })
const fence = (position: number) => ({ epoch: 1, position })
const timings = { beat_every: 5000, server_silent_after: 10_000, offline_after: 10_000, offer: 2000, grace: 5000, client_stop: 7000 }

function view(version: number, state: LockView['state'], more: Partial<LockView> = {}): LockView {
  return { version, state, queue: [], waiting: more.queue?.length ?? 0, ...more }
}

function welcome(lock: LockView, resumed = false): Welcome {
  return { type: 'welcome', version: 1, session: ME, token: 't', resumed, epoch: 1, timings, roster: [], lock }
}

/** A machine that was welcomed at 0 into a document with a free lock. */
function free(): LockMachine {
  const lock = new LockMachine()
  lock.helloSent(at(0))
  lock.welcomed(welcome(view(1, 'free')))
  return lock
}

/** A machine that asked at 0, claimed at 10 and was granted fence 5 at 20. */
function holder(): LockMachine {
  const lock = free()
  lock.asked()
  lock.viewed(view(5, 'offered', { session: ME, fence: fence(5), queue: [ME] }))
  lock.offered(fence(5))
  lock.claimSent(fence(5), at(10))
  expect(lock.granted(fence(5))).toEqual([{ type: 'granted', fence: fence(5), kept: false }])
  lock.viewed(view(6, 'held', { session: ME, fence: fence(5) }))
  return lock
}

describe('who may edit', () => {
  it('nobody, before the server has said who holds the lock', () => {
    const lock = new LockMachine()
    expect(lock.right(at(0))).toEqual({ mayEdit: false, why: 'connecting' })
  })

  it('everybody while the lock is free, and when it was free as the connection was lost', () => {
    const lock = free()
    expect(lock.right(at(1))).toEqual({ mayEdit: true, why: 'free' })
    lock.disconnected()
    expect(lock.right(at(99_999))).toEqual({ mayEdit: true, why: 'free-offline' })
  })

  it.each(['offered', 'held', 'suspect', 'recovering'] as const)('not this page while it is %s to another', (state) => {
    const lock = free()
    lock.viewed(view(2, state, { session: HER, fence: fence(2) }))
    expect(lock.right(at(1))).toEqual({ mayEdit: false, why: 'theirs' })
    lock.disconnected()
    expect(lock.right(at(99_999)).mayEdit).toBe(false)
  })

  it('not this page while it is only offered to it', () => {
    const lock = free()
    lock.viewed(view(5, 'offered', { session: ME, fence: fence(5) }))
    expect(lock.right(at(1)).why).toBe('offered')
    lock.offered(fence(5))
    lock.claimSent(fence(5), at(10))
    expect(lock.right(at(20)).why).toBe('offered')
    lock.granted(fence(5))
    expect(lock.right(at(20))).toEqual({ mayEdit: true, why: 'holder' })
  })

  it('the holder, for client_stop after it sent the last thing that was confirmed', () => {
    const lock = holder()
    expect(lock.right(at(7009)).mayEdit).toBe(true)
    expect(lock.right(at(7010))).toEqual({ mayEdit: false, why: 'unconfirmed' })
    lock.answered(1, at(2000))
    // Sent, but not confirmed: it counts for nothing yet.
    expect(lock.right(at(7010)).mayEdit).toBe(false)
    lock.confirmed(1)
    expect(lock.right(at(8999)).mayEdit).toBe(true)
    expect(lock.right(at(9000)).mayEdit).toBe(false)
  })

  it('the holder, counted from its first claim, however often the offer was told', () => {
    const lock = holder()
    lock.offered(fence(5))
    lock.claimSent(fence(5), at(5000))
    lock.granted(fence(5))
    expect(lock.right(at(7009)).mayEdit).toBe(true)
    expect(lock.right(at(7010)).mayEdit).toBe(false)
  })

  it('by the clock that advanced more, whichever that is', () => {
    const lock = holder()
    expect(lock.right(at(20, 7010)).mayEdit).toBe(false)
    expect(lock.right(at(7010, 20)).mayEdit).toBe(false)
    expect(lock.right(at(20, -90_000)).mayEdit).toBe(true)
  })

  it('the holder no more from the moment it gives the lock back, and all once it is free', () => {
    const lock = holder()
    lock.releaseSent()
    expect(lock.right(at(30))).toEqual({ mayEdit: false, why: 'releasing' })
    expect(lock.viewed(view(9, 'free'))).toEqual([])
    expect(lock.right(at(30))).toEqual({ mayEdit: true, why: 'free' })
  })

  it('not a copy that has diverged, whatever the lock says', () => {
    const lock = free()
    lock.bar('diverged')
    expect(lock.right(at(1))).toEqual({ mayEdit: false, why: 'diverged' })
  })
})

describe('losing the lock', () => {
  it('ends editing at once, with the reason', () => {
    const lock = holder()
    expect(lock.lost(fence(5), 'offline')).toEqual([{ type: 'lost', fence: fence(5), reason: 'offline' }])
    expect(lock.right(at(30)).mayEdit).toBe(false)
  })

  it('is believed from a newer view alone, and the reason may follow', () => {
    const lock = holder()
    expect(lock.viewed(view(9, 'held', { session: HER, fence: fence(8) }))).toEqual([{ type: 'lost', fence: fence(5), reason: null }])
    expect(lock.right(at(30)).why).toBe('theirs')
    expect(lock.lost(fence(5), 'silent')).toEqual([{ type: 'lost', fence: fence(5), reason: 'silent' }])
  })

  it('is not believed from a view that is older than the grant or than the last view', () => {
    const lock = holder()
    expect(lock.viewed(view(4, 'held', { session: HER, fence: fence(2) }))).toEqual([])
    expect(lock.status().state).toBe('mine')
    expect(lock.lost(fence(4), 'an older grant')).toEqual([])
    expect(lock.status().state).toBe('mine')
  })

  it('is not undone by a grant that was overtaken by its loss', () => {
    const lock = holder()
    lock.lost(fence(5), 'silent')
    expect(lock.granted(fence(5))).toEqual([])
    expect(lock.status().state).not.toBe('mine')
  })
})

describe('a lost connection', () => {
  it('keeps the lock when the server resumes the session, counted from the hello', () => {
    const lock = holder()
    lock.disconnected()
    expect(lock.right(at(7010)).why).toBe('unconfirmed')
    lock.helloSent(at(8000))
    const effects = lock.welcomed(welcome(view(12, 'held', { session: ME, fence: fence(5) }), true))
    expect(effects).toEqual([{ type: 'granted', fence: fence(5), kept: true }])
    expect(lock.right(at(14_999)).mayEdit).toBe(true)
    expect(lock.right(at(15_000)).mayEdit).toBe(false)
  })

  it('ends it when the session is a new one', () => {
    const lock = holder()
    lock.disconnected()
    lock.helloSent(at(8000))
    expect(lock.welcomed(welcome(view(12, 'free')))).toMatchObject([{ type: 'lost', fence: fence(5) }])
    expect(lock.right(at(8001)).why).toBe('free')
  })

  it('ends it when the session is the same and the lock has passed on', () => {
    const lock = holder()
    lock.disconnected()
    lock.helloSent(at(30_000))
    expect(lock.welcomed(welcome(view(40, 'held', { session: HER, fence: fence(33) }), true))).toMatchObject([{ type: 'lost' }])
    expect(lock.right(at(30_001)).why).toBe('theirs')
  })

  it('is gone over by a page that was reloaded and knows nothing but its ticket', () => {
    const lock = new LockMachine()
    lock.helloSent(at(100))
    lock.welcomed(welcome(view(12, 'held', { session: ME, fence: fence(5) }), true))
    expect(lock.status()).toMatchObject({ state: 'mine', fence: fence(5) })
    expect(lock.right(at(150)).mayEdit).toBe(true)
  })

  it('does not forget that the lock was asked for, or given back', () => {
    const asking = free()
    asking.asked()
    asking.disconnected()
    expect(asking.welcomed(welcome(view(9, 'held', { session: HER, fence: fence(8) })))).toEqual([{ type: 'ask-again' }])
    const giving = holder()
    giving.releaseSent()
    giving.disconnected()
    expect(giving.welcomed(welcome(view(9, 'held', { session: ME, fence: fence(5) }), true))).toContainEqual({ type: 'release-again', fence: fence(5) })
    expect(giving.right(at(30)).why).toBe('releasing')
  })

  it('does not ask again for a place in the queue that was kept', () => {
    const lock = free()
    lock.asked()
    lock.disconnected()
    expect(lock.welcomed(welcome(view(9, 'held', { session: HER, fence: fence(8), queue: [ME] }), true))).toEqual([])
    expect(lock.status()).toMatchObject({ state: 'waiting', place: 1 })
  })
})

describe('the queue', () => {
  it('shows the place, from 1', () => {
    const lock = free()
    lock.asked()
    lock.viewed(view(9, 'held', { session: HER, fence: fence(8), queue: [4, ME, 5] }))
    expect(lock.status()).toMatchObject({ state: 'waiting', place: 2, waiting: 3, holder: HER })
  })

  it('is left by giving up, with the offer that was open', () => {
    const lock = free()
    lock.asked()
    lock.offered(fence(5))
    lock.gaveUp()
    lock.viewed(view(9, 'held', { session: HER, fence: fence(8) }))
    expect(lock.status().state).toBe('theirs')
  })

  it('keeps the place when an offer was not claimed in time', () => {
    const lock = free()
    lock.asked()
    lock.viewed(view(5, 'offered', { session: ME, fence: fence(5), queue: [ME] }))
    lock.offered(fence(5))
    expect(lock.lost(fence(5), 'not claimed')).toEqual([{ type: 'offer-ended', fence: fence(5), reason: 'not claimed' }])
    lock.viewed(view(8, 'offered', { session: HER, fence: fence(8), queue: [ME] }))
    expect(lock.status()).toMatchObject({ state: 'waiting', place: 1 })
  })
})

describe('the lease', () => {
  it('takes the newest confirmed sending, and an older confirmation does not shorten it', () => {
    const lease = new Lease()
    lease.answered(1, at(0))
    lease.answered(2, at(2000))
    lease.confirmed(2)
    lease.confirmed(1)
    expect(lease.left(at(3000), 7000)).toBe(6000)
  })

  it('gives nothing for a confirmation of what was never sent', () => {
    const lease = new Lease()
    lease.confirmed(9)
    expect(lease.left(at(0), 7000)).toBe(0)
  })

  it('remembers a bounded number of answers', () => {
    const lease = new Lease()
    for (let n = 1; n <= 1000; n += 1) lease.answered(n, at(n))
    lease.confirmed(1)
    expect(lease.left(at(1000), 7000)).toBe(0)
    lease.confirmed(1000)
    expect(lease.left(at(1000), 7000)).toBe(7000)
  })

  it('never counts backwards', () => {
    expect(advance(at(10, 10), at(5, 5))).toBe(-5)
    const lease = new Lease()
    lease.renew(at(10))
    expect(lease.left(at(5), 7000)).toBe(7000)
  })
})
