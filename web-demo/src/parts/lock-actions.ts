/**
 * What this page can do about one lock: take it, wait, give it back; ask its holder for it, take it over, move it here.
 *
 * Owns the buttons' meaning in each state and the small form that opens under them; the client decides the states.
 */
import { conflict, NOTE_BYTES, type Answer, type BatonLock, type BatonProvider, type LockHandle, type LockState } from 'baton-client'
import { h, setAttribute, setText } from '../dom'
import { partName, scopeIn } from '../regions'
import { answerWords, nameOf } from '../words'

interface Action {
  label: string
  primary: boolean
  run: ((lock: LockHandle) => Promise<Answer>) | null
}

const ACTIONS: Record<LockState, Action> = {
  unknown: { label: 'Take the lock', primary: true, run: null },
  free: { label: 'Take the lock', primary: true, run: (lock) => lock.acquire() },
  theirs: { label: 'Wait for it', primary: true, run: (lock) => lock.acquire() },
  waiting: { label: 'Stop waiting', primary: false, run: (lock) => lock.cancel() },
  offered: { label: 'Taking it…', primary: false, run: null },
  mine: { label: 'Give it back', primary: false, run: (lock) => lock.release() },
  draining: { label: 'Handing over…', primary: false, run: null },
  releasing: { label: 'Giving it back…', primary: false, run: null },
}

/** The same, in the head of a part. */
const SHORT: Partial<Record<LockState, string>> = { unknown: 'Lock this part', free: 'Lock this part', theirs: 'Wait' }

export interface LockActions {
  /** The buttons. */
  readonly element: HTMLElement
  /** What opens under them. */
  readonly drawer: HTMLElement
  /** The one that takes the lock, waits for it or gives it back. */
  readonly main: HTMLButtonElement
  update(): void
}

export interface LockActionsOptions {
  /** Follows `lock-button`, `ask`, `take-over`, `move-here` in test ids; '' for the whole document. */
  suffix: string
  /** For a part of the document: fewer and smaller words. */
  small: boolean
  /** Says what came of it, where it was refused. */
  say(words: string): void
  /** Is told before a lock is asked for out of turn. */
  takes(how: 'taken' | 'moved'): void
}

/** Who can be asked for the lock now. */
const isHeld = ({ state, phase }: BatonLock): boolean =>
  (state === 'theirs' || state === 'waiting') && phase !== 'free' && phase !== 'offered' && phase !== 'draining' && phase !== null

export function lockActions(provider: BatonProvider, lock: LockHandle, options: LockActionsOptions): LockActions {
  const { suffix, small, say, takes } = options
  const part = partName(lock.scope)
  const run = (answer: Promise<Answer>): void => void answer.then((one) => {
    const words = answerWords(one)
    if (words !== null) say(words)
  })
  const main = h('button', {
    type: 'button',
    'data-testid': `lock-button${suffix}`,
    onclick: () => {
      const action = ACTIONS[lock.state].run
      if (action && !main.hasAttribute('aria-disabled')) run(action(lock))
    },
  })
  const ask = h('button', { type: 'button', class: small ? 'quiet small' : 'quiet', 'data-testid': `ask${suffix}`, 'aria-expanded': 'false' }, small ? 'Ask…' : 'Ask for it…')
  const over = h('button', { type: 'button', class: 'quiet', 'data-testid': small ? null : 'take-over', 'aria-expanded': 'false' }, 'Take over…')
  const here = h('button', { type: 'button', class: small ? 'quiet small' : 'quiet', 'data-testid': `move-here${suffix}`, onclick: () => (takes('moved'), run(lock.moveHere())) }, 'Move it here')
  const drawer = new Drawer(small)
  const holder = (): string => nameOf(lock.peer)
  const close = (): void => drawer.close()
  const confirm = (): HTMLElement => confirmForm(suffix, holder(), part, () => (takes('taken'), run(lock.takeOver())), close)
  ask.addEventListener('click', () => {
    const form = askForm(suffix, holder(), (note) => run(lock.request(note)), close)
    // In the head of a part there is room for one of the two.
    if (small && provider.rights.has('take-over')) {
      const instead = h('button', { type: 'button', class: 'quiet', 'data-testid': `take-over${suffix}`, onclick: () => drawer.put(confirm()) }, 'Take over…')
      form.append(instead)
    }
    drawer.toggle(ask, lock.status.holder, form)
  })
  over.addEventListener('click', () => drawer.toggle(over, lock.status.holder, confirm()))

  const update = (): void => {
    const status = lock.status
    const { state } = status
    const action = ACTIONS[state]
    const { why } = lock.right
    // What the whole document's lock decides is not to be decided again at each part.
    const elsewhere = small && status.grantScope === null && state !== 'free'
    // Nobody waits while holding.
    const ours = (provider.locks?.grants ?? []).filter(({ session }) => session === provider.session)
    const holdsPart = (state === 'theirs' && ours.length > 0) || (state === 'free' && ours.some((grant) => conflict(scopeIn(grant), lock.scope)))
    setText(main, (small && SHORT[state]) || action.label)
    setAttribute(main, 'class', [action.primary && !small ? 'primary' : '', small ? 'small' : ''].join(' ').trim())
    setAttribute(main, 'data-state', state)
    setAttribute(main, 'aria-label', part === null ? null : `${main.textContent ?? ''}: ${part}`)
    // Not `disabled`: the keyboard's focus would be lost whenever the lock passes.
    setAttribute(main, 'aria-disabled', action.run === null || why === 'diverged' || why === 'closed' ? 'true' : null)
    // A person without the right to lock still sees the holder.
    const mayLock = provider.session === null || (provider.rights.has('write') && provider.rights.has('lock'))
    main.hidden = elsewhere || holdsPart || !mayLock
    const held = isHeld(status) && !elsewhere
    const own = held && status.holder !== null && provider.isOwn(status.holder)
    const asked = status.requestedBy !== null && status.requestedBy === provider.session
    ask.hidden = !mayLock || !held || own || asked || holdsPart
    here.hidden = !mayLock || !own
    over.hidden = !mayLock || !held || own || small || holdsPart || !provider.rights.has('take-over')
    // What is open speaks of somebody by name.
    if (drawer.opener?.hidden || drawer.about !== status.holder) drawer.close()
  }
  update()
  return { element: h('div', { class: 'lock-buttons' }, here, over, ask, main), drawer: drawer.element, main, update }
}

