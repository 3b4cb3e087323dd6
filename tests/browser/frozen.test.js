// A page that is frozen: its connection stays, the browser's network process answers the server's pings, and nothing of
// the page runs. Only the beats tell. With the server's defaults.

import assert from 'node:assert/strict'
import { story } from '../node/harness.js'
import { open } from './pages.js'

/** How long a holder's beats may go unanswered while somebody waits, in milliseconds. */
const SILENCE = 10_000

/** An answer that was under way when the page froze may move the beginning by this much. */
const STALE = 5_000

/** What the machine may add. */
const SLACK = 5_000

/**
 * Nothing of the page runs until it thaws: as a script that does not come to its end, or a tab that the browser froze.
 * (`Page.setWebLifecycleState` freezes hidden pages only, and Playwright shows all of its pages as visible.)
 */
async function freeze (devtools) {
  await devtools.send('Debugger.enable')
  const paused = new Promise((resolve) => devtools.once('Debugger.paused', resolve))
  await devtools.send('Debugger.pause')
  await paused
}

const thaw = (devtools) => devtools.send('Debugger.resume')

story('a holder whose page is frozen loses the lock in time, and its page finds out when it goes on', async (stage, t) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  const devtools = await ada.page.context().newCDPSession(ada.page)
  await ada.takeLock()
  await ada.type('Ada was here. ')
  await ada.becomes('save-state', 'saved')
  await bob.becomes('lock-button', 'theirs')
  await bob.at('lock-button').click()
  await bob.becomes('lock-button', 'waiting')

  await freeze(devtools)
  const began = performance.now()
  await bob.becomes('lock-button', 'mine', SILENCE + STALE + SLACK)
  t.diagnostic(`passed after ${Math.round(performance.now() - began)} ms`)
  await bob.type('Bob goes on. ')
  await bob.becomes('save-state', 'saved')

  // A key that the page may well look at before what the server has sent meanwhile.
  const key = devtools.send('Input.insertText', { text: 'too late' })
  await thaw(devtools)
  await key
  await ada.becomes('lock-button', 'theirs')
  await ada.sees('Bob goes on. ')
  assert.equal(await ada.mayEdit(), false)
  await bob.finds('Ada', 'online')
  assert.equal(await bob.text(), 'Ada was here. Bob goes on. ')
  assert.equal(await ada.text(), await bob.text())
  assert.equal(await ada.at('parked').count(), 0, 'nothing was late')
}, { timeout: 90_000 })
