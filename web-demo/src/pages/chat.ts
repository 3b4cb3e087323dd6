/** The chat's page: messages in a shared array, and an online list that a silent user leaves. */
import '../style/all.css'
import { h } from '../dom'
import { chatLog, composer } from '../parts/chat'
import { eventLog } from '../parts/events'
import { experiments } from '../parts/experiments'
import { documentName } from '../parts/name'
import { narrate } from '../parts/narrator'
import { parkedNotice } from '../parts/parked'
import { parkNews } from '../parts/park-news'
import { parksPanel } from '../parts/parks'
import { roster } from '../parts/roster'
import { saveChip } from '../parts/save-chip'
import { panel, shell } from '../parts/shell'
import { you } from '../parts/you'
import { startSession } from '../session'
import { CHAT } from '../words'

/** How often what depends on the clock alone is drawn again, in milliseconds. */
const TICK = 500

const name = await documentName('chat')
const { provider, end } = startSession(name)
const { main, side } = shell(name)
const log = eventLog()

const online = roster(provider, {
  show: (_, state) => state === 'online' || state === 'shaky',
  testId: 'chat-online',
  label: 'Online',
  empty: 'Nobody is online.',
})
const away = roster(provider, {
  show: (_, state) => state === 'offline',
  testId: 'chat-away',
  label: 'Offline, may come back',
  empty: 'Nobody is away.',
})

const parks = parksPanel(provider, CHAT, (words) => log.add(words, 'bad'))
const goOn = (): void => {
  end()
  location.reload()
}

main.append(
  h(
    'section',
    { class: 'paper chat', 'aria-label': 'Chat' },
    chatLog(provider),
    composer(provider),
    h('footer', { class: 'paper-foot' }, h('p', { class: 'why' }, 'Enter sends. What you send offline is delivered when you are back.'), saveChip(provider)),
  ),
  parks.element,
  h('p', { class: 'hint' }, 'Alone here? ', h('a', { href: location.href, target: '_blank', rel: 'noopener' }, 'Open a second window'), '.'),
  h('div', { class: 'notice-space' }, parkedNotice(provider, { show: parks.show, goOn }, CHAT), parkNews(provider, CHAT, (words) => log.add(words, 'bad'))),
)
side.append(
  panel('Online', online.element),
  panel('Away', away.element),
  you(provider),
  experiments(
    provider,
    {
      heartbeat: 'As a frozen tab: messages still come, but nobody seems to be there. The others see you leave within 10 s.',
      network: 'As a pulled cable: nothing leaves, nothing arrives, and nobody is told.',
    },
    (line) => log.add(line),
  ),
  log.element,
)
narrate(provider, log, CHAT)
setInterval(() => {
  online.update()
  away.update()
  parks.tick()
}, TICK)
provider.connect()
