import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Announcer, SETTLED } from '../src/announcer'

let spoken: string[]
let announcer: Announcer

beforeEach(() => {
  vi.useFakeTimers()
  spoken = []
  announcer = new Announcer((words) => spoken.push(words))
})
afterEach(() => void vi.useRealTimers())

test('a state that flickers is not spoken, and one that stands still is spoken once', () => {
  announcer.state('saved', 'All is saved')
  for (let i = 0; i < 100; i += 1) {
    announcer.state('saved', i % 2 === 0 ? 'Offline' : 'All is saved')
    vi.advanceTimersByTime(200)
  }
  vi.advanceTimersByTime(10 * SETTLED)
  expect(spoken).toEqual([])

  announcer.state('saved', 'Offline')
  vi.advanceTimersByTime(SETTLED / 2)
  announcer.state('saved', 'Offline')
  vi.advanceTimersByTime(SETTLED / 2)
  expect(spoken).toEqual(['Offline'])
  vi.advanceTimersByTime(10 * SETTLED)
  announcer.state('saved', 'Offline')
  vi.advanceTimersByTime(10 * SETTLED)
  expect(spoken).toEqual(['Offline'])
})

test('topics do not silence each other, and the first state is not news', () => {
  announcer.state('lock', 'The lock is free')
  announcer.state('saved', 'All is saved')
  vi.advanceTimersByTime(10 * SETTLED)
  announcer.state('lock', 'Ada has the lock')
  announcer.state('saved', 'Offline')
  vi.advanceTimersByTime(SETTLED)
  expect(spoken).toEqual(['Ada has the lock', 'Offline'])
})

test('a countdown speaks at 30 and at 10 seconds, not at the others', () => {
  const words = (seconds: number): string => `${seconds}`
  const count = announcer.countdown()
  for (let left = 45; left >= 0; left -= 0.2) count.left(Math.ceil(left), words)
  expect(spoken).toEqual(['30', '10'])

  // The banner that starts it is spoken with its first number.
  for (let left = 30; left >= 0; left -= 1) count.left(left, words)
  expect(spoken).toEqual(['30', '10', '10'])

  // A page that slept says where it is now.
  const slept = announcer.countdown()
  slept.left(25, words)
  slept.left(4, words)
  expect(spoken.slice(3)).toEqual(['4'])
})
