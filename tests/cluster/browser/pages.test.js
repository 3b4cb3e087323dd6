// Pages of one document on different nodes: what one node's pages do, those of three do, also when a node dies.
//
// With the server's defaults. Bounds are sums of its settings.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { story, waitFor } from '../../node/harness.js'
import { open } from '../../browser/pages.js'
import { cluster, connections, serving } from './cluster.js'

/** What a bound of the protocol may be late by on a busy machine, in milliseconds: pages are drawn in between. */
const SLACK = 10_000

/** From the death of a node to its pages at another one: they come again within 2.5 s, and the document is loaded. */
const BACK = 15_000

/** A node that does not renew its lease is lost, in milliseconds. */
const LEASE = 15_000

/** As much later, in milliseconds. */
const LEASE_GRACE = 5_000

/** The holder of a node that is lost may still come back, in milliseconds. */
const RECOVERY = 10_000

/** A page that is told that its edit was set aside goes on with a fresh copy, in milliseconds. */
const FRESH = 20_000

/** A page takes its server for gone after so much silence, in milliseconds, the machine's share included. */
const CUT = 20_000

/** All hold the same; returns it. */
async function converge (...people) {
  const texts = () => Promise.all(people.map((person) => person.text()))
  await waitFor('all hold the same', async () => new Set(await texts()).size === 1)
  return await people[0].text()
}

const fence = (person) => person.page.evaluate(() => window.baton.provider.lock.fence)

const parks = (person) => person.page.evaluate(() => window.baton.provider.parks.size)

/** Asks for the lock that somebody else holds, and waits in its queue. */
async function queues (person) {
  await person.becomes('lock-button', 'theirs')
  await person.at('lock-button').click()
  await person.becomes('lock-button', 'waiting')
}

/** Ada at the address of all nodes, with the lock; Bob waits for it at a node that is not hers. */
async function adaHolds (stage) {
  const { nodes, all } = await cluster(stage)
  const ada = await open(stage, all, 'Ada')
  const { own, others } = await serving(nodes)
  const bob = await open(stage, others[0], 'Bob')
  await ada.takeLock()
  await ada.write('Ada holds the lock. ')
  await ada.becomes('save-state', 'saved')
  await queues(bob)
  return { ada, bob, own, others }
}

/** A picture of a page, if `PICTURES` names a folder for them. */
async function pictured (person, name) {
  if (!process.env.PICTURES) return
  await person.page.screenshot({ path: join(process.env.PICTURES, `${name}.png`), fullPage: true })
}

/** The names at the carets that a page draws. */
const carets = (person) => person.page.locator('[data-testid=editor] .remote-name').allTextContents()

story('pages on three nodes write together, see each other’s names and carets, and the lock goes round', async (stage) => {
  const { nodes } = await cluster(stage)
  const ada = await open(stage, nodes[0], 'Ada')
  const bob = await open(stage, nodes[1], 'Bob')
  const cleo = await open(stage, nodes[2], 'Cleo')
  const people = [ada, bob, cleo]
  assert.deepEqual(await Promise.all(nodes.map(connections)), [1, 1, 1])
  for (const person of people) await Promise.all(people.map(({ name }) => person.finds(name, 'online')))
  await Promise.all([ada.type('from the left '), bob.type('from the right '), cleo.type('from the middle ')])
  assert.equal((await converge(...people)).length, 'from the left from the right from the middle '.length)
  await Promise.all(people.map((person) => person.becomes('save-state', 'saved')))
  for (const person of people) {
    const others = people.map(({ name }) => name).filter((name) => name !== person.name)
    await waitFor(`${person.name} sees the others' carets`, async () => {
      const seen = (await carets(person)).sort()
      return seen.join() === others.join() || new Error(`there is ${seen}`)
    })
  }
  await pictured(bob, 'three-nodes')

  await ada.takeLock()
  const first = await fence(ada)
  await cleo.becomes('lock-button', 'theirs')
  await cleo.at('ask').click()
  await cleo.at('ask-note').fill('Two minutes, please')
  await cleo.page.keyboard.press('Enter')
  await ada.reads('request-banner', 'Cleo asks for the lock')
  await ada.reads('request-banner', 'Two minutes, please')
  await queues(bob)
  await ada.write('Ada had it. ')
  await ada.at('request-hand-over').click()
  await cleo.becomes('lock-button', 'mine', SLACK)
  assert.equal(await ada.mayEdit(), false)
  const second = await fence(cleo)
  assert.ok(second.position > first.position, `${second.position} after ${first.position}`)
  await cleo.write('Cleo had it. ')
  await cleo.at('lock-button').click()
  await bob.becomes('lock-button', 'mine', SLACK)
  const third = await fence(bob)
  assert.ok(third.position > second.position, `${third.position} after ${second.position}`)
  await bob.write('Bob had it. ')
  await ada.sees('Ada had it. Cleo had it. Bob had it. ')
  await converge(...people)
  for (const person of people) assert.equal(await parks(person), 0, `${person.name} sees no park`)
})

