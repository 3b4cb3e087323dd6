/** The live data's page: a feed that a program writes, and how this page notices and survives a silent server. */
import '../style/all.css'
import { announcer } from '../announcer'
import { h, setAttribute, setText } from '../dom'
import { FeedCount, isTick, type Tick } from '../feed'
import { chart } from '../parts/chart'
import { eventLog } from '../parts/events'
import { experiments } from '../parts/experiments'
import { feedWriter } from '../parts/feed-writer'
import { documentName } from '../parts/name'
import { narrate } from '../parts/narrator'
import { parkedNotice } from '../parts/parked'
import { roster } from '../parts/roster'
import { panel, shell } from '../parts/shell'
import { you } from '../parts/you'
import { startSession } from '../session'
import { clockTime, seconds, TEXT } from '../words'

/** How often what depends on the clock alone is drawn again, in milliseconds. */
const TICK = 200

/** A server that is silent for longer than this is worth a word, in milliseconds. */
const QUIET = 2500

/** What is spoken of each state: without the seconds, which change all the time. */
const SPOKEN = {
  connecting: '',
  reconnecting: 'Out of touch with the server',
  silent: 'The server is silent',
  empty: 'Nothing writes here yet',
  idle: 'Connected; the program is quiet',
  live: 'Live',
} as const

const name = await documentName('feed')
const { provider, end } = startSession(name, { observer: true })
const { main, side } = shell(name)
const log = eventLog()
// A watcher writes nothing: its copy is never left.
const ticks = provider.doc.getArray<unknown>('ticks')
const count = new FeedCount()
const late = new Set<number>()
let heardAt: number | null = null
let catchingUp = false
let caughtBefore = 0
let missedBefore = 0
let contactAt = Date.now()
let cutAt: number | null = null

const writer = feedWriter(provider)
const picture = chart('The newest values of the feed')
const latest = h('span', { class: 'latest', 'data-testid': 'feed-latest' }, '–')
const state = h('p', { class: 'feed-state', 'data-testid': 'feed-state' })
const silence = h('div', { class: 'silence', title: 'How long the server has been silent, out of what is allowed' }, h('i'))
const received = figure('feed-count', 'received')
const missed = figure('feed-missed', 'missed')
const caught = figure('feed-caught-up', 'caught up')
const moment = figure('feed-last-at', 'last came at')

main.append(
  parkedNotice(provider, {
    goOn: () => {
      end()
      location.reload()
    },
  }),
  h(
    'section',
    { class: 'paper feed', 'aria-label': 'Live data' },
    h('div', { class: 'feed-head' }, h('div', {}, h('p', { class: 'label' }, 'Latest value'), latest), h('div', { class: 'feed-health' }, state, silence)),
    writer.element,
    picture.element,
    h('dl', { class: 'figures' }, received.element, missed.element, caught.element, moment.element),
  ),
)
const people = roster(provider, { show: () => true, testId: 'roster', label: 'Who is in this document', empty: 'Nobody yet.' })
side.append(
  panel('Watching and writing', people.element),
  experiments(
    provider,
    {
      heartbeat: 'As a frozen tab: numbers still come, but the others see you go offline.',
      network: 'As a pulled cable: nothing leaves, nothing arrives, and nobody is told. Leave it on for longer than ten seconds.',
    },
    (line) => log.add(line),
  ),
  you(provider),
  log.element,
)
narrate(provider, log, TEXT)

/** A figure with its name under it. */
function figure(testId: string, label: string): { element: HTMLElement; value: HTMLElement } {
  const value = h('dd', { 'data-testid': testId }, '–')
  return { element: h('div', {}, h('dt', {}, label), value), value }
}

function take(): void {
  const all = ticks.toArray().filter(isTick)
  const fresh = count.take(all, catchingUp)
  if (fresh.length === 0) return
  heardAt = Date.now()
  if (catchingUp) for (const { n } of fresh) late.add(n)
  const oldest = all[0]
  for (const n of late) if (oldest && n < oldest.n) late.delete(n)
  draw(all)
}

function draw(all: readonly Tick[]): void {
  setText(latest, count.latest ? count.latest.value.toLocaleString('en', { maximumFractionDigits: 2, minimumFractionDigits: 2 }) : '–')
  setAttribute(latest, 'data-n', count.latest?.n)
  setText(received.value, String(count.received))
  setText(missed.value, String(count.missed))
  setAttribute(missed.value, 'data-bad', count.missed > 0)
  setText(caught.value, String(count.caughtUp))
  setText(moment.value, heardAt === null ? '–' : clockTime(heardAt))
  picture.draw(all, late)
}

function health(): void {
  const limit = provider.timings?.server_silent_after ?? 10_000
  const silent = provider.serverSilentFor
  if (provider.wsconnected) contactAt = Date.now() - silent
  const [word, text] = !provider.wsconnected
    ? cutAt === null
      ? ['connecting', 'Connecting…']
      : ['reconnecting', `Out of touch for ${seconds(Date.now() - cutAt)}`]
    : silent > QUIET
      ? ['silent', `Server silent for ${seconds(silent)} of ${seconds(limit)}`]
      : count.latest === null
        ? ['empty', 'Nothing writes here yet']
        : heardAt !== null && Date.now() - heardAt > 2 * QUIET
          ? ['idle', `Connected; the program has been quiet for ${seconds(Date.now() - heardAt)}`]
          : ['live', 'Live']
  setAttribute(state, 'data-state', word)
  writer.update(word === 'empty' || word === 'idle')
  setText(state, text as string)
  announcer.state('feed', SPOKEN[word as keyof typeof SPOKEN])
  const bar = silence.firstElementChild as HTMLElement
  bar.style.transform = `scaleX(${Math.min(1, silent / limit).toFixed(3)})`
  setAttribute(silence, 'data-near', silent > QUIET)
}

provider.on('connection-close', () => {
  cutAt ??= contactAt
  health()
})
provider.on('sync', (synced) => {
  if (!synced) return
  if (cutAt !== null) {
    log.add(`Back after ${seconds(Date.now() - cutAt)} out of touch: ${count.caughtUp - caughtBefore} numbers caught up, ${count.missed - missedBefore} missed`, 'good')
  }
  cutAt = null
  catchingUp = false
  health()
})
provider.on('status', ({ status }) => {
  if (status === 'connected') {
    catchingUp = cutAt !== null
    caughtBefore = count.caughtUp
    missedBefore = count.missed
  }
  health()
})
ticks.observe(take)
setInterval(() => {
  health()
  people.update()
}, TICK)
take()
health()
provider.connect()
