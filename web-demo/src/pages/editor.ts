/** The editor's page: the shared text in its parts, their locks, and the people around it. Owns the order of things on the page. */
import '../style/all.css'
import { h, setAttribute, setText } from '../dom'
import { eventLog } from '../parts/events'
import { experiments } from '../parts/experiments'
import { lockStrip } from '../parts/lock'
import { modeSwitch } from '../parts/mode'
import { documentName } from '../parts/name'
import { narrate } from '../parts/narrator'
import { parkedNotice } from '../parts/parked'
import { parkNews } from '../parts/park-news'
import { parksPanel } from '../parts/parks'
import { regionPart } from '../parts/region'
import { roster } from '../parts/roster'
import { saveChip } from '../parts/save-chip'
import { panel, shell } from '../parts/shell'
import { holderOf } from '../parts/who'
import { you } from '../parts/you'
import { REGIONS } from '../regions'
import { startSession } from '../session'
import { editWords, TEXT } from '../words'

/** How often what depends on the clock alone is drawn again, in milliseconds. */
const TICK = 200

const name = await documentName('demo')
const { provider, end } = startSession(name)
const { main, side } = shell(name)
const log = eventLog()
const lock = lockStrip(provider)
const parts = REGIONS.map((region) => regionPart(provider, region, lock))
const parks = parksPanel(provider, TEXT, lock.say)
const people = roster(provider, {
  show: () => true,
  testId: 'roster',
  label: 'Who is in this document',
  empty: 'Nobody yet.',
  handOver: lock.say,
})
const why = h('p', { class: 'why', id: 'why', 'data-testid': 'why' })
/** The part that the words under the text are about: the one that has the cursor, or had it last. */
let focused = parts[parts.length - 1]

main.append(
  lock.bar,
  lock.element,
  h('section', { class: 'paper text', 'aria-label': 'Shared text' }, ...parts.map(({ element }) => element), h('footer', { class: 'paper-foot' }, why, saveChip(provider))),
  parks.element,
  h(
    'p',
    { class: 'hint' },
    'One window is lonely: ',
    h('a', { href: location.href, target: '_blank', rel: 'noopener' }, 'open a second one'),
    ', or send this address to somebody else.',
  ),
  // Over the page, so that what happens never moves the text.
  h(
    'div',
    { class: 'notice-space', 'data-testid': 'notice-space' },
    parkedNotice(provider, {
      show: parks.show,
      goOn: () => {
        end()
        location.reload()
      },
    }),
    parkNews(provider, TEXT, lock.say),
    lock.news,
  ),
)
side.append(
  panel('People', people.element),
  you(provider),
  modeSwitch(provider, lock.say),
  experiments(
    provider,
    {
      heartbeat: 'As a frozen tab: connected, but not answering. You stop writing after 6.5 s, and the lock passes on after 10.',
      network: 'As a pulled cable: nothing leaves, nothing arrives, and nobody is told.',
    },
    (line) => log.add(line),
  ),
  log.element,
)
narrate(provider, log, TEXT)
// What cannot be saved has to be seen.
provider.on('channel-error', ({ message }) => lock.say(message))

function update(): void {
  if (!focused) return
  const { mayEdit, why: reason } = focused.lock.right
  setText(why, editWords(reason, holderOf(provider, focused.lock)))
  setAttribute(why, 'data-may-edit', String(mayEdit))
  setAttribute(why, 'data-why', reason)
  setAttribute(why, 'data-region', focused.region.id)
}

for (const part of parts) {
  part.element.addEventListener('focusin', () => {
    focused = part
    update()
  })
}
for (const event of ['may-edit', 'lock', 'roster'] as const) provider.on(event, update)
update()
setInterval(() => {
  lock.tick()
  people.update()
  parks.tick()
}, TICK)
provider.connect()