story('a holder’s node is killed: her page goes on at another one with the lock, and what she typed meanwhile is there', async (stage, t) => {
  const { ada, bob, own, others } = await adaHolds(stage)
  const before = await fence(ada)
  await bob.sees('Ada holds the lock. ')
  const killed = performance.now()
  // Keys that fall before the death of the node, into the gap, and behind it.
  const typing = ada.page.keyboard.type('She types and types and types through it all.', { delay: 40 })
  await own.kill()
  await typing
  await waitFor('Ada is at another node', async () => (await Promise.all(others.map(connections))).reduce((sum, one) => sum + one) === 2, BACK)
  await ada.becomes('save-state', 'saved', BACK)
  t.diagnostic(`saved at another node after ${Math.round(performance.now() - killed)} ms`)
  await ada.becomes('lock-button', 'mine', BACK)
  assert.deepEqual(await fence(ada), before, 'it is the same grant')
  await bob.sees('Ada holds the lock. She types and types and types through it all.')
  await bob.becomes('lock-button', 'waiting')
  await pictured(ada, 'after-the-kill-ada')
  await pictured(bob, 'after-the-kill-bob')

  // The node is declared lost while she holds the lock elsewhere: that takes nothing from her.
  await waitFor('the node is lost', () => others.every((node) => node.log.includes('a node is lost')), LEASE + LEASE_GRACE + SLACK)
  await ada.write(' And on.')
  assert.deepEqual(await fence(ada), before)
  assert.equal(await ada.is('lock-button'), 'mine')
  await bob.becomes('lock-button', 'waiting')

  await own.start()
  const cleo = await open(stage, own, 'Cleo')
  await ada.at('lock-button').click()
  await bob.becomes('lock-button', 'mine', SLACK)
  assert.ok((await fence(bob)).position > before.position)
  await bob.write(' Then Bob.')
  assert.equal(await converge(ada, bob, cleo), 'Ada holds the lock. She types and types and types through it all. And on. Then Bob.')
  for (const person of [ada, bob, cleo]) assert.equal(await parks(person), 0, `${person.name} sees no park`)
})

story('a holder does not come back from a node that is killed: who waits elsewhere gets the lock in time', async (stage, t) => {
  const { ada, bob, own, others } = await adaHolds(stage)
  const before = await fence(ada)
  const began = performance.now()
  await Promise.all([own.kill(), ada.page.close()])
  await bob.becomes('lock-button', 'mine', LEASE + LEASE_GRACE + RECOVERY + SLACK)
  t.diagnostic(`passed after ${Math.round(performance.now() - began)} ms`)
  assert.ok((await fence(bob)).position > before.position)
  const cleo = await open(stage, others[1], 'Cleo')
  await bob.write('Bob goes on.')
  assert.equal(await converge(bob, cleo), 'Ada holds the lock. Bob goes on.')
  assert.equal(await parks(bob), 0)
})

story('a node that is stopped in order: her page goes on at another one with the lock', async (stage, t) => {
  const { ada, bob, own } = await adaHolds(stage)
  const before = await fence(ada)
  const began = performance.now()
  const typing = ada.page.keyboard.type('Nobody notices a new version of a node.', { delay: 40 })
  await own.stop()
  await typing
  await ada.becomes('save-state', 'saved', BACK)
  await ada.becomes('lock-button', 'mine', BACK)
  t.diagnostic(`saved at another node after ${Math.round(performance.now() - began)} ms`)
  assert.deepEqual(await fence(ada), before)
  await bob.sees('Ada holds the lock. Nobody notices a new version of a node.')
  await bob.becomes('lock-button', 'waiting')
})

story('what was written offline at one node is set aside at all, and merges when its author gets the lock', async (stage) => {
  const { nodes } = await cluster(stage)
  const ada = await open(stage, nodes[0], 'Ada')
  const bob = await open(stage, nodes[1], 'Bob')
  const cleo = await open(stage, nodes[2], 'Cleo')
  await ada.write('Common ground. ')
  await bob.sees('Common ground. ')
  await bob.becomes('save-state', 'saved')
  await bob.at('cut-network').check()
  await bob.write('On the train. ')
  await ada.takeLock()
  await ada.write('At the desk. ')
  await bob.becomes('save-state', 'offline', CUT)
  await bob.at('cut-network').uncheck()
  await bob.shows('parked', true, CUT)
  await bob.sees('Common ground. At the desk. ', FRESH)
  for (const person of [ada, cleo]) await person.becomes('park', 'open')
  assert.equal(await ada.text(), 'Common ground. At the desk. ')
  await pictured(ada, 'set-aside')

  await queues(bob)
  await ada.at('lock-button').click()
  await bob.becomes('lock-button', 'mine')
  for (const person of [ada, bob, cleo]) await person.sees('On the train. ')
  await converge(ada, bob, cleo)
  for (const person of [ada, bob, cleo]) await person.shows('parks-panel', false)
})
