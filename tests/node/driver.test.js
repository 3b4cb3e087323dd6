// The random driver for a minute (`npm run driver` runs it longer), and each of its checks against a history that it must not pass.
//
// SEED, MINUTES and SKIP as in driver/main.js.

import assert from 'node:assert/strict'
import test from 'node:test'
import * as checker from './driver/checker.js'
import { Random } from './driver/random.js'
import { token } from './driver/wire.js'
import { CLOCKS, World } from './driver/world.js'
import { story } from './harness.js'

const minutes = Number(process.env.MINUTES ?? 1)

/** The longest that the last round may take beyond the minutes, in milliseconds: it waits for quiet. */
const LAST_ROUND = 240_000

story('random clients do everything that the protocol allows, and much that it does not', async (stage, t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  const skip = (process.env.SKIP ?? '').split(',')
  t.diagnostic(`SEED=${seed}`)
  const server = await stage.server(...CLOCKS)
  const world = new World({ seed, server, skip, say: (line) => t.diagnostic(line) })
  stage.later(() => world.close())
  await world.run(minutes * 60_000)
  const { counts } = world
  t.diagnostic(JSON.stringify(counts))
  for (const what of ['settled', 'compared', 'ledger']) assert.ok(counts[what] > 0, `nothing was ${what}`)
}, { timeout: minutes * 60_000 + LAST_ROUND })

const fence = (position, epoch = 1) => ({ epoch, position })
const person = { name: 'one' }
const other = { name: 'other' }

/** The oracles of what is found. */
const oracles = (found) => found.map(({ oracle }) => oracle)

const grant = (position, session, paths) => ({ state: 'held', session, fence: fence(position), paths })
const view = (version, ...grants) => ({ incarnation: 0, lock: { version, grants } })

test('locks: two conflicting ones, fences that go back or name two grants, versions, paths that are none', () => {
  const good = [view(1, grant(1, 1, [['a']])), view(2, grant(1, 1, [['a']]), grant(2, 2, [['b', 'c']])), view(3), view(4, grant(4, 1))]
  assert.deepEqual(checker.locks(good), [])
  assert.deepEqual(oracles(checker.locks([view(1, grant(1, 1, [['a']]), grant(2, 2, [['a', 'b']]))])), ['S1'])
  assert.deepEqual(oracles(checker.locks([view(1, grant(1, 1, [['a']]), grant(2, 2))])), ['S1'])
  assert.deepEqual(oracles(checker.locks([view(1, grant(5, 1)), view(2), view(3, grant(4, 1))])), ['S2'])
  assert.deepEqual(oracles(checker.locks([view(1, grant(5, 1)), view(2, grant(5, 2))])), ['S2'])
  assert.deepEqual(oracles(checker.locks([view(2), view(1)])), ['lock-version'])
  assert.deepEqual(oracles(checker.locks([view(1, grant(1, 1, []))])), ['paths'])
  assert.deepEqual(oracles(checker.locks([view(1, grant(1, 1, [[]]))])), ['paths'])
  const later = { incarnation: 1, lock: { version: 1, grants: [{ ...grant(3, 2), fence: fence(1, 2) }] } }
  assert.deepEqual(checker.locks([view(9, grant(9, 1)), later]), [], 'a larger epoch has larger fences')
})

test('fences: one that was told to two sessions', () => {
  const told = (person, session, position, type = 'granted') => ({ person, session, message: { type, fence: fence(position) } })
  assert.deepEqual(checker.fences([told(person, 1, 1, 'offer'), told(person, 1, 1), told(other, 2, 2)]), [])
  assert.deepEqual(oracles(checker.fences([told(person, 1, 1), told(other, 2, 1)])), ['S2'])
})

test('overlaps: two hold for long, both on good lines', () => {
  const held = (person, session, from, to, clear = true, paths = undefined) => ({ person, interval: { session, fence: fence(session), paths, from, to, clear } })
  assert.deepEqual(checker.overlaps([held(person, 1, 0, 1_000), held(other, 2, 900, 9_000)], 10_000), [], 'messages cross')
  assert.deepEqual(checker.overlaps([held(person, 1, 0, null, false), held(other, 2, 900, null)], 60_000), [], 'one was silent')
  assert.deepEqual(checker.overlaps([held(person, 1, 0, null, true, [['a']]), held(other, 2, 900, null, true, [['b']])], 60_000), [])
  assert.deepEqual(oracles(checker.overlaps([held(person, 1, 0, null), held(other, 2, 900, null)], 60_000)), ['S1'])
})

