// The chat: a silent user leaves the online list.

import assert from 'node:assert/strict'
import { story, waitFor } from '../node/harness.js'
import { CHAT, open } from './pages.js'

/** The silence after which somebody is offline, and what the machine may add to it, in milliseconds. */
const SILENCE = 10_000
const SLACK = 5_000

const online = (person, name) => person.state(name, 'chat-online').then((state) => state !== null)

async function say (person, words) {
  await person.at('chat-input').fill(words)
  await person.at('chat-input').press('Enter')
}

async function hears (person, words, within) {
  const lines = person.at('chat-messages')
  await waitFor(`${person.name} hears "${words}"`, async () => (await lines.textContent()).includes(words), within)
}

story('a silent user leaves the online list, and misses nothing when back', async (stage, t) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada', { page: CHAT, document: 'chat' })
  const bob = await open(stage, server, 'Bob', { page: CHAT, document: 'chat' })
  await waitFor('both online', async () => await online(ada, 'Bob') && await online(bob, 'Ada'))
  await say(ada, 'Hello Bob')
  await hears(bob, 'Hello Bob')
  await say(bob, 'Hello Ada')
  await hears(ada, 'Hello Ada')

  const began = performance.now()
  await ada.at('cut-network').check()
  await waitFor('Ada left the list', async () => !await online(bob, 'Ada'), SILENCE + SLACK)
  t.diagnostic(`left the list after ${Math.round(performance.now() - began)} ms`)
  assert.equal(await online(bob, 'Bob'), true)
  await say(bob, 'Where are you?')
  await say(ada, 'In a tunnel')

  await ada.at('cut-network').uncheck()
  await waitFor('Ada is back', () => online(bob, 'Ada'), SILENCE + SLACK)
  await hears(ada, 'Where are you?')
  await hears(bob, 'In a tunnel')
})

story('somebody who closes the page leaves the online list', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada', { page: CHAT, document: 'chat' })
  const bob = await open(stage, server, 'Bob', { page: CHAT, document: 'chat' })
  await waitFor('both online', async () => await online(ada, 'Bob') && await online(bob, 'Ada'))
  await ada.page.close()
  await waitFor('Ada left the list', async () => !await online(bob, 'Ada'), SILENCE + SLACK)
})

story('a chat that somebody has locked says so, and keeps what was written in the box', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada', { page: CHAT, document: 'chat' })
  const bob = await open(stage, server, 'Bob', { page: CHAT, document: 'chat' })
  await ada.page.evaluate(() => void window.baton.provider.lockFor([['messages']]).acquire())
  await bob.becomes('chat-why', 'theirs', undefined, 'data-why')
  await bob.at('chat-input').fill('Hello?')
  await bob.page.keyboard.press('Enter')
  assert.equal(await bob.at('chat-why').textContent(), 'Only Ada can write now')
  assert.equal(await bob.at('chat-input').inputValue(), 'Hello?')
  assert.equal(await bob.at('chat-messages').locator('li').count(), 0)
  await ada.page.evaluate(() => void window.baton.provider.lockFor([['messages']]).release())
  await bob.becomes('chat-why', null, undefined, 'data-why')
  await bob.at('chat-input').press('Enter')
  await hears(ada, 'Hello?')
})
