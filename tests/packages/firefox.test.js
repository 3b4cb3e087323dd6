// The same in Firefox, once: the lock between two windows, what is kept offline, and the button "Back". Chromium plays all.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before } from 'node:test'
import puppeteer from 'puppeteer-core'
import { story, waitFor } from '../node/harness.js'
import { must, Shelf, write } from './project.js'

/** Debian's, which is driven by WebDriver BiDi as it is. */
const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr'

/** Whole pages are kept for the button "Back", as for a person, however little memory there is. */
const KEPT = { 'fission.bfcacheInParent': true, 'browser.sessionhistory.max_total_viewers': 8 }

const shelf = new Shelf()
let browser, home
before(async () => {
  const start = puppeteer.launch({ browser: 'firefox', executablePath: FIREFOX, headless: true, extraPrefsFirefox: KEPT })
  const folder = await shelf.project('page')
  await must(folder, 'npm', ['run', 'build'])
  write(join(folder, 'dist'), 'away.html', '<!doctype html><title>Elsewhere</title>')
  home = await shelf.serve(join(folder, 'dist'))
  browser = await start
})
after(async () => {
  await browser?.close()
  await shelf.clear()
})

/** A page in a profile of its own. */
async function fresh (stage) {
  const context = await browser.createBrowserContext()
  stage.later(() => context.close())
  return await context.newPage()
}

/** Waits until the function is true in the page. */
const becomes = (what, page, look, ...args) => waitFor(what, () => page.evaluate(look, ...args))

/** The demo's page, under a name that the server knows. */
async function demo (stage, server, name) {
  const page = await fresh(stage)
  await page.goto(`${server.page}?doc=essay`)
  await becomes(`${name} is welcome`, page, () => window.baton?.provider.session != null)
  await page.evaluate(() => document.querySelector('[data-testid=name-input]').select())
  await page.keyboard.type(name)
  await page.keyboard.press('Tab')
  await becomes(`${name} is known`, page, (name) => {
    const { provider } = window.baton
    return provider.synced && provider.roster.get(provider.session)?.user.name === name
  }, name)
  return page
}

const lock = (page, state) =>
  becomes(`the lock is ${state}`, page, (state) => document.querySelector('[data-testid=lock-button]').dataset.state === state, state)
const press = (page) => page.evaluate(() => document.querySelector('[data-testid=lock-button]').click())

async function type (page, words) {
  // A window behind another one has no focus to give.
  await page.bringToFront()
  await page.click('[data-testid=editor]')
  await page.keyboard.type(words)
  await becomes(`"${words}" is saved`, page, (words) => {
    const { provider } = window.baton
    return provider.doc.getText('content').toString().includes(words) && provider.saveState === 'saved'
  }, words)
}

story('Firefox: two windows of the demo edit, and the lock passes when its holder\'s window is closed', async (stage) => {
  const server = await stage.server('--grace', '1s')
  const ada = await demo(stage, server, 'Ada')
  const bo = await demo(stage, server, 'Bo')
  await lock(ada, 'free')
  await press(ada)
  await lock(ada, 'mine')
  await lock(bo, 'theirs')
  await type(ada, 'from Ada')
  await becomes('Bo reads it', bo, () => window.baton.doc.getText('content').toString() === 'from Ada')
  assert.equal(await bo.evaluate(() => window.baton.provider.mayEdit), false)
  await press(bo)
  await lock(bo, 'waiting')
  await ada.close()
  await lock(bo, 'mine')
  await type(bo, 'and Bo ')
  assert.equal(await bo.evaluate(() => window.baton.doc.getText('content').length), 'from Adaand Bo '.length)
})

/** The page of the Vite and TypeScript project. */
async function notes (page, server) {
  await page.goto(`${home}?server=${encodeURIComponent(server.socket)}&offline`)
  await ready(page)
}

const ready = async (page) => {
  await becomes('the page is there', page, () => window.notes !== undefined)
  await page.evaluate(() => window.notes.provider.ready())
}

story('Firefox: what was typed offline survives a reload by y-indexeddb, and reaches the server when that is back', async (stage) => {
  const server = await stage.server()
  const page = await fresh(stage)
  await notes(page, server)
  await page.type('textarea', 'online, ')
  await page.evaluate(() => window.notes.provider.saved())
  await server.kill()
  await becomes('it is offline', page, () => !window.notes.provider.wsconnected)
  await page.type('textarea', 'offline')
  assert.equal(await page.evaluate(() => window.notes.provider.hasUnsaved), true)
  await becomes('the store has all', page, () => new Promise((resolve) => {
    const { doc, store } = window.notes
    const request = store.db.transaction('updates').objectStore('updates').count()
    request.onsuccess = () => resolve(request.result >= doc.getText('content').length)
  }))
  await page.reload()
  await becomes('the words are there', page, () => window.notes?.doc.getText('content').toString() === 'online, offline')
  assert.equal(await page.evaluate(() => window.notes.provider.wsconnected), false)
  await server.start()
  await ready(page)
  await page.evaluate(() => window.notes.provider.saved())
  const other = await fresh(stage)
  await notes(other, server)
  assert.equal(await other.evaluate(() => window.notes.doc.getText('content').toString()), 'online, offline')
})

story('Firefox: a page goes on with its session and its lock after the button "Back", kept by the browser or not', async (stage) => {
  const server = await stage.server('--grace', '25s')
  const page = await fresh(stage)
  await notes(page, server)
  await page.evaluate(() => window.notes.provider.lock.hold())
  const session = await page.evaluate(() => window.notes.provider.session)
  const elsewhere = async () => {
    await page.evaluate(() => (window.mark = 'the same page'))
    await page.goto(`${home}away.html`)
    // Puppeteer's own waits for a page that loads.
    await page.evaluate(() => history.back())
    await becomes('the page is back', page, () => window.notes !== undefined)
  }
  const goesOn = async () => {
    await ready(page)
    assert.equal(await page.evaluate(() => window.notes.provider.session), session)
    await becomes('the lock is kept', page, () => window.notes.provider.lock.state === 'mine')
  }
  // Unlike Chromium, it decides before the event in which the socket is closed, and loads the page again.
  await elsewhere()
  await goesOn()

  await page.evaluate(() => window.notes.provider.disconnect())
  await becomes('the socket is closed', page, () => !window.notes.provider.ws)
  await elsewhere()
  assert.equal(await page.evaluate(() => window.mark), 'the same page')
  await page.evaluate(() => window.notes.provider.connect())
  await goesOn()
})
