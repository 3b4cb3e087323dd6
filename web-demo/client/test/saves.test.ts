import { expect, it } from 'vitest'
import { delayBefore, isFinal } from '../src/backoff.js'
import { closeWords } from '../src/close-codes.js'
import { Saves } from '../src/saves.js'

it('all is saved when the server has counted as many as were sent, and not one earlier', () => {
  const saves = new Saves()
  expect(saves.state).toBe('offline')
  saves.opened()
  expect(saves.state).toBe('saving')
  saves.sent()
  saves.complete()
  saves.acknowledged(1)
  expect(saves.state).toBe('saved')
  saves.sent()
  saves.sent()
  saves.acknowledged(2)
  expect(saves.state).toBe('saving')
  saves.acknowledged(3)
  expect(saves.state).toBe('saved')
})

it('a mark is reached when what it stands for is durable, whatever came later', () => {
  const saves = new Saves()
  const offline = saves.mark()
  saves.opened()
  expect(saves.reached(offline)).toBe(false)
  saves.sent()
  saves.complete()
  saves.sent()
  const second = saves.mark()
  saves.sent()
  saves.acknowledged(1)
  expect([saves.reached(offline), saves.reached(second)]).toEqual([true, false])
  saves.acknowledged(2)
  expect([saves.reached(second), saves.state]).toEqual([true, 'saving'])
})

it('a mark of a lost connection is reached when the next one has carried everything', () => {
  const saves = new Saves()
  saves.opened()
  saves.complete()
  for (let i = 0; i < 5; i += 1) saves.sent()
  const mark = saves.mark()
  saves.closed()
  saves.opened()
  saves.sent()
  expect(saves.reached(mark)).toBe(false)
  saves.complete()
  expect(saves.reached(mark)).toBe(false)
  saves.acknowledged(1)
  expect(saves.reached(mark)).toBe(true)
})

it('a connection that has not been asked for everything cannot vouch for everything', () => {
  const saves = new Saves()
  saves.opened()
  saves.sent()
  saves.acknowledged(1)
  expect(saves.state).toBe('saving')
})

it('what was sent and not acknowledged is still unsaved after the connection', () => {
  const saves = new Saves()
  saves.opened()
  saves.complete()
  saves.sent()
  saves.closed()
  expect(saves.state).toBe('offline')
  expect(saves.unsaved).toBe(true)
  saves.opened()
  expect(saves.unsaved).toBe(true)
  saves.sent()
  saves.complete()
  saves.acknowledged(1)
  expect(saves.unsaved).toBe(false)
})

it('an edit made offline is unsaved', () => {
  const saves = new Saves()
  saves.edited()
  expect(saves.unsaved).toBe(true)
})

it('delays grow from 200 ms to the largest, and are spread', () => {
  const least = (n: number): number => delayBefore(n, 2500, 1006, () => 0)
  const most = (n: number): number => delayBefore(n, 2500, 1006, () => 1)
  expect([0, 1, 2, 3, 9, 5000].map(least)).toEqual([200, 200, 200, 200, 200, 200])
  expect([0, 1, 2, 3, 9, 5000].map(most)).toEqual([400, 800, 1600, 2500, 2500, 2500])
  expect(delayBefore(0, 2500, 4503, () => 0.5)).toBe(1000)
  expect(delayBefore(0, 100, 1006, () => 1)).toBe(100)
})

it('only 4400 to 4499 forbid coming again', () => {
  expect([1000, 1006, 1013, 4399, 4500, 4503, 4508].some(isFinal)).toBe(false)
  expect([4400, 4409, 4423, 4499].every(isFinal)).toBe(true)
  expect(closeWords(4409)).toMatch(/another window/)
  expect(closeWords(4999)).toContain('4999')
})
