/**
 * Edits that were set aside: whose, how much, what they would change, and what to do about them.
 *
 * Owns the rows and what is open in them. What a park is, the server says; what becomes of it, people do.
 */
import { draftDoc, type BatonProvider, type Draft, type ParkContent, type ParkView } from 'baton-client'
import { h, setAttribute, setText } from '../dom'
import { REGIONS } from '../regions'
import { ago, answerWords, cleanName, colorOf, parkWords, type Matter } from '../words'
import { difference } from './difference'
import { whoIs } from './who'

export interface ParksPanel {
  readonly element: HTMLElement
  /** Opens a park and brings it into view. */
  show(id: number): void
  /** Looks at the clock again. */
  tick(): void
}

export function parksPanel(provider: BatonProvider, matter: Matter, say: (words: string) => void): ParksPanel {
  const rows = new Map<number, Row>()
  const title = h('h2', { id: 'parks-title', 'data-testid': 'parks-title' })
  const open = h('ul', { class: 'parks-list', 'data-testid': 'parks' })
  const discarded = h('ul', { class: 'parks-list', 'data-testid': 'parks-discarded' })
  const drafts = h('ul', { class: 'parks-list', 'data-testid': 'drafts' })
  const bin = h('details', { class: 'bin' }, h('summary', {}, 'Left out'), discarded)
  const element = h('section', { class: 'parks', 'aria-labelledby': 'parks-title', 'data-testid': 'parks-panel', hidden: true }, title, open, drafts, bin)

  const update = (): void => {
    const shown = [...provider.parks.values()].filter(({ state }) => state !== 'merged')
    for (const [id, row] of rows) {
      if (shown.some((park) => park.id === id)) continue
      row.element.remove()
      rows.delete(id)
    }
    for (const park of shown) {
      const row = rows.get(park.id) ?? newRow(provider, park.id, matter, say)
      rows.set(park.id, row)
      row.fill(park)
      const list = park.state === 'open' ? open : discarded
      if (row.element.parentElement !== list) list.append(row.element)
    }
    const edits = shown.reduce((sum, { state, edits: n }) => sum + (state === 'open' ? n : 0), 0)
    setText(title, edits === 0 ? `Nothing waits to be added to ${matter.place}` : `Not in ${matter.place} yet`)
    setAttribute(element, 'data-edits', edits)
    const left = [...new Set(provider.drafts.values())].filter(({ parks }) => !parks.some((id) => shown.some((park) => park.id === id)))
    drafts.replaceChildren(...left.map((draft) => draftRow(provider, draft)))
    element.hidden = shown.length === 0 && left.length === 0
    bin.hidden = discarded.children.length === 0
    setText(bin.firstElementChild as HTMLElement, `Left out (${discarded.children.length})`)
  }
  for (const event of ['park', 'drafts', 'welcome', 'may-edit'] as const) provider.on(event, update)
  provider.on('roster', update)
  update()
  return {
    element,
    show(id) {
      rows.get(id)?.show()
    },
    tick: () => rows.forEach((row) => row.tick()),
  }
}

/** A draft of this browser of which the server may not have everything: it stays until somebody puts it away. */
function draftRow(provider: BatonProvider, draft: Draft): HTMLElement {
  const copy = h('button', { type: 'button', class: 'small', 'data-testid': 'draft-copy', onclick: () => void copyText(draft, copy) }, 'Copy my text')
  const forget = h('button', { type: 'button', class: 'small quiet', onclick: () => provider.dropDraft(draft) }, 'Put it away')
  return h(
    'li',
    { class: 'park draft', 'data-testid': 'draft-notice' },
    h('span', { class: 'park-head' }, h('b', {}, 'Your draft'), h('time', { class: 'park-when' }, ago(Date.now() - draft.at))),
    h('span', { class: 'row' }, copy, forget),
  )
}

interface Row {
  readonly element: HTMLElement
  fill(park: ParkView): void
  show(): void
  tick(): void
}

