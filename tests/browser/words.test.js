// The page's words about locks and set-aside text: true for each reader, and gone when they are
// not.

import assert from 'node:assert/strict'
import { story, waitFor } from '../node/harness.js'
import { again, CHAT, open } from './pages.js'

/** Time that a change of hands may take on a busy machine, in milliseconds. */
const SLACK = 10_000

/**
 * The silence after which a page takes its server for gone, and what the machine may add, in
 * milliseconds.
 */
const CUT = 25_000

const news = (person, words) => person.reads('banner', words, SLACK)
const quiet = (person) => person.becomes('banner', null, SLACK, 'data-kind')

async function two (stage, ...more) {
  const server = await stage.server(...more)
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.takeLock()
  await bob.becomes('lock-button', 'theirs')
  return { server, ada, bob }
}

const waits = async (person) => {
  await person.at('lock-button').click()
  await person.becomes('lock-button', 'waiting')
}

story('a lock that is given back and one that is handed over are told apart, and old news leaves', async (stage) => {
  const { ada, bob } = await two(stage)
  await quiet(ada)
  await waits(bob)
  await ada.at('lock-button').click()
  await news(bob, 'It is your turn. Ada let go of the lock, and it is yours now.')
  await ada.becomes('lock-button', 'theirs')
  await bob.row('Ada').getByTestId('hand-over').click()
  await news(ada, 'Bob handed you the lock.')
  await news(bob, 'You handed the lock to Ada.')
  assert.equal(await bob.is('banner', 'data-kind'), 'note')
  // She has it no more: that she got it is no news.
  await ada.at('lock-button').click()
  await quiet(ada)
})

story('a lock that is taken over is told to both, by name', async (stage) => {
  const { ada, bob } = await two(stage)
  await bob.at('take-over').click()
  await bob.at('take-over-confirm').click()
  await news(bob, 'You took over the lock from Ada.')
  await news(ada, 'Bob took over the lock.')
  // Bob gives it back: the news that he took it leaves.
  await bob.at('lock-button').click()
  await ada.becomes('lock-button', 'free')
  await Promise.all([quiet(ada), quiet(bob)])
})

story('a lock that is moved is told as moved, and nobody is named to themselves', async (stage) => {
  const { server, ada } = await two(stage)
  const other = await again(stage, server, ada, 'Ada too')
  await other.becomes('lock-button', 'theirs')
  await other.at('move-here').click()
  await news(other, 'The lock is here now. Your other tab stopped writing.')
  await news(ada, 'The lock moved to your other tab.')
  await ada.reads('lock-status', 'Your other tab has the lock')
  await ada.becomes('why', 'theirs', SLACK, 'data-why')
  assert.equal(await ada.at('why').textContent(), 'Only your other tab can write now')
})

story('a request that ran out is told as that', async (stage) => {
  const { ada, bob } = await two(stage, '--request', '3s')
  await bob.at('ask').click()
  await bob.at('ask-send').click()
  await news(bob, 'It is your turn. Ada was asked for the lock, and the time was up.')
  await news(ada, 'You were asked for the lock, and the time was up: it went to Bob.')
})

story('a holder who did not write is told so', async (stage) => {
  const { ada, bob } = await two(stage, '--idle-yield', '9s', '--idle-warning', '6s')
  await waits(bob)
  await bob.becomes('lock-button', 'mine', 9_000 + 2 * SLACK)
  await news(bob, 'It is your turn. Ada did not write for a while, so the lock passed to you.')
  await news(ada, 'You did not write for a while, so the lock went to Bob.')
})

