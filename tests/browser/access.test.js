// Each state of the pages for people who do not see them, or see them otherwise.

import assert from 'node:assert/strict'
import { story, waitFor } from '../node/harness.js'
import { stock } from '../node/stock.js'
import { faults } from './axe.js'
import { BODY, CHAT, FEED, open } from './pages.js'

const none = (found) => assert.equal(found.length, 0, found.join('\n\n'))

story('axe finds nothing in the editor: free, mine, theirs, in line, asked, set aside, offline', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  const found = []
  const look = async (person, state) => found.push(...await faults(person, state))
  await ada.write('# A title\n\nand *words* with a [link](https://example.org)')
  await bob.sees('and *words*')
  await look(ada, 'free')
  await ada.takeLock()
  await bob.becomes('lock-button', 'theirs')
  await look(ada, 'mine')
  await look(bob, 'theirs')
  await bob.force('early ', BODY)
  await Promise.all([ada.shows('park'), bob.shows('parked')])
  await ada.at('park-show').locator('summary').click()
  await ada.reads('park-diff', 'early')
  await look(ada, 'a park')
  await look(bob, 'set aside')
  await bob.becomes('lock-button', 'theirs')
  await bob.at('ask').click()
  await look(bob, 'about to ask')
  await bob.at('ask-note').fill('May I?')
  await bob.at('ask-send').click()
  await Promise.all([ada.shows('request-banner'), bob.becomes('lock-button', 'waiting')])
  await look(ada, 'asked')
  await look(bob, 'in line')
  await bob.page.setViewportSize({ width: 390, height: 800 })
  await look(bob, 'in line on a phone')
  await server.kill()
  await Promise.all([ada.becomes('save-state', 'offline'), bob.becomes('save-state', 'offline')])
  await look(ada, 'offline')
  await look(bob, 'offline on a phone')
  none(found)
})

story('axe finds nothing in the chat and in the live data, with and without entries, and offline', async (stage) => {
  const server = await stage.server()
  const found = []
  const look = async (person, state) => found.push(...await faults(person, state))
  const cleo = await open(stage, server, 'Cleo', { page: CHAT, document: 'chat' })
  await look(cleo, 'an empty chat')
  for (const words of ['Hello', 'there']) {
    await cleo.at('chat-input').fill(words)
    await cleo.at('chat-send').click()
  }
  // Colours that others choose must not take the words away.
  await cleo.page.evaluate(() => window.baton.doc.getArray('messages').push(
    ['yellow', '#fff', '#000', 'transparent', 'not a colour'].map((color, i) => ({ id: `m${i}`, name: `Guest ${i}`, color, text: 'Hi', at: 0 }))
  ))
  await cleo.reads('chat-messages', 'Guest 4')
  await look(cleo, 'a chat')

  const dan = await open(stage, server, 'Dan', { page: FEED, document: 'feed' })
  await look(dan, 'no live data')
  const feed = stock(stage, server, 'feed')
  await feed.synced()
  for (let n = 1; n <= 5; n++) feed.doc.getArray('ticks').push([{ n, at: Date.now(), value: n }])
  await waitFor('Dan sees it', async () => await dan.is('feed-latest', 'data-n') === '5')
  await look(dan, 'live data')
  await server.kill()
  await Promise.all([cleo.becomes('save-state', 'offline'), dan.becomes('feed-state', 'reconnecting')])
  await look(cleo, 'a chat offline')
  await look(dan, 'live data offline')
  none(found)
})
