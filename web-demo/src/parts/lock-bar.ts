/**
 * The state of the lock in one line, at the top of the window while the strip's own line is out of
 * sight.
 *
 * Owns the line; it lies over the page, so that it moves nothing when it comes and goes. Its button
 * presses the strip's first button.
 */
import type { LockState } from 'baton-client'
import { h, setAttribute, setText } from '../dom'

export interface LockBar {
  readonly element: HTMLElement
  show(state: { state: LockState; words: string }): void
}

/**
 * `line` is the strip's own line about the state: while all of it is seen, this one is not needed.
 */
export function lockBar(line: HTMLElement, main: HTMLButtonElement): LockBar {
  const words = h('span', { class: 'bar-words' })
  const act = h('button', { type: 'button', class: 'small', 'data-testid': 'lock-bar-act', onclick: () => main.click() })
  const element = h('div', { class: 'lock-bar', role: 'region', 'aria-label': 'The edit lock, in short', 'data-testid': 'lock-bar', hidden: true }, h('span', { class: 'dot', 'aria-hidden': 'true' }), words, act)
  const look = (entries: IntersectionObserverEntry[]): void => {
    element.hidden = (entries.at(-1)?.intersectionRatio ?? 1) > 0.95
  }
  // On a narrow window, notices stand under it.
  new ResizeObserver(() => document.documentElement.style.setProperty('--bar', `${element.offsetHeight || 44}px`)).observe(element)
  new IntersectionObserver(look, { threshold: [0, 0.5, 0.96, 1] }).observe(line)
  return {
    element,
    show(now) {
      setText(words, now.words)
      setAttribute(words, 'title', now.words)
      setAttribute(element, 'data-state', now.state)
      setText(act, main.textContent ?? '')
      setAttribute(act, 'aria-disabled', main.getAttribute('aria-disabled'))
      act.hidden = main.hidden
    },
  }
}
