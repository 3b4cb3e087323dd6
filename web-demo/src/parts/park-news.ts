/**
 * News about set-aside text, for its author and for the person who decided, with the way back.
 *
 * Owns one notice, and the memory of which parks of this browser were open. The server names who
 * decided.
 */
import type { BatonProvider, ParkView } from 'baton-client'
import { h, setAttribute, setText } from '../dom'
import { answerWords, cleanName, decidedWords, type Matter } from '../words'
import { isOwnPark } from './parks'
import { whoIs } from './who'

/** A notice about something that can be taken back stays longer, in milliseconds. */
const STAYS = { open: 9000, merged: 9000, discarded: 30_000 } as const

export function parkNews(provider: BatonProvider, matter: Matter, say: (words: string) => void): HTMLElement {
  let stay: ReturnType<typeof setTimeout> | undefined
  let about: number | null = null
  const text = h('span')
  const undo = h(
    'button',
    {
      type: 'button',
      class: 'small',
      'data-testid': 'park-undo',
      onclick: () => {
        if (about === null) return
        void provider.recoverPark(about).then((answer) => {
          const words = answerWords(answer, 'park')
          if (words !== null) say(words)
        })
      },
    },
    'Bring back',
  )
  const close = h('button', { type: 'button', class: 'quiet', onclick: () => hush(), 'aria-label': 'Close this message' }, '×')
  const element = h('div', { class: 'banner park-news', role: 'status', 'data-testid': 'park-news' }, text, undo, close)
  const hush = (): void => {
    clearTimeout(stay)
    about = null
    setAttribute(element, 'data-kind', null)
    setText(text, '')
    undo.hidden = true
  }
  const tell = ({ id, state }: Pick<ParkView, 'id' | 'state'>, words: string): void => {
    clearTimeout(stay)
    about = id
    setText(text, words)
    setAttribute(element, 'data-kind', 'note')
    setAttribute(element, 'data-park', id)
    setAttribute(element, 'data-state', state)
    undo.hidden = state !== 'discarded'
    stay = setTimeout(hush, STAYS[state])
  }
  const decided = (park: ParkView): void => {
    const { state, by } = park
    const byUs = by !== undefined && by === provider.session
    if (isOwnPark(provider, park)) {
      // One's own words enter the text by themselves when one gets the lock.
      const who = by === undefined || (byUs && state === 'merged') ? null : whoIs(provider, by)
      tell(park, decidedWords(state, who, 'you', matter))
    } else if (byUs) tell(park, decidedWords(state, 'you', cleanName(park.user.name) || 'somebody', matter))
    else if (about === park.id) hush()
  }
  /** Open parks of this browser, so that what happened while it was out of touch is told, too. */
  const open = new Map<number, ParkView>()
  provider.on('park', (parks, change) => {
    if (change !== null) {
      if (change.before !== null && change.before.state !== change.park.state) decided(change.park)
    } else {
      for (const [id, before] of open) {
        const now = parks.get(id)
        // A park that is listed no more is in the document.
        if (now === undefined) tell({ id, state: 'merged' }, decidedWords('merged', null, 'you', matter))
        else if (now.state !== before.state) decided(now)
      }
    }
    open.clear()
    for (const park of parks.values()) if (park.state === 'open' && isOwnPark(provider, park)) open.set(park.id, park)
  })
  hush()
  return element
}
