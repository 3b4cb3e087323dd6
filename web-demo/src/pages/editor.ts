/** The editor's page: the shared text, its lock, and the people around it. Owns the order of things on the page. */
import '../style/all.css'
import { h, setAttribute, setText } from '../dom'
import { editor, TEXT } from '../parts/editor'
import { eventLog, type EventLog } from '../parts/events'
import { experiments } from '../parts/experiments'
import { lockStrip } from '../parts/lock'
import { narrate } from '../parts/narrator'
import { draftNotice, parkedNotice, type Draft } from '../parts/parked'
import { roster } from '../parts/roster'
import { saveChip } from '../parts/save-chip'
import { panel, shell } from '../parts/shell'
import { you } from '../parts/you'
import { documentName, startSession } from '../session'
import { editWords, nameOf } from '../words'

/** How often what depends on the clock alone is drawn again, in milliseconds. */
const TICK = 200

const name = documentName('demo')
const log = eventLog()

/** Builds the page on a fresh document. */
function open(log: EventLog, draft: Draft | null): void {
  const { doc, provider, end } = startSession(name, { afresh: draft !== null })
  const { main, side } = shell('editor', name, 'Write together. Whoever takes the lock writes alone, until it is given back or its holder goes offline: then it passes on.')

  const goOn = (left: Draft): void => {
    clearInterval(ticking)
    text.destroy()
    end()
    log.add('Going on from the shared text, as a new session', 'good')
    open(log, left)
  }

  const lock = lockStrip(provider)
  const surface = h('div', { class: 'surface' })
  const why = h('p', { class: 'why', id: 'why', 'data-testid': 'why' })
  const text = editor(surface, doc, provider)
  const people = roster(provider, {
    show: () => true,
    testId: 'roster',
    label: 'Who is in this document',
    empty: 'Nobody yet.',
  })
  narrate(provider, log)

  main.append(
    parkedNotice(provider, () => doc.getText(TEXT).toString(), goOn),
    ...(draft?.text ? [draftNotice(draft)] : []),
    lock.element,
    h('section', { class: 'paper', 'aria-label': 'Shared text' }, surface, h('footer', { class: 'paper-foot' }, why, saveChip(provider))),
    h(
      'p',
      { class: 'hint' },
      'One window is lonely: ',
      h('a', { href: location.href, target: '_blank', rel: 'noopener' }, 'open a second one'),
      ', or send this address to somebody else.',
    ),
  )
  side.append(
    panel('People', people.element),
    you(provider),
    experiments(
      provider,
      {
        heartbeat: 'As a frozen tab: connected, but not answering. You stop writing after 7 s, and the lock passes on after 10.',
        network: 'As a pulled cable: nothing leaves, nothing arrives, and nobody is told.',
      },
      (line) => log.add(line),
    ),
    log.element,
  )

  const update = (): void => {
    const { mayEdit, mayEditWhy } = provider
    setText(why, editWords(mayEditWhy, nameOf(provider.lock.peer)))
    setAttribute(why, 'data-may-edit', String(mayEdit))
    setAttribute(why, 'data-why', mayEditWhy)
  }
  provider.on('may-edit', update)
  provider.on('lock', update)
  provider.on('roster', update)
  const ticking = setInterval(() => {
    lock.tick()
    people.update()
  }, TICK)
  update()
  provider.connect()
}

open(log, null)
