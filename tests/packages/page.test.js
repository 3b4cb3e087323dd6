// The page of the Vite and TypeScript project in Chromium, and what a browser does to it: stores, duplicates, caches and clocks.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { fresh, launch } from '../browser/pages.js'
import { story, waitFor } from '../node/harness.js'
import { must, Shelf, write } from './project.js'

/** What a holder may be away for; more than a busy machine needs to load a page. */
const GRACE = ['--grace', '25s']

const HOUR = 3_600_000

const shelf = new Shelf()
let home
before(async () => {
  const folder = await shelf.project('page')
  await must(folder, 'npm', ['run', 'build'])
  write(join(folder, 'dist'), 'away.html', '<!doctype html><title>Elsewhere</title>')
  home = await shelf.serve(join(folder, 'dist'))
})
after(() => shelf.clear())

const address = (server, { name = 'Ada', offline = false, tokens } = {}) =>
  `${home}?server=${encodeURIComponent(server.socket)}&name=${name}${offline ? '&offline' : ''}${tokens ? `&tokens=${encodeURIComponent(tokens)}` : ''}`

const ready = async (page) => {
  await page.waitForFunction(() => window.notes)
  await page.evaluate(() => window.notes.provider.ready())
}

async function open (context, server, options) {
  const page = await context.newPage()
  await page.goto(address(server, options))
  await ready(page)
  return page
}

const text = (page) => page.evaluate(() => window.notes.doc.getText('content').toString())
const session = (page) => page.evaluate(() => window.notes.provider.session)
const lock = (page) => page.evaluate(() => window.notes.provider.lock.state)
const mayEdit = (page) => page.evaluate(() => window.notes.provider.mayEdit)
const hold = (page) => page.evaluate(() => window.notes.provider.lock.hold())
const saved = (page) => page.evaluate(() => window.notes.provider.saved())
const type = (page, words) => page.getByRole('textbox').pressSequentially(words)

story('two pages of Vite and TypeScript edit and pass the lock', async (stage) => {
  const server = await stage.server()
  const ada = await open(await fresh(stage), server)
  const bo = await open(await fresh(stage), server, { name: 'Bo' })
  const state = (page) => page.textContent('#state')
  await ada.getByRole('button').click()
  await waitFor('Ada has the lock', async () => await state(ada) === 'saved mine' && await state(bo) === 'saved theirs')
  await ada.getByRole('textbox').pressSequentially('from Ada')
  await waitFor('Bo reads it', async () => await bo.inputValue('textarea') === 'from Ada')
  assert.equal(await bo.getByRole('textbox').isDisabled(), true)
  await bo.getByRole('button').click()
  await ada.evaluate(() => window.notes.provider.saved())
  await ada.getByRole('button').click()
  await waitFor('Bo has the lock', async () => await state(bo) === 'saved mine')
  await bo.getByRole('textbox').pressSequentially(', and Bo')
  await waitFor('Ada reads it', async () => await ada.inputValue('textarea') === 'from Ada, and Bo')
})

/**
 * Waits until the store has as many updates as there are characters. It writes beside the page: what it has not written
 * is lost with the page.
 */
const stored = (page) => waitFor('the store has all', () => page.evaluate(() => new Promise((resolve) => {
  const { doc, store } = window.notes
  const request = store.db.transaction('updates').objectStore('updates').count()
  request.onsuccess = () => resolve(request.result > 0 && request.result >= doc.getText('content').length)
})))

story('what was typed offline survives a reload by y-indexeddb, and reaches the server when that is back', async (stage) => {
  const server = await stage.server()
  const context = await fresh(stage)
  const page = await open(context, server, { offline: true })
  await type(page, 'online, ')
  await saved(page)
  await server.kill()
  await page.waitForFunction(() => !window.notes.provider.wsconnected)
  await type(page, 'offline')
  assert.equal(await page.evaluate(() => window.notes.provider.hasUnsaved), true)
  await stored(page)
  await page.reload()
  await page.waitForFunction(() => window.notes?.doc.getText('content').toString() === 'online, offline')
  assert.equal(await page.evaluate(() => window.notes.provider.wsconnected), false)
  await server.start()
  await ready(page)
  await saved(page)
  const other = await open(await fresh(stage), server, { name: 'Bo' })
  assert.equal(await text(other), 'online, offline')
})

story('an edit that was set aside does not come back out of the store of the browser', async (stage) => {
  const server = await stage.server(...GRACE)
  const ada = await open(await fresh(stage), server)
  const bo = await open(await fresh(stage), server, { name: 'Bo', offline: true })
  await hold(ada)
  await waitFor('Bo sees the lock', async () => await lock(bo) === 'theirs')
  // Past the editor, as a page would that does not ask.
  const why = bo.evaluate(() => {
    window.notes.doc.getText('content').insert(0, 'out of turn')
    return window.notes.provider.saved().then(() => 'saved', (error) => error.code)
  })
  assert.equal(await why, 'parked')
  await waitFor('Bo goes on with a fresh copy', async () => await text(bo) === '')
  await type(ada, 'in turn')
  await saved(ada)
  await waitFor('Bo reads it', async () => await text(bo) === 'in turn')
  await stored(bo)
  await ada.evaluate(() => window.notes.provider.lock.release())
  await bo.reload()
  await ready(bo)
  await saved(bo)
  assert.equal(await text(bo), 'in turn')
  assert.deepEqual(await bo.evaluate(() => [window.notes.provider.drafts.size, window.notes.provider.parks.size]), [1, 1])
})

