// A document is named by the rest of the path, percent-decoded.

import assert from 'node:assert/strict'
import { story, waitFor } from './harness.js'
import { stock } from './stock.js'

story('a name may hold slashes, unicode and percent signs, encoded or not', async (stage) => {
  const server = await stage.server()
  const ways = [
    ['notes/2026/plan', encodeURIComponent('notes/2026/plan')],
    ['büro/計画 ✓', encodeURIComponent('büro/計画 ✓')],
    ['a b', 'a%20b'],
    [encodeURIComponent('100% sure?#1'), '100%25%20sure%3F%231']
  ]
  for (const [one, other] of ways) {
    const ada = stock(stage, server, one)
    const bob = stock(stage, server, other)
    await Promise.all([ada.synced(), bob.synced()])
    ada.type(`in ${one}`)
    await bob.sees(`in ${one}`)
    assert.equal(bob.text.toString(), `in ${one}`)
    ada.leave()
    bob.leave()
  }
})

story('names that differ are documents that differ', async (stage) => {
  const server = await stage.server()
  const names = ['a', 'a/b', 'a%2Fb%2Fc', 'A', 'a%2520b', 'a%20b', 'ä', 'a%CC%88']
  const clients = names.map((name) => stock(stage, server, name))
  await Promise.all(clients.map((client) => client.synced()))
  clients.forEach((client, i) => client.type(`only ${i}`))
  const others = names.map((name) => stock(stage, server, name))
  await Promise.all(others.map((client, i) => client.sees(`only ${i}`)))
  others.forEach((client, i) => assert.equal(client.text.toString(), `only ${i}`))
})

story('a query string does not change the document', async (stage) => {
  const server = await stage.server()
  const ada = stock(stage, server, 'plan?version=2')
  const bob = stock(stage, server, 'plan')
  await Promise.all([ada.synced(), bob.synced()])
  ada.type('the same')
  await bob.sees('the same')
})

story('what is not a document name is refused for good, and said', async (stage, t) => {
  t.mock.method(console, 'warn', () => {})
  const server = await stage.server()
  for (const name of ['', 'a%00b', 'line%0Abreak', 'x'.repeat(1025)]) {
    const client = stock(stage, server, name)
    const closed = new Promise((resolve) => client.provider.once('closed', resolve))
    assert.equal((await closed).code, 4404, name)
    await waitFor('no further attempt', () => !client.provider.shouldConnect)
  }
  const longest = stock(stage, server, 'x'.repeat(1024))
  await longest.synced()
})
