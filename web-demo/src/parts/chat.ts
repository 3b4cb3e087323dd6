/** The messages of a chat and the box that sends them. Owns the shape of a message in the shared array. */
import type { BatonProvider } from 'baton-client'
import type * as Y from 'yjs'
import { h, setAttribute, setText } from '../dom'
import { cleanName, clockTime, colorOf, editWords } from '../words'
import { holderOf } from './who'

/** One line of the chat, as it lies in the array `messages`. */
export interface ChatMessage {
  readonly id: string
  readonly name: string
  readonly color: string
  readonly text: string
  /** Milliseconds since 1970, by the sender's clock. */
  readonly at: number
}

/** Messages that are shown; older ones stay in the document. */
const SHOWN = 200

/** Longest text, in characters. */
const LONGEST = 2000

/** Lines of one person within this time stand under one name, in milliseconds. */
const TOGETHER = 120_000

/** The lock under which messages are written: that of their root type. */
const PATHS = [['messages']]

const messagesOf = (doc: Y.Doc): Y.Array<unknown> => doc.getArray('messages')

/** Whether a Date can hold it. */
const isMoment = (at: unknown): boolean => typeof at === 'number' && Math.abs(at) <= 8.64e15

/** Others may write anything into a shared array: only what has the shape of a message is shown. */
function isMessage(value: unknown): value is ChatMessage {
  const m = value as Partial<ChatMessage> | null
  return typeof m === 'object' && m !== null && typeof m.id === 'string' && typeof m.text === 'string' && typeof m.name === 'string' && isMoment(m.at)
}

export function chatLog(provider: BatonProvider): HTMLElement {
  let messages = messagesOf(provider.doc)
  const list = h('ol')
  const log = h('div', { class: 'messages', 'data-testid': 'chat-messages', role: 'log', 'aria-label': 'Messages', tabindex: '0' }, list)
  const empty = h('p', { class: 'empty' }, 'No messages yet. Say something.')
  const known = new Map<string, HTMLLIElement>()
  const update = (): void => {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40
    const shown = messages.slice(Math.max(0, messages.length - SHOWN)).filter(isMessage)
    const ids = new Set(shown.map(({ id }) => id))
    for (const [id, element] of known) {
      if (ids.has(id)) continue
      element.remove()
      known.delete(id)
    }
    shown.forEach((message, i) => {
      const element = known.get(message.id) ?? line(message)
      known.set(message.id, element)
      setAttribute(element, 'data-follows', follows(shown[i - 1], message))
      setAttribute(element, 'data-own', message.name === provider.user.name)
      if (list.children[i] !== element) list.insertBefore(element, list.children[i] ?? null)
    })
    empty.hidden = shown.length > 0
    if (atEnd) log.scrollTop = log.scrollHeight
  }
  const follow = (): void => {
    messages = messagesOf(provider.doc)
    messages.observe(update)
    update()
  }
  provider.on('doc', follow)
  follow()
  return h('div', { class: 'messages-area' }, empty, log)
}

function follows(before: ChatMessage | undefined, message: ChatMessage): boolean {
  return before !== undefined && before.name === message.name && before.color === message.color && message.at - before.at < TOGETHER
}

/** Others may send a name that cannot be seen. */
const nameIn = ({ name }: ChatMessage): string => cleanName(name) || 'Somebody'

function line(message: ChatMessage): HTMLLIElement {
  return h(
    'li',
    { 'data-id': message.id, '--who': colorOf(message.color) },
    h('span', { class: 'avatar', 'aria-hidden': 'true' }, [...nameIn(message)][0] ?? '?'),
    h('p', { class: 'by' }, h('b', {}, nameIn(message)), h('time', { datetime: new Date(message.at).toISOString() }, clockTime(message.at))),
    h('p', { class: 'said' }, message.text),
  )
}

export function composer(provider: BatonProvider): HTMLElement {
  const input = h('input', {
    id: 'say',
    'data-testid': 'chat-input',
    placeholder: 'Write a message',
    maxlength: LONGEST,
    autocomplete: 'off',
    'aria-label': 'Message',
  })
  const button = h('button', { type: 'submit', class: 'primary', 'data-testid': 'chat-send' }, 'Send')
  const form = h(
    'form',
    {
      class: 'composer',
      onsubmit: (event: Event) => {
        event.preventDefault()
        const text = input.value.trim()
        if (text === '' || !provider.lockFor(PATHS).mayEdit) return
        const { name, color } = provider.user
        const message: ChatMessage = { id: crypto.getRandomValues(new Uint32Array(3)).join('-'), name, color, text, at: Date.now() }
        messagesOf(provider.doc).push([message])
        input.value = ''
      },
    },
    input,
    button,
  )
  // A message that is not taken says why, and stays in the box.
  const why = h('p', { class: 'chat-why', role: 'status', 'data-testid': 'chat-why' })
  const update = (): void => {
    const lock = provider.lockFor(PATHS)
    const { mayEdit, why: reason } = lock.right
    setAttribute(button, 'aria-disabled', mayEdit ? null : 'true')
    setAttribute(why, 'data-why', mayEdit ? null : reason)
    setText(why, mayEdit ? '' : editWords(reason, holderOf(provider, lock)))
  }
  for (const event of ['may-edit', 'lock', 'roster'] as const) provider.on(event, update)
  update()
  return h('div', {}, form, why)
}
