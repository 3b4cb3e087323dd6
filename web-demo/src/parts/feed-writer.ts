/**
 * A small feed of this page's own, for who has no program at hand: a number each second, from a
 * client of its own.
 *
 * Owns that client while it runs; the page itself only watches. Other programs may write the same
 * feed: it goes on from their last number.
 */
import { BatonProvider } from 'baton-client'
import * as Y from 'yjs'
import { isTick, type Tick } from '../feed'
import { h, setAttribute, setText } from '../dom'

/** Between two numbers, in milliseconds. */
const EVERY = 1000

/** Numbers that stay in the document. */
const KEPT = 120

/** The lock under which numbers are written: that of their root type. */
const PATHS = [['ticks']]

/** A walk that stays between -100 and 100. */
export function nextValue(last: number, random: () => number = Math.random): number {
  return Math.max(-100, Math.min(100, last * 0.98 + (random() - 0.5) * 20))
}

export interface FeedWriter {
  readonly element: HTMLElement
  /** Shows the way to start one, or to stop this page's own. */
  update(isQuiet: boolean): void
}

export function feedWriter(watcher: BatonProvider): FeedWriter {
  let running: { provider: BatonProvider; timer: ReturnType<typeof setInterval> } | null = null
  const hint = h('p', { class: 'hint' })
  const button = h('button', { type: 'button', class: 'small primary', 'data-testid': 'feed-start', onclick: () => (running ? stop() : start()) })
  const program = h('p', { class: 'hint' }, 'Or run a program: ', h('code', {}, `cargo run -p baton-client --example feed -- ${watcher.serverUrl} ${watcher.roomname}`))
  const element = h('div', { class: 'feed-writer', 'data-testid': 'feed-writer' }, h('div', {}, hint, program), button)
  const start = (): void => {
    const provider = new BatonProvider(watcher.serverUrl, watcher.roomname, new Y.Doc(), {
      user: { name: 'Small feed', color: '#0e7490' },
      userKey: null,
      resume: false,
    })
    running = { provider, timer: setInterval(() => write(provider), EVERY) }
    draw()
  }
  const write = (provider: BatonProvider): void => {
    if (!provider.synced || !provider.lockFor(PATHS).mayEdit) return
    const ticks = provider.doc.getArray<unknown>('ticks')
    const last = ticks.toArray().filter(isTick).at(-1)
    const tick: Tick = { n: (last?.n ?? 0) + 1, at: Date.now(), value: nextValue(last?.value ?? 0) }
    provider.doc.transact(() => {
      ticks.push([tick])
      if (ticks.length > KEPT) ticks.delete(0, ticks.length - KEPT)
    })
  }
  const stop = (): void => {
    if (!running) return
    clearInterval(running.timer)
    running.provider.destroy()
    running = null
    draw()
  }
  const draw = (): void => {
    setAttribute(element, 'data-running', running !== null)
    program.hidden = running !== null
    setAttribute(button, 'class', running ? 'small' : 'small primary')
    setText(button, running ? 'Stop the small feed' : 'Start a small feed')
    setText(
      hint,
      running
        ? 'This window writes a number each second, as a program would. Open the page in another window, and cut its network there.'
        : 'Nothing writes numbers here yet. This window can do it: one each second, until you close it.',
    )
  }
  draw()
  return {
    element,
    update(isQuiet) {
      element.hidden = !isQuiet && running === null
    },
  }
}
