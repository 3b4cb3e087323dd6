// The lock changes hands while both are there: given, asked for, taken over, moved to another tab, yielded.

import assert from 'node:assert/strict'
import { story, waitFor } from '../node/harness.js'
import { again, open } from './pages.js'

/** What draws and round trips may add to a bound of the protocol on a busy machine, in milliseconds. */
const SLACK = 10_000

/** Both hold the same, and nothing was set aside on the way. */
async function inOrder (...people) {
  await waitFor('all hold the same', async () => new Set(await Promise.all(people.map((person) => person.text()))).size === 1)
  for (const person of people) {
    assert.equal(await person.page.evaluate(() => window.baton.provider.parks.size), 0, `${person.name} sees no park`)
  }
}

story('the holder hands the lock to somebody by name, who never asked', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  const cleo = await open(stage, server, 'Cleo')
  await ada.takeLock()
  await Promise.all([ada.finds('Cleo', 'online'), cleo.becomes('lock-button', 'theirs'), bob.becomes('lock-button', 'theirs')])
  // Bob waits, and is passed over: it is Ada's to give.
  await bob.at('lock-button').click()
  await bob.becomes('queue-place', '1', undefined, 'data-place')
  await ada.write('Ada’s last words. ')
  await ada.row('Cleo').getByTestId('hand-over').click()
  await cleo.becomes('lock-button', 'mine', SLACK)
  await ada.becomes('banner', 'note', SLACK, 'data-kind')
  assert.equal(await ada.mayEdit(), false)
  await bob.becomes('queue-place', '1', undefined, 'data-place')
  await cleo.write('Cleo goes on.')
  await ada.sees('Ada’s last words. Cleo goes on.')
  await inOrder(ada, bob, cleo)
})

story('somebody asks for the lock with a note, and the holder hands it over', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.takeLock()
  await bob.becomes('lock-button', 'theirs')
  await bob.at('ask').click()
  await bob.at('ask-note').fill('Two minutes, please')
  await bob.page.keyboard.press('Enter')
  await ada.shows('request-banner')
  await ada.reads('request-banner', 'Bob asks for the lock')
  await ada.reads('request-banner', 'Two minutes, please')
  await waitFor('the time that is left', async () => Number(await ada.is('request-banner', 'data-left')) > 0)
  await bob.becomes('lock-button', 'waiting')
  assert.equal(await ada.mayEdit(), true, 'who is asked goes on writing')
  await ada.write('One more word. ')
  await ada.at('request-hand-over').click()
  await bob.becomes('lock-button', 'mine', SLACK)
  await ada.shows('request-banner', false)
  await bob.write('Thank you.')
  await ada.sees('One more word. Thank you.')
  await inOrder(ada, bob)
})

story('a holder cannot keep what is asked for: its time runs out', async (stage) => {
  const server = await stage.server('--request', '4s')
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.takeLock()
  await bob.becomes('lock-button', 'theirs')
  await bob.at('ask').click()
  await bob.at('ask-send').click()
  await bob.becomes('lock-button', 'mine', 4_000 + SLACK)
  await ada.becomes('lock-button', 'theirs')
  await inOrder(ada, bob)
})

story('a request is void when who asked gives up', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.takeLock()
  await bob.becomes('lock-button', 'theirs')
  await bob.at('ask').click()
  await bob.at('ask-send').click()
  await ada.shows('request-banner')
  await bob.becomes('lock-button', 'waiting')
  await bob.at('lock-button').click()
  await ada.shows('request-banner', false)
  await ada.becomes('lock-button', 'mine')
})

story('somebody with the right takes the lock over, after saying so twice', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.takeLock()
  await ada.write('Ada was here. ')
  await bob.becomes('lock-button', 'theirs')
  await bob.at('take-over').click()
  await bob.at('take-over-cancel').click()
  await bob.shows('take-over-confirm', false)
  assert.equal(await bob.is('lock-button'), 'theirs')
  await bob.at('take-over').click()
  await bob.at('take-over-confirm').click()
  await bob.becomes('lock-button', 'mine', SLACK)
  await ada.becomes('banner', 'lost', SLACK, 'data-kind')
  await ada.reads('banner', 'Bob took over the lock.')
  assert.equal(await ada.mayEdit(), false)
  await bob.write('Now Bob.')
  await ada.sees('Ada was here. Now Bob.')
  await inOrder(ada, bob)
})

story('nobody is offered to take over without the right, and the server refuses it', async (stage) => {
  const server = await stage.server('--rights', 'manage')
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.takeLock()
  await bob.becomes('lock-button', 'theirs')
  await bob.shows('ask')
  await bob.shows('take-over', false)
  const outcome = await bob.page.evaluate(async () => (await window.baton.provider.lock.takeOver()).outcome)
  assert.equal(outcome, 'not-allowed')
  await ada.becomes('lock-button', 'mine')
})

story('the lock moves to another tab of the same person, and to nobody else', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  const other = await again(stage, server, ada, 'Ada 2')
  await ada.takeLock()
  await Promise.all([bob.becomes('lock-button', 'theirs'), other.becomes('lock-button', 'theirs')])
  await other.shows('move-here')
  await bob.shows('move-here', false)
  const outcome = await bob.page.evaluate(async () => (await window.baton.provider.lock.moveHere()).outcome)
  assert.equal(outcome, 'not-allowed')
  await other.at('move-here').click()
  await other.becomes('lock-button', 'mine', SLACK)
  await ada.becomes('lock-button', 'theirs')
  await other.write('from the other tab')
  await bob.sees('from the other tab')
  await inOrder(ada, bob, other)
})

story('a holder who seems to be away is warned, keeps the lock by a touch, and yields it without', async (stage) => {
  const server = await stage.server('--idle-yield', '9s', '--idle-warning', '6s')
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.takeLock()
  await bob.becomes('lock-button', 'theirs')
  await bob.at('lock-button').click()
  await bob.becomes('lock-button', 'waiting')
  await ada.becomes('idle-banner', 'idle', 9_000 + SLACK, 'data-kind')
  await ada.at('idle-keep').click()
  await ada.becomes('idle-banner', null, SLACK, 'data-kind')
  await ada.becomes('lock-button', 'mine')
  // And now she is away.
  await ada.becomes('idle-banner', 'idle', 9_000 + SLACK, 'data-kind')
  await bob.becomes('lock-button', 'mine', 9_000 + SLACK)
  await ada.becomes('lock-button', 'theirs')
  await inOrder(ada, bob)
})
