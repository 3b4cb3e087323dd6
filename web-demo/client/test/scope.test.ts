import { describe, expect, it } from 'vitest'
import type { GrantView, Mode } from '../src/channel.js'
import { rightIn, type Hold, type Situation } from '../src/rights.js'
import { conflict, covers, keyOf, scopeOf, type Scope } from '../src/scope.js'

const title: Scope = [['title']]
const body: Scope = [['body']]
const card: Scope = [['board', 'card-7']]

describe('a scope', () => {
  it('is canonical: sorted, nothing twice, nothing under another', () => {
    expect(scopeOf([['b'], ['a', 'x'], ['a'], ['b'], ['a', 'x', 'y']])).toEqual([['a'], ['b']])
    expect(keyOf(scopeOf([['b'], ['a']]))).toBe(keyOf(scopeOf([['a'], ['b'], ['a']])))
    expect(scopeOf()).toBeNull()
    expect(scopeOf(null)).toBeNull()
  })

  it.each([
    [[[]].slice(1), 'no path'],
    [[[]], 'an empty path'],
    [[['a'], []], 'an empty path beside another'],
    [[['']], 'an empty segment'],
    [[Array<string>(9).fill('a')], 'too deep'],
    [[['ü'.repeat(129)]], 'too long a segment'],
    [Array.from({ length: 17 }, (_, i) => [`r${i}`]), 'too many paths'],
  ])('is refused: %#', (paths) => {
    expect(() => scopeOf(paths)).toThrow(RangeError)
  })

  it('conflicts where one path leads to another, and the whole document with everything', () => {
    expect(conflict(title, body)).toBe(false)
    expect(conflict([['board']], card)).toBe(true)
    expect(conflict(card, [['board']])).toBe(true)
    expect(conflict(card, [['board', 'card-8']])).toBe(false)
    expect(conflict([['boards']], [['board']])).toBe(false)
    expect(conflict(null, card)).toBe(true)
  })

  it('is covered by several grants together', () => {
    expect(covers([title, body], [['body'], ['title']])).toBe(true)
    expect(covers([title], [['body'], ['title']])).toBe(false)
    expect(covers([[['board']]], card)).toBe(true)
    expect(covers([card], [['board']])).toBe(false)
    expect(covers([title, body], null)).toBe(false)
    expect(covers([null], card)).toBe(true)
  })
})

describe('the right to edit', () => {
  const theirs = (scope: Scope, state: GrantView['state'] = 'held'): Situation['others'][number] => ({ scope, state, session: 3, fence: { epoch: 1, position: 9 } })
  const held = (scope: Scope): Hold => ({ scope, phase: 'held' })
  const situation = (more: Partial<Situation>, mode: Mode = 'exclusive-when-held'): Situation => ({ mode, connected: true, holds: [], offers: [], others: [], ...more })

  it.each<[string, Scope, Situation, string]>([
    ['a free root', title, situation({}), 'free'],
    ['a root beside somebody’s', title, situation({ others: [theirs(body)] }), 'free'],
    ['somebody’s root', body, situation({ others: [theirs(body)] }), 'theirs'],
    ['a root that is offered to somebody', body, situation({ others: [theirs(body, 'offered')] }), 'theirs'],
    ['a root of which somebody has a part', [['board']], situation({ others: [theirs(card)] }), 'theirs'],
    ['another part of that root', [['board', 'card-8']], situation({ others: [theirs(card)] }), 'theirs'],
    ['that root, by somebody who has another part of it', [['board', 'card-8']], situation({ holds: [held([['board', 'card-8']])], others: [theirs(card)] }), 'holder'],
    ['the whole document while a part is somebody’s', null, situation({ others: [theirs(body)] }), 'theirs'],
    ['the whole document by the holder of a part', null, situation({ holds: [held(title)] }), 'free'],
    ['the whole document by its holder', null, situation({ holds: [held(null)] }), 'holder'],
    ['two roots, one of them somebody’s', [['body'], ['title']], situation({ holds: [held(title)], others: [theirs(body)] }), 'theirs'],
    ['a root by its holder, unconfirmed', title, situation({ holds: [{ scope: title, phase: 'unconfirmed' }] }), 'unconfirmed'],
    ['a root by the holder of two parts, one unconfirmed', [['board']], situation({ holds: [{ scope: card, phase: 'unconfirmed' }, held([['board', 'card-8']])] }), 'holder'],
    ['a root by a holder that shall stop', title, situation({ holds: [{ scope: null, phase: 'draining' }] }), 'draining'],
    ['a root that is being offered to this page', title, situation({ offers: [title] }), 'offered'],
    ['a free root where only holders may write', title, situation({}, 'required'), 'required'],
    ['a held root where only holders may write', title, situation({ holds: [held(title)] }, 'required'), 'holder'],
    ['the rest of a document where only holders may write', null, situation({ holds: [held(title)] }, 'required'), 'required'],
    ['somebody’s root where locks are advice', body, situation({ others: [theirs(body)] }, 'open'), 'open'],
    ['a free root, out of reach', title, situation({ connected: false }), 'free-offline'],
  ])('in %s', (_, scope, now, why) => {
    expect(rightIn(scope, now)).toEqual({ mayEdit: ['free', 'free-offline', 'holder', 'open'].includes(why), why })
  })
})
