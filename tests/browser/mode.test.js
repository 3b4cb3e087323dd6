// Who may write, changed while people are at it.

import assert from 'node:assert/strict'
import { story } from '../node/harness.js'
import { open } from './pages.js'

story('the mode changes for everybody at once', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await Promise.all([ada.becomes('mode', 'exclusive-when-held', undefined, 'data-mode'), bob.becomes('editor', 'true', undefined, 'data-may-edit')])

  // Where a lock is required, nobody writes without one.
  await ada.at('mode-required').check()
  await Promise.all([ada, bob].map((person) => person.becomes('mode', 'required', undefined, 'data-mode')))
  await Promise.all([ada, bob].map((person) => person.becomes('editor', 'false', undefined, 'data-may-edit')))
  assert.equal(await bob.is('why', 'data-why'), 'required')
  await bob.type('not heard')
  await bob.takeLock()
  await bob.write('Bob may. ')
  await ada.sees('Bob may. ')
  assert.equal(await ada.text(), 'Bob may. ')

  // Where locks are advice, both write, and the lock is still shown.
  await ada.at('mode-open').check()
  await Promise.all([ada, bob].map((person) => person.becomes('why', 'open', undefined, 'data-why')))
  await ada.becomes('lock-button', 'theirs')
  await ada.write('Ada may, too.')
  await bob.sees('Ada may, too.')
  assert.equal(await bob.is('lock-button'), 'mine')

  // And back: the holder alone.
  await bob.at('mode-exclusive-when-held').check()
  await ada.becomes('editor', 'false', undefined, 'data-may-edit')
  await bob.becomes('editor', 'true', undefined, 'data-may-edit')
})

story('only who may manage the document changes its mode', async (stage) => {
  const server = await stage.server('--rights', 'take-over')
  const ada = await open(stage, server, 'Ada')
  await ada.becomes('mode', 'exclusive-when-held', undefined, 'data-mode')
  assert.equal(await ada.at('mode-open').isDisabled(), true)
  const outcome = await ada.page.evaluate(async () => (await window.baton.provider.setMode('open')).outcome)
  assert.equal(outcome, 'not-allowed')
  assert.equal(await ada.is('mode', 'data-mode'), 'exclusive-when-held')
})
