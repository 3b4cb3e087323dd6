// The baton: taken, waited for, handed over, and passed on when its holder falls silent. With the server's defaults.

import assert from 'node:assert/strict'
import { story, waitFor } from '../node/harness.js'
import { open } from './pages.js'

/** What a bound of the protocol may be late by on a busy machine, in milliseconds: pages are drawn in between. */
const SLACK = 5_000

/** How long a session may be without a connection before its lock passes on. */
const GRACE = 5_000

/** How long a holder may believe in its lock after the last thing that the server confirmed: so long is it waited for. */
const LEASE = 9_750

/** How long a connection may be silent, or a beat unanswered, before its session is offline. */
const SILENCE = 10_000

/** An answer that was under way when the silence began may move its beginning by this much. */
const STALE = 5_000

/** Waits until somebody may write, looking on the way that the other does not at the same time. */
async function passes (from, to, within) {
  const began = performance.now()
  await waitFor(`the lock passes to ${to.name}`, () => to.is('lock-button').then((state) => state === 'mine'), within)
  const took = Math.round(performance.now() - began)
  if (from !== null) assert.equal(await from.mayEdit(), false, `${from.name} stopped first`)
  assert.equal(await to.mayEdit(), true)
  return took
}

story('the lock is taken, waited for, and handed over', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  const cleo = await open(stage, server, 'Cleo')
  await ada.takeLock()
  await Promise.all([bob.becomes('lock-button', 'theirs'), cleo.becomes('lock-button', 'theirs')])
  assert.equal(await bob.is('editor', 'aria-readonly'), 'true')
  await bob.type('not heard')
  await ada.write('Ada alone. ')
  await bob.sees('Ada alone. ')

  await bob.at('lock-button').click()
  await bob.becomes('lock-button', 'waiting')
  await bob.becomes('queue-place', '1', undefined, 'data-place')
  await cleo.at('lock-button').click()
  await cleo.becomes('queue-place', '2', undefined, 'data-place')

  await ada.at('lock-button').click()
  await passes(ada, bob, SLACK)
  await cleo.becomes('queue-place', '1', undefined, 'data-place')
  await bob.write('Then Bob. ')
  await bob.at('lock-button').click()
  await passes(bob, cleo, SLACK)
  await cleo.write('Then Cleo.')
  await ada.sees('Then Cleo.')
  assert.equal(await ada.text(), 'Ada alone. Then Bob. Then Cleo.')

  await cleo.at('lock-button').click()
  await Promise.all([ada, bob, cleo].map((person) => person.becomes('lock-button', 'free')))
  await ada.write(' Then all.')
  await bob.sees(' Then all.')
})

story('somebody who stops waiting is passed over', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  const cleo = await open(stage, server, 'Cleo')
  await ada.takeLock()
  await bob.becomes('lock-button', 'theirs')
  await bob.at('lock-button').click()
  await bob.becomes('queue-place', '1', undefined, 'data-place')
  await cleo.becomes('lock-button', 'theirs')
  await cleo.at('lock-button').click()
  await cleo.becomes('queue-place', '2', undefined, 'data-place')
  await bob.at('lock-button').click()
  await cleo.becomes('queue-place', '1', undefined, 'data-place')
  await ada.at('lock-button').click()
  await passes(ada, cleo, SLACK)
  await bob.becomes('lock-button', 'theirs')
})

story('a holder that reloads its page keeps the lock', async (stage) => {
  // As long as a busy machine may take to load a page; with the default the lock would rightly be Bob's then.
  const server = await stage.server('--grace', '25s')
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.takeLock()
  await ada.write('before the reload ')
  await ada.becomes('save-state', 'saved')
  await bob.becomes('lock-button', 'theirs')
  await bob.at('lock-button').click()
  await bob.becomes('lock-button', 'waiting')
  await ada.page.reload()
  await ada.becomes('lock-button', 'mine', 4 * GRACE)
  await ada.type('and after')
  await bob.sees('before the reload and after')
  await bob.becomes('lock-button', 'waiting')
})

for (const [how, ends] of [
  ['closes its page', (person) => person.page.close()],
  ['loses its process', (person) => person.crash()]
]) {
  story(`a holder ${how}: the lock passes on when its time is over`, async (stage, t) => {
    const server = await stage.server()
    const ada = await open(stage, server, 'Ada')
    const bob = await open(stage, server, 'Bob')
    await ada.takeLock()
    await ada.write('the last words of Ada ')
    await ada.becomes('save-state', 'saved')
    await bob.becomes('lock-button', 'theirs')
    await bob.at('lock-button').click()
    await bob.becomes('lock-button', 'waiting')
    await ends(ada)
    t.diagnostic(`passed after ${await passes(null, bob, LEASE + SLACK)} ms`)
    await bob.write('and Bob goes on')
    assert.equal(await bob.text(), 'the last words of Ada and Bob goes on')
  })
}

story('a holder whose heart stops is shaky, then offline, and the lock passes to somebody who never asked', async (stage, t) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.takeLock()
  await ada.write('Ada was here. ')
  await bob.sees('Ada was here. ')
  await bob.finds('Ada', 'online')

  const began = performance.now()
  await ada.at('stop-heartbeat').check()
  await bob.finds('Ada', 'shaky', SILENCE + STALE)
  await waitFor('Ada stops', async () => !await ada.mayEdit(), SILENCE + STALE)
  const stopped = performance.now()
  await passes(ada, bob, SILENCE + STALE)
  const passed = performance.now()
  await bob.finds('Ada', 'offline')
  t.diagnostic(`stopped after ${Math.round(stopped - began)} ms, passed after ${Math.round(passed - began)} ms`)
  assert.ok(passed - began < SILENCE + STALE + SLACK)

  await bob.write('Bob goes on. ')
  await ada.sees('Bob goes on. ')
  // Her heart beats again: she is back, and it is not hers any more.
  await ada.at('stop-heartbeat').uncheck()
  await bob.finds('Ada', 'online')
  await ada.becomes('lock-button', 'theirs')
  assert.equal(await ada.text(), await bob.text())
}, { timeout: 90_000 })

story('a holder whose network is cut stops in time, and finds out that the lock passed on', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.takeLock()
  await bob.becomes('lock-button', 'theirs')
  await ada.at('cut-network').check()
  await passes(ada, bob, SILENCE + STALE + SLACK)
  await bob.write('Bob goes on. ')
  await ada.at('cut-network').uncheck()
  await ada.sees('Bob goes on. ', SILENCE + SLACK)
  await ada.becomes('lock-button', 'theirs')
  await bob.finds('Ada', 'online')
}, { timeout: 90_000 })
