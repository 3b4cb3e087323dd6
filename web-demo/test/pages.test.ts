/** Small rules of the pages: names of documents and of people, the queue, the small feed. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Peer } from 'baton-client'
import { placeOf } from '../client/src/address'
import { nameProblem, nearName } from '../src/names'
import { nextValue } from '../src/parts/feed-writer'
import { runnersShown } from '../src/parts/lock'
import { COLORS, loadProfile, makeDistinct } from '../src/profile'

afterEach(() => vi.unstubAllGlobals())

describe('the name of a document', () => {
  it.each(['.', '..', '../../etc', 'a/../b', 'a/.', './a'])('%s is refused, by the page and by the client', (name) => {
    expect(nameProblem(name)).toMatch(/cannot be the name of a document/)
    expect(() => placeOf('ws://x/ws', name)).toThrow(RangeError)
  })

  it.each(['notes', 'a/b', '...', '.hidden', 'a..b', '50% über?#.md', '%2e%2e', ' '])('%s is not', (name) => {
    expect(nameProblem(name)).toBeNull()
    // The browser asks for that document and no other.
    expect(decodeURIComponent(new URL(placeOf('ws://x/ws', name)).pathname)).toBe(`/ws/${name}`)
  })

  it('says of a name with control characters or beyond the limit what is wrong', () => {
    expect(nameProblem('a\nb')).toMatch(/control/)
    expect(nameProblem('x'.repeat(1025))).toMatch(/1024/)
    expect(nameProblem('x'.repeat(1024))).toBeNull()
  })

  it('has one near it that can be opened', () => {
    expect(nearName('../../etc', 'demo')).toBe('etc')
    expect(nearName('..', 'demo')).toBe('demo')
    expect(nearName('a/./b', 'demo')).toBe('a/b')
    for (const name of ['../../etc', '..', 'a\nb', '/./', 'x'.repeat(3000)]) expect(nameProblem(nearName(name, 'demo'))).toBeNull()
  })
})

describe('a tab that was duplicated', () => {
  const ada = (session: number, name = 'Ada'): Peer => ({ session, user: { name, color: COLORS[0]?.value ?? '' }, state: 'online', lock: true })

  it('is told apart, by name and by colour', () => {
    const me = { name: 'Ada', color: COLORS[0]?.value ?? '' }
    expect(makeDistinct(me, [])).toEqual(me)
    const second = makeDistinct(me, [ada(1)])
    expect(second.name).toBe('Ada (2)')
    expect(second.color).not.toBe(me.color)
    expect(makeDistinct(second, [ada(1), ada(2, 'Ada (2)')]).name).toBe('Ada (3)')
    expect(makeDistinct(me, [ada(1, ' Ada\u200b')]).name).toBe('Ada (2)')
  })

  it('does not take over a blank name or a colour that is none', () => {
    const kept = new Map([['baton-profile', JSON.stringify({ name: ' \u200b ', color: 'red' })]])
    const store = { getItem: (key: string) => kept.get(key) ?? null, setItem: () => {} }
    vi.stubGlobal('sessionStorage', store)
    vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => {} })
    expect(loadProfile().name).toMatch(/\w/)
    kept.set('baton-profile', JSON.stringify({ name: ' Ada ', color: '#fff' }))
    expect(loadProfile()).toEqual({ name: 'Ada', color: expect.stringMatching(/^#(?!fff)[0-9a-f]{6}$/) as unknown })
  })
})

describe('a queue', () => {
  it('always shows one’s own place', () => {
    expect(runnersShown(4, 3, 6)).toEqual([0, 1, 2, 3])
    expect(runnersShown(9, 2, 6)).toEqual([0, 1, 2, 3, 4, 5])
    expect(runnersShown(9, 8, 6)).toEqual([0, 1, 2, 3, 7, 8])
    expect(runnersShown(101, 60, 6)).toEqual([0, 1, 2, 3, 59, 60])
    expect(runnersShown(9, 8, 3)).toEqual([0, 7, 8])
    expect(runnersShown(9, -1, 6)).toEqual([0, 1, 2, 3, 4, 5])
  })
})

describe('the small feed', () => {
  it('stays within its bounds', () => {
    let value = 0
    for (let i = 0; i < 1000; i++) {
      value = nextValue(value, () => (i % 7 === 0 ? 0 : 0.999))
      expect(Math.abs(value)).toBeLessThanOrEqual(100)
    }
    expect(nextValue(0, () => 1)).not.toBe(nextValue(0, () => 0))
  })
})
