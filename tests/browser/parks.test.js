// Edits under somebody else's lock: set aside, shown, merged, discarded, recovered. Nothing that was typed is lost.

import assert from 'node:assert/strict'
import { story, waitFor } from '../node/harness.js'
import { open } from './pages.js'

/** From a page that is told that its edit was set aside to one that goes on with a fresh copy, in milliseconds. */
const FRESH = 20_000

/** The silence after which a page takes its server for gone, and what the machine may add to it, in milliseconds. */
const CUT = 20_000

/** How many drafts a page keeps. */
const drafts = (person) => person.page.evaluate(() => window.baton.provider.drafts.size)

const hasDrafts = (person, wanted) =>
  waitFor(`${person.name} has ${wanted} drafts`, async () => await drafts(person) === wanted, FRESH)

/** The words of a person's drafts, as their browser keeps them: what `Copy my text` would give. */
const converge = (...people) =>
  waitFor('all hold the same', async () => new Set(await Promise.all(people.map((person) => person.text()))).size === 1)

/** The state of the one park that a person sees; `null` when there is none. */
const park = (person) => person.is('park')

/** Ada holds the lock; Bob's page writes all the same, and goes on with a fresh copy. */
async function setAside (stage) {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.write('Common ground. ')
  await bob.sees('Common ground. ')
  await ada.takeLock()
  await bob.becomes('lock-button', 'theirs')
  await bob.force('Out of turn. ')
  await bob.shows('parked', true, FRESH)
  await hasDrafts(bob, 1)
  await waitFor('Bob has the shared text', async () => await bob.text() === 'Common ground. ', FRESH)
  await waitFor('all of it is set aside', async () => await park(ada) === 'open')
  return { server, ada, bob }
}

story('a page that wrote under the lock goes on with the shared text, and its draft survives a reload', async (stage) => {
  const { ada, bob } = await setAside(stage)
  assert.equal(await bob.mayEdit(), false)
  assert.equal(await bob.is('save-state', 'data-unsaved'), null)
  await bob.shows('park-own')
  await ada.shows('park-own', false)
  await ada.write('Ada goes on. ')
  await bob.sees('Common ground. Ada goes on. ')

  await bob.reload()
  await hasDrafts(bob, 1)
  await waitFor('the park is still there', async () => await park(bob) === 'open')
  await bob.at('park-show').locator('summary').click()
  await bob.reads('park-diff', 'Out of turn. ')
  await bob.shows('park-copy')
  await bob.shows('park-own')
  assert.equal(await ada.text(), 'Common ground. Ada goes on. ')
})

story('the holder reads what was set aside and merges it, and all hold the same', async (stage) => {
  const { ada, bob } = await setAside(stage)
  assert.equal(await ada.is('parks-panel', 'data-edits'), '1')
  await ada.at('park-show').locator('summary').click()
  await waitFor('Ada reads it as added', async () =>
    (await ada.at('park-diff').locator('ins').allTextContents()).join('').includes('Out of turn. '))
  await ada.at('park-merge').click()
  await Promise.all([ada.sees('Out of turn. '), bob.sees('Out of turn. ')])
  await converge(ada, bob)
  assert.equal(await ada.text(), 'Out of turn. Common ground. ')
  await Promise.all([ada.shows('parks-panel', false), bob.shows('parks-panel', false)])
  await hasDrafts(bob, 0)
  await bob.reload()
  await hasDrafts(bob, 0)
})

story('what is discarded can be recovered, and merged after all', async (stage) => {
  const { ada, bob } = await setAside(stage)
  await ada.at('park-show').locator('summary').click()
  await ada.at('park-discard').click()
  await Promise.all([ada, bob].map((person) => waitFor(`${person.name} sees it discarded`, async () => await park(person) === 'discarded')))
  await hasDrafts(bob, 0)
  assert.equal(await ada.text(), 'Common ground. ')

  await ada.at('parks-panel').locator('.bin > summary').click()
  await ada.at('park-recover').click()
  await Promise.all([ada, bob].map((person) => waitFor(`${person.name} sees it again`, async () => await park(person) === 'open')))
  await ada.at('park-merge').click()
  await Promise.all([ada.sees('Out of turn. '), bob.sees('Out of turn. ')])
  await converge(ada, bob)
})

story('what was written offline is set aside when somebody took the lock meanwhile, and merges when its author gets it', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.write('Common ground. ')
  await bob.sees('Common ground. ')
  await bob.becomes('save-state', 'saved')
  await bob.at('cut-network').check()
  await bob.write('On the train. ')
  await ada.takeLock()
  await ada.write('At the desk. ')
  // He cannot know, and goes on.
  await bob.type('Still there. ')
  await bob.becomes('save-state', 'offline', CUT)
  await bob.at('cut-network').uncheck()
  await bob.shows('parked', true, CUT)
  await bob.sees('Common ground. At the desk. ', FRESH)
  await hasDrafts(bob, 1)
  assert.equal(await ada.text(), 'Common ground. At the desk. ')

  await bob.becomes('lock-button', 'theirs')
  await bob.at('lock-button').click()
  await bob.becomes('lock-button', 'waiting')
  await ada.at('lock-button').click()
  await bob.becomes('lock-button', 'mine')
  await Promise.all([ada.sees('On the train. Still there. '), bob.sees('On the train. Still there. ')])
  await converge(ada, bob)
  await hasDrafts(bob, 0)
})
