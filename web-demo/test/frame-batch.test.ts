import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { oncePerFrame } from '../src/frame-batch'

/** Those that wait for the next frame, by their number. */
let frames: Map<number, () => void>

beforeEach(() => {
  vi.useFakeTimers()
  frames = new Map()
  let last = 0
  vi.stubGlobal('requestAnimationFrame', (call: () => void) => {
    last += 1
    frames.set(last, call)
    return last
  })
  vi.stubGlobal('cancelAnimationFrame', (frame: number) => frames.delete(frame))
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const draw = (): void => {
  const due = [...frames.values()]
  frames.clear()
  for (const call of due) call()
}

test('many calls within a frame are one', () => {
  let done = 0
  const soon = oncePerFrame(() => (done += 1))
  for (let i = 0; i < 100; i += 1) soon()
  expect(done).toBe(0)
  draw()
  expect(done).toBe(1)
  // What it asks for while it works comes in the next frame.
  soon()
  draw()
  draw()
  vi.advanceTimersByTime(1000)
  expect(done).toBe(2)
})

test('a page that draws no frames gets its work done all the same, once', () => {
  let done = 0
  const soon = oncePerFrame(() => (done += 1))
  soon()
  vi.advanceTimersByTime(250)
  expect(done).toBe(1)
  draw()
  expect(done).toBe(1)
})
