/**
 * The cue at the caret when a key did nothing: it names the writer and offers the way to write.
 *
 * Owns one small box for each text, which stands over the page and moves nothing. The editor's
 * guard says when; the words are in `words.ts`.
 */
import type { Answer, BatonProvider, LockHandle } from 'baton-client'
import { placeAtCaret } from 'baton-client/codemirror'
import type { EditorView } from '@codemirror/view'
import { h, setAttribute, setText } from '../dom'
import { answerWords, capital, placeWords, refusedWords } from '../words'
import { holderOf } from './who'

/** The box stays this long after the last key, in milliseconds. */
const STAYS = 6000

export interface Refusal {
  readonly element: HTMLElement
  show(view: EditorView, takenBack?: string): void
}

/** `suffix` follows the test ids. */
export function refusal(provider: BatonProvider, part: LockHandle, suffix: string, news: { say(words: string): void; takes(how: 'taken' | 'moved'): void }): Refusal {
  let stay: ReturnType<typeof setTimeout> | undefined
  let at: EditorView | null = null
  let takenBack: string | undefined
  const words = h('p', { class: 'refusal-words' })
  const act = h('button', { type: 'button', class: 'small primary', 'data-testid': `refusal-act${suffix}` })
  const element = h(
    'div',
    {
      class: 'refusal',
      role: 'status',
      'data-testid': `refusal${suffix}`,
      hidden: true,
      // The person is about to press the button.
      onpointerenter: () => clearTimeout(stay),
      onfocusin: () => clearTimeout(stay),
      onpointerleave: () => linger(),
      onkeydown: (event: KeyboardEvent) => event.key === 'Escape' && close(),
    },
    words,
    act,
  )
  act.addEventListener('click', () => {
    const step = nextStep(provider, part)
    at?.focus()
    close()
    if (step === null) return
    if (step.out) news.takes(step.out)
    void step.run().then((answer) => {
      const refused = answerWords(answer)
      if (refused !== null) news.say(refused)
    })
  })
  const linger = (): void => {
    clearTimeout(stay)
    stay = setTimeout(close, STAYS)
  }
  const close = (): void => {
    clearTimeout(stay)
    element.hidden = true
    takenBack = undefined
    removeEventListener('scroll', place, true)
    removeEventListener('resize', place)
  }
  const fill = (): void => {
    const step = nextStep(provider, part)
    const { place: mine, queue, state } = part.status
    const why = refusedWords(part.right.why, holderOf(provider, part), takenBack)
    setText(words, state === 'waiting' ? `${why} · ${placeWords(mine, queue.length)}` : why)
    setAttribute(element, 'data-why', part.right.why)
    act.hidden = step === null
    setText(act, step?.label ?? '')
  }
  const place = (): void => {
    if (at === null || element.hidden) return
    placeAtCaret(element, at.coordsAtPos(at.state.selection.main.head), at.scrollDOM.getBoundingClientRect())
  }
  const update = (): void => {
    if (element.hidden) return
    if (part.mayEdit) return close()
    fill()
    place()
  }
  for (const event of ['lock', 'may-edit', 'roster'] as const) provider.on(event, update)
  return {
    element,
    show(view, taken) {
      at = view
      takenBack = taken ?? takenBack
      if (element.hidden) {
        element.hidden = false
        // The text may be scrolled under it, in the page or in its own frame.
        addEventListener('scroll', place, true)
        addEventListener('resize', place)
      }
      linger()
      // It was refused inside an update of the editor, which tells no places then.
      requestAnimationFrame(() => {
        if (element.hidden) return
        fill()
        place()
      })
    },
  }
}

interface Step {
  label: string
  out?: 'moved'
  run(): Promise<Answer>
}

/** The next step towards writing there; `null` when the page can only wait. */
function nextStep(provider: BatonProvider, part: LockHandle): Step | null {
  const status = part.status
  // A holder of the whole document is asked for all of it.
  const lock = status.grantScope === null ? provider.lock : part
  if (!provider.wsconnected || part.right.why === 'read-only') return null
  if (status.state === 'free' && part.right.why === 'required') return { label: 'Take the lock', run: () => lock.acquire() }
  if ((status.state !== 'theirs' && status.state !== 'waiting') || status.holder === null || status.holder === provider.session) return null
  if (status.phase === 'offered' || status.phase === 'draining' || status.phase === 'free') return null
  if (provider.isOwn(status.holder)) return { label: 'Move it here', out: 'moved', run: () => lock.moveHere() }
  if (status.requestedBy === provider.session) return null
  return { label: `Ask ${capital(holderOf(provider, part) ?? 'for it')}`, run: () => lock.request('') }
}