test('results: none, two, one to no question, one that misjudges', () => {
  const asked = (answers, more = {}) => ({ code: null, asked: new Map([[1, { type: 'acquire', answers, message: {} }]]), ...more })
  assert.deepEqual(checker.results(person, asked(1), true), [])
  assert.deepEqual(checker.results(person, asked(0), false), [])
  assert.deepEqual(checker.results(person, asked(0, { code: 1006 }), true), [])
  assert.deepEqual(oracles(checker.results(person, asked(0), true)), ['results'])
  assert.deepEqual(oracles(checker.results(person, asked(2), false)), ['results'])
  const invalid = (valid, outcome) => ({ code: null, asked: new Map([[1, { type: 'acquire', answers: 1, message: {}, valid, outcome }]]) })
  assert.deepEqual(checker.results(person, invalid(false, 'invalid'), true), [])
  assert.deepEqual(oracles(checker.results(person, invalid(false, 'queued'), true)), ['invalid'])
  assert.deepEqual(oracles(checker.results(person, invalid(true, 'invalid'), true)), ['invalid'])
  assert.deepEqual(oracles(checker.results(person, asked(1, { unasked: { nonce: 7 } }), false)), ['results'])
})

test('saved: an edit that is nowhere, another one in its place, one that none has deleted, a deletion that is not there', () => {
  const mark = token(3)
  const ledger = (more = {}) => [{ person, refused: false, blocks: [{ client: 1, clock: 0, end: 2, text: `${mark}x` }], deletes: [], ...more }]
  const newcomer = (end, text, deleted = false) => ({ end: () => end, text: () => text, deleted: () => deleted })
  const none = { words: '', count: 0, any: false }
  const edits = new Map([[mark, 'text: insert']])
  const never = () => false
  const look = (ledger, newcomer, parks = none, deleted = never, by = edits) => oracles(checker.saved(ledger, newcomer, parks, deleted, by))
  assert.deepEqual(look(ledger(), newcomer(2, `${mark}x`)), [])
  assert.deepEqual(look(ledger(), newcomer(0, ''), { words: `...${mark}`, count: 1, any: false }), [])
  assert.deepEqual(look(ledger({ refused: true }), newcomer(0, '')), [])
  assert.deepEqual(look(ledger(), newcomer(2, null), none, () => true), [])
  assert.deepEqual(look(ledger(), newcomer(0, '')), ['saved'], 'nowhere')
  assert.deepEqual(look(ledger(), newcomer(1, '')), ['saved'], 'half of it')
  assert.deepEqual(look(ledger(), newcomer(0, ''), { words: 'other words', count: 1, any: false }), ['saved'], 'not in that park')
  assert.deepEqual(look(ledger(), newcomer(2, `${token(4)}y`)), ['saved'], 'another client with the same id')
  assert.deepEqual(look(ledger(), newcomer(2, null)), ['saved'], 'deleted by none')
  const deletion = ledger({ blocks: [], deletes: [{ client: 1, clock: 0, end: 2 }] })
  assert.deepEqual(look(deletion, newcomer(2, null, true)), [])
  assert.deepEqual(look(deletion, newcomer(2, 'there')), ['saved'])
})

test('both: an edit in the document and in an open park', () => {
  const mark = token(3)
  const blocks = new Map([[mark, { client: 1, clock: 0, end: 1 }]])
  const park = (more = {}) => [{ id: 1, state: 'open', words: mark, gone: '', whole: true, ...more }]
  const has = { end: () => 1, text: () => mark }
  assert.deepEqual(checker.both(park(), { end: () => 0, text: () => '' }, blocks), [])
  assert.deepEqual(checker.both(park({ state: 'discarded' }), has, blocks), [])
  assert.deepEqual(oracles(checker.both(park(), has, blocks)), ['both'])
})

test('decided: a listed park that is unknown, one that stays as it was', () => {
  const asked = (outcome, type = 'merge-park') => ({ type, outcome })
  const park = (state, reason = 'locked') => ({ id: 1, state, reason })
  assert.deepEqual(checker.decided(person, asked('done'), park('merged')), [])
  assert.deepEqual(checker.decided(person, asked('done', 'discard-park'), park('discarded')), [])
  assert.deepEqual(checker.decided(person, asked('stale'), park('merged')), [])
  assert.deepEqual(checker.decided(person, asked('not-allowed'), park('open', 'quarantined')), [])
  assert.deepEqual(oracles(checker.decided(person, asked('unknown'), park('open'))), ['parks'])
  assert.deepEqual(oracles(checker.decided(person, asked('done'), park('open'))), ['parks'])
})

test('converged: another vector, deletions, content, something pending', () => {
  const copy = (more = {}) => ({ person, vector: '1,2', deletes: '', content: '{}', pending: false, ...more })
  assert.deepEqual(checker.converged(copy(), [copy(), copy()]), [])
  for (const more of [{ vector: '1,3' }, { deletes: '1:0-1' }, { content: '[]' }, { pending: true }]) {
    assert.deepEqual(oracles(checker.converged(copy(), [copy(), copy(more)])), ['converged'])
  }
})