function newRow(provider: BatonProvider, id: number, matter: Matter, say: (words: string) => void): Row {
  let park: ParkView | null = null
  /** How much the park held when its content was asked for; it may grow. */
  let asked = -1
  const run = (answer: ReturnType<BatonProvider['mergePark']>): void => void answer.then((one) => {
    const words = answerWords(one, 'park')
    if (words !== null) say(words)
  })
  const who = h('b', { class: 'park-who' })
  const own = h('span', { class: 'badge', 'data-testid': 'park-own' }, 'from this browser')
  const when = h('time', { class: 'park-when' })
  const plus = h('span', { class: 'plus' })
  const minus = h('span', { class: 'minus' })
  const body = h('div', { class: 'park-diff', 'data-testid': 'park-diff', 'aria-live': 'polite' })
  const merge = h('button', { type: 'button', class: 'primary small', 'data-testid': 'park-merge', onclick: () => run(provider.mergePark(id)) }, `Add to ${matter.place}`)
  const discard = h('button', { type: 'button', class: 'small', 'data-testid': 'park-discard', onclick: () => run(provider.discardPark(id)) }, 'Leave out')
  const recover = h('button', { type: 'button', class: 'small', 'data-testid': 'park-recover', onclick: () => run(provider.recoverPark(id)) }, 'Bring back')
  const copy = h('button', { type: 'button', class: 'small quiet', 'data-testid': 'park-copy', onclick: () => void copyText(provider.drafts.get(id), copy) }, 'Copy my text')
  const more = h(
    'details',
    { class: 'park-more', 'data-testid': 'park-show', ontoggle: () => more.open && load() },
    h(
      'summary',
      {},
      h('span', { class: 'dot', 'aria-hidden': 'true' }),
      h('span', { class: 'park-head' }, who, own, when),
      h('span', { class: 'park-size', title: 'Characters added and taken away' }, plus, minus),
    ),
    body,
    h('div', { class: 'row' }, merge, discard, recover, copy),
  )
  const element = h('li', { class: 'park', 'data-testid': 'park', 'data-park': id }, more)
  const load = (): void => {
    if (!park || asked === park.bytes) return
    asked = park.bytes
    if (body.children.length === 0) setText(body, 'Looking…')
    void provider.showPark(id).then(({ content, message, outcome }) => fillBody(body, content, message === null ? null : answerWords({ outcome, message }, 'park')))
  }
  const tick = (): void => {
    if (!park) return
    // The person who decided may have left since.
    const by = park.state === 'discarded' && park.by !== undefined && provider.roster.has(park.by) ? ` · left out by ${whoIs(provider, park.by)}` : ''
    setText(when, `${ago(Date.now() - park.at_ms)}${by}`)
  }
  return {
    element,
    tick,
    show() {
      more.open = true
      element.scrollIntoView({ block: 'nearest' })
    },
    fill(next) {
      park = next
      element.style.setProperty('--who', colorOf(park.user.color))
      setAttribute(element, 'data-state', park.state)
      setAttribute(element, 'data-own', isOwnPark(provider, park))
      setAttribute(element, 'data-edits', park.edits)
      setAttribute(element, 'data-name', park.user.name)
      const isOwn = isOwnPark(provider, park)
      setText(who, parkWords(park, isOwn ? 'you' : cleanName(park.user.name) || 'somebody', matter))
      own.hidden = !isOwn
      setAttribute(when, 'datetime', new Date(park.at_ms).toISOString())
      setText(plus, `+${park.inserted}`)
      setText(minus, park.deleted === 0 ? '' : `−${park.deleted}`)
      minus.hidden = park.deleted === 0
      const isOpen = park.state === 'open'
      merge.hidden = !isOpen
      discard.hidden = !isOpen
      recover.hidden = isOpen
      copy.hidden = !provider.drafts.has(id)
      tick()
      if (more.open) load()
    },
  }
}

/** Tells a park that was written in this browser. */
export function isOwnPark(provider: BatonProvider, park: ParkView): boolean {
  return park.session === provider.session || provider.isOwn(park.session) || provider.drafts.has(park.id)
}

function fillBody(body: HTMLElement, content: ParkContent | null, message: string | null): void {
  if (content === null) return body.replaceChildren(h('p', { class: 'hint' }, message ?? 'It cannot be shown now.'))
  body.replaceChildren(difference(content))
}

/** The whole text of a draft, part by part. */
function textOf(draft: Draft): string {
  const doc = draftDoc(draft)
  const texts = REGIONS.map(({ root }) => doc.getText(root).toString()).filter((text) => text !== '')
  doc.destroy()
  return texts.join('\n\n')
}

async function copyText(draft: Draft | undefined, button: HTMLButtonElement): Promise<void> {
  if (!draft) return
  const before = button.textContent ?? ''
  const text = textOf(draft)
  try {
    await navigator.clipboard.writeText(text)
    setText(button, 'Copied')
    setTimeout(() => setText(button, before), 2000)
  } catch {
    // The browser forbids it: the text can be copied by hand.
    const area = h('textarea', { readonly: true, rows: 6, 'aria-label': 'Your text', 'data-testid': 'draft' })
    area.value = text
    button.closest('details, li')?.append(area)
    area.select()
    button.hidden = true
  }
}