/** One form at a time, under the buttons. */
class Drawer {
  readonly element: HTMLElement
  opener: HTMLElement | null = null
  /** The session that the form speaks of. */
  about: number | null = null

  constructor(small: boolean) {
    this.element = h('div', {
      class: small ? 'drawer small' : 'drawer',
      hidden: true,
      onkeydown: (event: KeyboardEvent) => {
        if (event.key === 'Escape') this.close()
      },
    })
  }

  toggle(opener: HTMLElement, about: number | null, form: HTMLElement): void {
    if (this.opener === opener) return this.close()
    this.close()
    this.opener = opener
    this.about = about
    opener.setAttribute('aria-expanded', 'true')
    this.element.hidden = false
    this.put(form)
  }

  /** Shows that instead. */
  put(form: HTMLElement): void {
    this.element.replaceChildren(form)
    form.querySelector<HTMLElement>('input, button')?.focus()
  }

  close(): void {
    const opener = this.opener
    if (!opener) return
    const hadFocus = this.element.contains(document.activeElement)
    opener.setAttribute('aria-expanded', 'false')
    this.opener = null
    this.element.hidden = true
    this.element.replaceChildren()
    if (hadFocus) opener.focus()
  }
}

function askForm(suffix: string, holder: string, send: (note: string) => void, close: () => void): HTMLElement {
  const note = h('input', {
    'data-testid': `ask-note${suffix}`,
    'aria-label': `A word to ${holder}`,
    placeholder: `A word to ${holder}, if you like`,
    // Four bytes are the longest character.
    maxlength: NOTE_BYTES / 4,
    autocomplete: 'off',
  })
  const submit = (event: Event): void => {
    event.preventDefault()
    send(note.value.trim())
    close()
  }
  return h(
    'form',
    { class: 'drawer-row', onsubmit: submit },
    note,
    h('button', { type: 'submit', class: 'primary', 'data-testid': `ask-send${suffix}` }, 'Ask'),
    h('button', { type: 'button', class: 'quiet', onclick: close }, 'Never mind'),
  )
}

function confirmForm(suffix: string, holder: string, part: string | null, take: () => void, close: () => void): HTMLElement {
  const what = part === null ? 'the lock' : part
  return h(
    'div',
    { class: 'drawer-row', role: 'group', 'aria-label': 'Take over' },
    h('p', {}, `Take ${what} from ${holder}? They stop writing within seconds, and are told that it was you.`),
    h('button', { type: 'button', class: 'danger', 'data-testid': `take-over-confirm${suffix}`, onclick: () => (take(), close()) }, 'Take it over'),
    h('button', { type: 'button', class: 'quiet', 'data-testid': `take-over-cancel${suffix}`, onclick: close }, 'Never mind'),
  )
}
