// Parts of one document, each with a lock of its own.

import assert from 'node:assert/strict'
import { story, waitFor } from '../node/harness.js'
import { BODY, open, SUMMARY } from './pages.js'

/** What a person sees of a part. */
const may = (person, region) => person.is(region, 'data-may-edit')

story('two people write two parts at once, and a third is kept out of both', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  const cleo = await open(stage, server, 'Cleo')
  await ada.takeLock('-summary')
  await bob.takeLock('-body')
  await Promise.all([
    cleo.becomes('lock-button-summary', 'theirs'),
    cleo.becomes('lock-button-body', 'theirs'),
    ada.becomes('lock-button-body', 'theirs'),
    bob.becomes('lock-button-summary', 'theirs')
  ])
  assert.deepEqual([await may(ada, 'region-summary'), await may(ada, 'region-body')], ['true', 'false'])
  assert.deepEqual([await may(cleo, 'region-summary'), await may(cleo, 'region-body')], ['false', 'false'])

  await Promise.all([ada.write('A title from Ada', 'editor-summary'), bob.write('A body from Bob')])
  await cleo.type('not heard', 'editor-summary')
  await cleo.type('not heard')
  await bob.type(' nor this', 'editor-summary')
  for (const person of [ada, bob, cleo]) {
    await person.sees('A title from Ada', undefined, SUMMARY)
    await person.sees('A body from Bob', undefined, BODY)
  }
  assert.equal(await cleo.text(SUMMARY), 'A title from Ada')
  assert.equal(await cleo.text(BODY), 'A body from Bob')

  // Each part has its own line.
  await cleo.at('lock-button-summary').click()
  await cleo.becomes('lock-button-summary', 'waiting')
  assert.equal(await cleo.is('lock-button-body'), 'theirs')
  await bob.at('lock-button-body').click()
  await Promise.all([ada, bob, cleo].map((person) => person.becomes('lock-button-body', 'free')))
  await cleo.write(' and Cleo')
  await bob.sees('A body from Bob and Cleo')
  await ada.at('lock-button-summary').click()
  await cleo.becomes('lock-button-summary', 'mine')
})

story('the whole document waits for its parts, and keeps everybody out of all of them', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.takeLock('-body')
  await bob.becomes('lock-button', 'theirs')
  await bob.at('lock-button').click()
  await bob.becomes('lock-button', 'waiting')
  // An older ticket for all of it comes before a newer one for a part; and nobody waits while holding.
  await ada.becomes('lock-button-summary', 'free')
  await ada.at('lock-button-body').click()
  await bob.becomes('lock-button', 'mine')
  await waitFor('Ada is out of both', async () => await may(ada, 'region-summary') === 'false' && await may(ada, 'region-body') === 'false')
  await bob.write('All ', 'editor-summary')
  await bob.write('of it')
  await ada.sees('All ', undefined, SUMMARY)
  await ada.sees('of it')
})

story('the holder of a part hands it over, and a reload keeps it', async (stage) => {
  // As long as a busy machine may take to load a page.
  const server = await stage.server('--grace', '25s')
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.takeLock('-summary')
  await ada.write('kept', 'editor-summary')
  await ada.becomes('save-state', 'saved')
  await ada.reload()
  await ada.becomes('lock-button-summary', 'mine')
  await ada.finds('Bob', 'online')
  await ada.row('Bob').getByTestId('hand-over').click()
  await bob.becomes('lock-button-summary', 'mine')
  await ada.becomes('lock-button-summary', 'theirs')
  assert.equal(await ada.is('lock-button-body'), 'free')
  await bob.write(' on', 'editor-summary')
  await ada.sees('kept on', undefined, SUMMARY)
})
