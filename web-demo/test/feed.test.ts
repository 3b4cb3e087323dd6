import { expect, it } from 'vitest'
import { FeedCount, isTick, type Tick } from '../src/feed'
import { colorOf, ordinal, seconds } from '../src/words'

const run = (from: number, to: number): Tick[] => Array.from({ length: to - from + 1 }, (_, i) => ({ n: from + i, at: 0, value: i }))

it('a feed that is seen whole has missed nothing', () => {
  const count = new FeedCount()
  expect(count.take(run(40, 60), false)).toHaveLength(21)
  expect(count.take(run(40, 61), false)).toHaveLength(1)
  expect(count.take(run(40, 61), false)).toHaveLength(0)
  expect(count).toMatchObject({ received: 22, missed: 0, caughtUp: 0 })
})

it('what came late is caught up, and what the array no longer held is missed', () => {
  const count = new FeedCount()
  count.take(run(1, 10), false)
  count.take(run(5, 20), true)
  expect(count).toMatchObject({ received: 20, missed: 0, caughtUp: 10 })
  count.take(run(24, 30), true)
  expect(count).toMatchObject({ received: 27, missed: 3, caughtUp: 17 })
  expect(count.latest?.n).toBe(30)
})

it('a program that begins its numbers again begins a new count', () => {
  const count = new FeedCount()
  count.take(run(1, 100), false)
  count.take(run(1, 2), false)
  expect(count).toMatchObject({ received: 2, missed: 0 })
})

it('only what has the shape of a tick is one', () => {
  expect([null, 7, {}, { n: 1, at: 2 }, { n: 1, at: 2, value: 'x' }, { n: 1, at: Infinity, value: 1 }].some(isTick)).toBe(false)
  expect(isTick({ n: 1, at: 2, value: 3.5 })).toBe(true)
})

it('words for places and durations', () => {
  expect([1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111].map(ordinal)).toEqual(['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '22nd', '101st', '111th'])
  expect([seconds(1234), seconds(12_600)]).toEqual(['1.2 s', '13 s'])
})

it('only a plain colour is drawn with', () => {
  expect(colorOf('#c2410c')).toBe('#c2410c')
  // A name does not tell if white letters can be read on it.
  expect(colorOf('teal')).toBe('#64748b')
  for (const wrong of ['red; background: url(http://elsewhere.example/)', 'url(x)', '', undefined]) expect(colorOf(wrong)).toBe('#64748b')
})