test('closes: by a store that works, of one who did nothing, without a word', () => {
  const ended = (code, connection = {}, more = {}) => [{ person: { channel: true, ...person }, connection: { number: 1, code, ...connection }, down: false, ...more }]
  for (const good of [ended(1000), ended(1006, { hurt: true }), ended(1006, {}, { down: true }), ended(4503, {}, { down: true }),
    ended(4409, { replaced: true }), ended(4411, { stranger: true }), ended(4400, { offended: true }), ended(4423, {}, { person: { channel: false } })]) {
    assert.deepEqual(checker.closes(good), [], JSON.stringify(good))
  }
  for (const bad of [ended(4500), ended(4507, { hurt: true, offended: true }, { down: true }), ended(4400), ended(1006), ended(4409), ended(4411), ended(4503), ended(4423), ended(1013)]) {
    assert.deepEqual(oracles(checker.closes(bad)), ['closes'], JSON.stringify(bad))
  }
})

test('confirmed: a holder that answers in vain', () => {
  const beats = (confirmed) => [1, 2, 3, 4, 5].map((n) => ({ n, answered: true, confirmed: Math.min(n - 1, confirmed) }))
  assert.deepEqual(checker.confirmed(person, beats(9), 1), [])
  assert.deepEqual(checker.confirmed(person, beats(0).slice(0, 3), 1), [], 'too early to say')
  assert.deepEqual(checker.confirmed(person, beats(0).map((beat) => ({ ...beat, answered: false })), 1), [])
  assert.deepEqual(oracles(checker.confirmed(person, beats(0), 1)), ['confirmed'])
})

test('roster: one who is gone, one who is missing, a stock client too many', () => {
  const peers = (...sessions) => sessions.map((session) => ({ session, state: 'online', lock: true }))
  const connected = { sessions: [1, 2], stock: 0 }
  assert.deepEqual(checker.roster([...peers(2, 1), { session: 3, state: 'offline', lock: true }], connected), [])
  for (const told of [peers(1), peers(1, 2, 3), [...peers(1, 2), { session: 4, state: 'online', lock: false }]]) {
    assert.deepEqual(oracles(checker.roster(told, connected)), ['roster'])
  }
})

test('holders: one that cannot give back what it was granted', () => {
  const release = (outcome, believed) => [{ person, fence: fence(1), outcome, believed }]
  assert.deepEqual(checker.holders([...release('done', true), ...release('stale', false)]), [])
  assert.deepEqual(oracles(checker.holders(release('stale', true))), ['holders'])
})

test('resumed: as another session, without a token, not at all, with a token of before', () => {
  const welcome = (session, resumed, token, resume, soon = false) => ({ person, resume, soon, welcome: { session, token, resumed } })
  const own = { session: 1, resume: 'own' }
  assert.deepEqual(checker.resumed([welcome(1, false, 'a'), welcome(1, true, 'b', own, true), welcome(2, false, 'c', own)]), [])
  assert.deepEqual(oracles(checker.resumed([welcome(2, true, 'a', own)])), ['resumed'])
  assert.deepEqual(oracles(checker.resumed([welcome(1, true, 'a')])), ['resumed', 'resumed'])
  assert.deepEqual(oracles(checker.resumed([welcome(1, true, 'a', { session: 1, resume: 'wrong' })])), ['resumed'])
  assert.deepEqual(oracles(checker.resumed([welcome(2, false, 'a', own, true)])), ['resumed'])
  assert.deepEqual(oracles(checker.resumed([welcome(1, false, 'a'), welcome(2, false, 'a')])), ['resumed'])
  assert.deepEqual(oracles(checker.resumed([welcome(1, false, 'a'), welcome(1, false, 'b')])), ['resumed'])
})

test('process: one that ended, panicked, or grew', () => {
  const server = (more = {}) => ({ log: 'all is well', ended: null, resident: 1, ...more })
  assert.deepEqual(checker.process(server(), 10), [])
  for (const more of [{ ended: 'SIGABRT' }, { log: 'thread main panicked at x.rs' }, { resident: 11 }]) {
    assert.deepEqual(oracles(checker.process(server(more), 10)), ['process'])
  }
})

test('a seed repeats its choices', () => {
  const choices = (seed) => {
    const random = new Random(seed)
    return Array.from({ length: 20 }, () => [random.below(100), random.fork().below(100), random.weighted([[1, 'a'], [2, 'b']])])
  }
  assert.deepEqual(choices(7), choices(7))
  assert.notDeepEqual(choices(7), choices(8))
})