story('a holder whose connection dropped is told for how long, and to whom the lock went', async (stage) => {
  const { ada, bob } = await two(stage)
  await waits(bob)
  await ada.at('cut-network').check()
  await ada.becomes('why', 'unconfirmed', CUT, 'data-why')
  await ada.reads('lock-status', 'Paused: waiting for the server')
  assert.equal(await ada.at('why').textContent(), 'Paused: waiting for the server')
  await bob.becomes('lock-button', 'mine', CUT)
  await ada.becomes('save-state', 'offline', CUT)
  await ada.at('cut-network').uncheck()
  await ada.becomes('banner', 'lost', CUT, 'data-kind')
  const words = await ada.at('banner').locator('span').textContent()
  const [, seconds] = /^Your connection dropped for (\d+) seconds, so the lock went to Bob\.$/.exec(words) ?? assert.fail(words)
  assert.ok(Number(seconds) >= 7 && Number(seconds) < 60, words)
}, { timeout: 120_000 })

story('who wrote offline is told that it is safe, and by whom it was added or left out', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.write('Common ground. ')
  await bob.sees('Common ground. ')
  await bob.at('cut-network').check()
  await bob.write('On the train. ')
  await ada.takeLock()
  await bob.becomes('save-state', 'offline', CUT)
  await bob.at('cut-network').uncheck()
  await bob.shows('parked', true, CUT)
  await bob.reads('parked', 'Ada took the lock while you were offline. What you wrote is safe; you or Ada can add it.')
  await ada.reads('parks', 'Bob wrote 14 characters that are not in the text yet')
  await bob.reads('parks', 'You wrote 14 characters that are not in the text yet')
  await ada.at('park-show').locator('summary').click()
  await waitFor('the buttons', async () => (await ada.at('park-merge').textContent()) === 'Add to the text' && (await ada.at('park-discard').textContent()) === 'Leave out')
  await ada.reads('park-diff', 'On the train. ')
  assert.doesNotMatch(await ada.at('park-diff').textContent(), /content/, 'no raw name')

  // Left out, and taken back on the spot.
  await ada.at('park-discard').click()
  await ada.reads('park-news', 'You left out what Bob wrote.')
  await bob.reads('park-news', 'Ada left out what you wrote.')
  await ada.at('park-undo').click()
  await waitFor('it is back', async () => await ada.is('park') === 'open')
  await bob.reads('park-news', 'Ada brought back what you wrote')
  assert.equal(await ada.page.evaluate(() => document.activeElement === document.body), false, 'the focus is somewhere')
  await ada.shows('park-merge')
  await ada.at('park-merge').click()
  await bob.reads('park-news', 'Ada added what you wrote to the text.')
  await ada.reads('park-news', 'You added what Bob wrote to the text.')
  await bob.sees('On the train. ')
  await bob.shows('parked', false)
}, { timeout: 120_000 })

story('who decides needs no right to be told why not, and no raw name', async (stage) => {
  const server = await stage.server('--rights', 'none')
  const ada = await open(stage, server, 'Ada', { page: CHAT })
  const bob = await open(stage, server, 'Bob', { page: CHAT })
  await ada.page.evaluate(() => void window.baton.provider.lockFor([['messages']]).acquire())
  await waitFor('Ada has the chat', () => ada.page.evaluate(() => window.baton.provider.lockFor([['messages']]).state === 'mine'))
  await bob.page.evaluate(() => window.baton.doc.getArray('messages').push([{ id: '1', name: 'Bob', color: '#047857', text: 'out of turn', at: 0 }]))
  await ada.reads('parks', 'Bob wrote 1 message that is not in the chat yet')
  await bob.shows('park')
  await bob.reads('parked', 'What you wrote last is not in the chat yet')
  await bob.at('park-show').locator('summary').click()
  await bob.at('park-merge').click()
  await bob.reads('events', 'Somebody else has the lock there: it can be added when you have it, or by them.')
  assert.doesNotMatch(await bob.at('events').textContent(), /messages/)
})

story('the three ways of writing have names', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  assert.deepEqual(await ada.at('mode').locator('label').allTextContents(), ['Anyone', 'One at a time, if locked', 'Only with the lock'])
  await ada.at('mode-required').check()
  await ada.becomes('why', 'required', SLACK, 'data-why')
  await ada.type('x')
  await ada.shows('refusal')
  await ada.reads('refusal', 'Take the lock to write here')
  await ada.at('refusal-act').click()
  await ada.becomes('lock-button-body', 'mine')
  await ada.write('now')
})
