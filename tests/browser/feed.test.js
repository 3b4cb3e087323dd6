// Live data: a client notices a silent server, comes back, and misses nothing.

import assert from 'node:assert/strict'
import { pause, story, waitFor } from '../node/harness.js'
import { stock } from '../node/stock.js'
import { FEED, open } from './pages.js'

/** Between two numbers, in milliseconds. */
const BEAT = 100

/** The silence after which a page takes its server for gone, and what the machine may add to it, in milliseconds. */
const SILENCE = 10_000
const SLACK = 5_000

/** Numbers that are written while the page is cut off, beside those until it notices. */
const MEANWHILE = 20

/** A program that appends a number to the feed every now and then. */
function writer (stage, server) {
  const client = stock(stage, server, 'feed')
  const ticks = client.doc.getArray('ticks')
  const program = { n: 0, client }
  const timer = setInterval(() => {
    if (!client.provider.synced) return
    ticks.push([{ n: ++program.n, at: Date.now(), value: Math.sin(program.n / 10) }])
  }, BEAT)
  stage.later(() => clearInterval(timer))
  return program
}

const number = async (person, id) => Number(await person.at(id).textContent())

/** How many numbers the page has, and the newest; at one moment, for the feed goes on. */
const figures = (person) => person.page.evaluate(() => {
  const at = (id) => document.querySelector(`[data-testid="${id}"]`)
  return { count: Number(at('feed-count').textContent), newest: Number(at('feed-latest').dataset.n) }
})

story('a page notices that its network is cut, comes back, and misses no number', async (stage, t) => {
  const server = await stage.server()
  const program = writer(stage, server)
  const ada = await open(stage, server, 'Ada', { page: FEED, document: 'feed' })
  await ada.becomes('feed-state', 'live')
  await waitFor('some numbers', async () => await number(ada, 'feed-count') > 10)

  const began = performance.now()
  await ada.at('cut-network').check()
  const before = await number(ada, 'feed-count')
  await ada.becomes('feed-state', 'reconnecting', SILENCE + SLACK)
  t.diagnostic(`noticed after ${Math.round(performance.now() - began)} ms`)
  const cut = program.n
  await waitFor('more numbers', () => program.n > cut + MEANWHILE)
  assert.ok(await number(ada, 'feed-count') <= before + 1, 'nothing comes through a cut network')

  await ada.at('cut-network').uncheck()
  await ada.becomes('feed-state', 'live', SILENCE + SLACK)
  const back = program.n
  await waitFor('all numbers', async () => Number(await ada.is('feed-latest', 'data-n')) > back)
  assert.equal(await number(ada, 'feed-missed'), 0)
  const { count, newest } = await figures(ada)
  assert.equal(count, newest)
})

story('a page survives the death of the server and misses no number', async (stage) => {
  const server = await stage.server()
  const program = writer(stage, server)
  const ada = await open(stage, server, 'Ada', { page: FEED, document: 'feed' })
  await waitFor('some numbers', async () => await number(ada, 'feed-count') > 10)
  await server.kill()
  await ada.becomes('feed-state', 'reconnecting')
  // The program notices on its own and writes on when it is back.
  await pause(10 * BEAT)
  await server.start()
  await ada.becomes('feed-state', 'live', SILENCE + SLACK)
  const back = program.n
  await waitFor('numbers again', async () => Number(await ada.is('feed-latest', 'data-n')) > back + 10, SILENCE + SLACK)
  assert.equal(await number(ada, 'feed-missed'), 0)
})