story('a duplicated tab is a session of its own, of the same user, and leaves the first its lock', async (stage) => {
  const server = await stage.server(...GRACE)
  const context = await fresh(stage)
  const first = await open(context, server)
  await hold(first)
  // A window that a page opens begins with a copy of its sessionStorage, as a duplicate does. `noopener` would not.
  const [second] = await Promise.all([context.waitForEvent('page'), first.evaluate(() => void window.open(location.href))])
  await ready(second)
  assert.notEqual(await session(second), await session(first))
  assert.equal(await lock(first), 'mine')
  assert.equal(await lock(second), 'theirs')
  await type(first, 'from the first')
  await saved(first)
  const own = await session(first)
  assert.equal(await second.evaluate((session) => window.notes.provider.isOwn(session), own), true)
  assert.equal(await second.evaluate(async () => (await window.notes.provider.lock.moveHere()).outcome), 'done')
  await waitFor('the lock has moved', async () => await lock(second) === 'mine' && await lock(first) === 'theirs')
  // A duplicate of a tab that was reloaded, too: the ticket between two pages is taken by the first of them.
  const before = await session(second)
  await second.reload()
  await ready(second)
  assert.equal(await session(second), before, 'a reload goes on')
  const [third] = await Promise.all([context.waitForEvent('page'), second.evaluate(() => void window.open(location.href))])
  await ready(third)
  await waitFor('the second still has it', async () => await lock(second) === 'mine' && await lock(third) === 'theirs')
})

story('a page that comes back by the button "Back" goes on as the same session with its lock', async (stage) => {
  const server = await stage.server(...GRACE)
  // Playwright turns the browser's cache of whole pages off.
  const browser = await launch({ ignoreDefaultArgs: ['--disable-back-forward-cache'] })
  stage.later(() => browser.close())
  const page = await open(await browser.newContext(), server)
  await hold(page)
  await type(page, 'before')
  await saved(page)
  const before = await session(page)
  await page.evaluate(() => (window.mark = 'the same page'))
  await page.goto(`${home}away.html`)
  // A page from the cache does not load.
  await page.goBack({ waitUntil: 'commit' })
  await ready(page)
  const cached = await page.evaluate(() => window.mark === 'the same page')
  const why = await page.evaluate(() => JSON.stringify(performance.getEntriesByType('navigation')[0]?.notRestoredReasons?.reasons))
  assert.ok(cached, `the browser does not keep the page: ${why}`)
  assert.equal(await session(page), before)
  await waitFor('the lock is kept', async () => await lock(page) === 'mine')
  await type(page, ', and after')
  await saved(page)
  assert.equal(await text(page), 'before, and after')
  assert.equal(await page.evaluate(() => Object.keys(sessionStorage).some((key) => key.includes('/ws/'))), false, 'no ticket is left about')
})

/** Sets the page's wall clock off by so many milliseconds; the monotonic clock goes on. */
const shift = (page, by) => page.evaluate((by) => {
  const real = (window.realNow ??= Date.now)
  Date.now = () => real() + by
}, by)

story('a wall clock that jumps costs no lock and no word; nobody edits on a lease that may have run out', async (stage) => {
  const server = await stage.server(...GRACE)
  const page = await open(await fresh(stage), server)
  const other = await open(await fresh(stage), server, { name: 'Bo' })
  await hold(page)
  const before = await session(page)
  await type(page, 'a')
  await shift(page, -HOUR)
  assert.equal(await mayEdit(page), true, 'a clock that is set back takes nothing')
  await type(page, 'b')
  await saved(page)
  // As after a sleep, in which the monotonic clock stood still.
  assert.equal(await page.evaluate((by) => {
    const real = window.realNow
    Date.now = () => real() + by
    return window.notes.provider.lock.right.why
  }, HOUR), 'unconfirmed')
  await waitFor('the server has confirmed the lock', () => mayEdit(page))
  assert.equal(await session(page), before)
  await type(page, 'c')
  await saved(page)
  assert.equal(await lock(page), 'mine')
  await waitFor('Bo reads all', async () => await text(other) === 'abc')
})

story('a page whose tokens last two seconds goes on over one connection, as the same session with its lock', async (stage) => {
  const server = await stage.guarded()
  let given = 0
  const tokens = createServer((_, response) => {
    given += 1
    const exp = Math.floor(Date.now() / 1000) + 2
    response.writeHead(200, { 'access-control-allow-origin': '*' }).end(server.issuer.mint({ exp }))
  }).listen(0, '127.0.0.1')
  await once(tokens, 'listening')
  stage.later(() => {
    tokens.closeAllConnections()
    tokens.close()
  })
  const page = await open(await fresh(stage), server, { tokens: `http://127.0.0.1:${tokens.address().port}/` })
  await hold(page)
  await page.evaluate(() => {
    window.welcomes = 0
    window.notes.provider.on('welcome', () => (window.welcomes += 1))
  })
  const before = await session(page)
  await waitFor('the page has shown three more tokens', () => given >= 4)
  await type(page, 'late')
  await saved(page)
  assert.equal(await page.evaluate(() => window.welcomes), 0)
  assert.deepEqual([await session(page), await lock(page), await text(page)], [before, 'mine', 'late'])
})

story('a newcomer is sent a long note compressed, and reads all of it', async (stage) => {
  const server = await stage.server()
  const ada = await open(await fresh(stage), server)
  const length = await ada.evaluate(() => {
    const words = Array.from({ length: 20_000 }, (_, n) => `line ${n}`).join('\n')
    window.notes.doc.getText('content').insert(0, words)
    return words.length
  })
  await saved(ada)
  const context = await fresh(stage)
  let bytes = 0
  context.on('page', (page) => page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => (bytes += payload.length))))
  const bo = await open(context, server, { name: 'Bo' })
  assert.equal(await text(bo), await text(ada))
  assert.ok(bytes > 0 && bytes < length / 2, `${bytes} bytes for ${length}`)
})
