// The README's picture, made by `SHOT=1 npm test`: it always shows what the program is now.

import { fileURLToPath } from 'node:url'
import { story, waitFor } from '../node/harness.js'
import { BODY, open, SUMMARY } from './pages.js'

const PICTURE = fileURLToPath(new URL('../../docs/screenshot.png', import.meta.url))

const TITLE = `# The relay

How the right to write passes from hand to hand.`

const TEXT = `Four runners, one baton. Whoever carries it runs; the others are ready.

- The next runner stands in **the exchange zone**
- A runner who falls hands nothing over: somebody must *notice*
`

/** The places of the colours in the row under the name. */
const COLORS = { Ada: 5, Bob: 3, Cleo: 7 }

async function draw (stage) {
  const server = await stage.server()
  const size = { width: 1280, height: 800 }
  const people = []
  for (const [name, color] of Object.entries(COLORS)) {
    const person = await open(stage, server, name, { document: 'relay', size })
    await person.at('colors').locator('input').nth(color).check()
    people.push(person)
  }
  const [ada, bob, cleo] = people
  await ada.force(TITLE, SUMMARY)
  await ada.force(TEXT, BODY)
  await bob.sees('must *notice*')
  await ada.takeLock('-summary')
  await bob.takeLock('-body')
  await bob.type('\nThen she **lets go**')
  // Cleo writes in a part that Bob has: it is set aside.
  await cleo.becomes('lock-button-body', 'theirs')
  await cleo.page.evaluate(() => {
    const text = window.baton.doc.getText('content')
    text.insert(text.toString().indexOf('\n- A runner'), ', thirty metres long, and starts to run early')
  })
  await ada.shows('park')
  await cleo.shows('parked')
  await cleo.becomes('lock-button-summary', 'theirs')
  await cleo.at('ask-summary').click()
  await cleo.at('ask-note-summary').fill('May I try another title?')
  await cleo.at('ask-send-summary').click()
  await ada.shows('request-banner')
  await ada.at('park-show').locator('summary').click()
  await ada.reads('park-diff', 'thirty metres')
  await ada.sees('lets go')
  await ada.becomes('save-state', 'saved')
  await waitFor('Cleo is back', async () => await ada.state('Cleo') === 'online')
  await ada.page.evaluate(() => scrollTo(0, 0))
  await ada.page.screenshot({ path: PICTURE, fullPage: true, animations: 'disabled' })
}

if (process.env.SHOT === '1') story('the picture for the README', draw)
