/** What happened, newest first, with the time. Owns a bounded list; who writes it decides the words. */
import { h, setText } from '../dom'
import { clockTime } from '../words'
import { panel } from './shell'

/** Lines that are kept; older ones go. */
const MOST = 80

export type Tone = 'plain' | 'good' | 'bad'

export interface EventLog {
  readonly element: HTMLElement
  /** Adds a line; with the `key` of an earlier one, that line's words are replaced instead. */
  add(text: string, tone?: Tone, key?: string): void
}

export function eventLog(): EventLog {
  const list = h('ol', { class: 'events', 'data-testid': 'events', tabindex: '0', 'aria-label': 'Events, newest first' })
  const add = (text: string, tone: Tone = 'plain', key?: string): void => {
    const known = key === undefined ? null : list.querySelector(`[data-key="${CSS.escape(key)}"] .what`)
    if (known) return setText(known, text)
    const now = Date.now()
    list.prepend(
      h(
        'li',
        { 'data-tone': tone, 'data-key': key ?? null },
        h('time', { datetime: new Date(now).toISOString() }, clockTime(now)),
        h('span', { class: 'what' }, text),
      ),
    )
    while (list.children.length > MOST) list.lastElementChild?.remove()
  }
  return { element: panel('What happened', list), add }
}
