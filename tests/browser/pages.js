// People at the demo's pages, each in a browser profile of their own.
//
// Owns the one browser of a test file. Looks at a page through its test ids and `window.baton`, as the page promises
// them; never through its words or its styles.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after } from 'node:test'
import { chromium } from 'playwright-core'
import { waitFor } from '../node/harness.js'

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync'
]

/**
 * A folder whose files are given to the pages in place of those in the server's binary: for work on the page alone,
 * without a build of the server. `BATON_DIST=../../web-demo/dist npm test`
 */
const DIST = process.env.BATON_DIST

/** Whether the pages come from a folder, and not from the server. */
export const isFromFolder = DIST !== undefined

// To the browser, a page that comes from a folder is not from the server's machine.
if (DIST) FLAGS.push('--disable-features=LocalNetworkAccessChecks')

let launched = null
const browser = () => (launched ??= launch())
after(async () => (await launched)?.close())

/** A browser of a story's own, which the story closes; `options` as of Playwright's `launch`. */
export const launch = (options = {}) => chromium.launch({ executablePath: CHROMIUM, args: FLAGS, ...options })

/** Gives the files of a folder to all pages of a browser context. */
export async function serveFrom (context, folder) {
  await context.route((url) => !url.pathname.startsWith('/ws'), async (route) => {
    const { pathname } = new URL(route.request().url())
    const path = join(folder, pathname === '/' ? 'index.html' : pathname)
    return existsSync(path) ? await route.fulfill({ path }) : await route.fulfill({ status: 404 })
  })
}

/** The pages of the demo. */
export const EDITOR = ''
export const CHAT = 'chat.html'
export const FEED = 'feed.html'

/** Root types of the document's two parts. */
export const SUMMARY = 'summary'
export const BODY = 'content'

/** What the one element has, looked at in one step: one that goes between two looks would be waited for. */
const attributeOf = (locator, attribute) =>
  locator.evaluateAll((found, name) => found.length === 1 ? found[0].getAttribute(name) : null, attribute)

const isVisible = (locator) => locator.evaluateAll((found) => found.some((one) => one.checkVisibility()))

/** Somebody at one page. */
export class Person {
  constructor (name, page) {
    this.name = name
    this.page = page
  }

  /** What stands under a test id. */
  at (id) {
    return this.page.getByTestId(id)
  }

  /** An attribute of it; `null` when it has none, or is not there. */
  async is (id, attribute = 'data-state') {
    return await attributeOf(this.at(id), attribute)
  }

  /** Waits until that attribute has that value. */
  async becomes (id, value, within, attribute = 'data-state') {
    await waitFor(`${this.name}'s ${id} is ${value}`, async () => await this.is(id, attribute) === value, within)
  }

  /** Waits until it can be seen, or cannot. */
  async shows (id, visible = true, within) {
    const what = `${this.name} ${visible ? 'sees' : 'does not see'} ${id}`
    await waitFor(what, async () => await isVisible(this.at(id)) === visible, within)
  }

  /** Waits until the words stand in what is under a test id. */
  async reads (id, words, within) {
    const all = () => this.at(id).evaluateAll((found) => found.map((one) => one.textContent).join('\n'))
    await waitFor(`${this.name} reads "${words}" in ${id}`, async () => (await all()).includes(words), within)
  }

  /** The shared text of a part; of the body, unless told otherwise. */
  text (root = BODY) {
    return this.page.evaluate((name) => window.baton.doc.getText(name).toString(), root)
  }

  /** Waits until the words stand in the shared text. */
  async sees (words, within, root = BODY) {
    await waitFor(`${this.name} sees "${words}"`, async () => {
      const text = await this.text(root)
      return text.includes(words) || new Error(`there is "${text}"`)
    }, within)
  }

  /**
   * Writes at the end of the text, at once, as soon as it may: on a machine that is so slow that the server's word comes
   * late, a page stops its writer for a moment, as it should.
   */
  async write (words, editor = 'editor', root = editor === 'editor' ? BODY : SUMMARY) {
    await waitFor(`${this.name} writes "${words}"`, async () => {
      if (await this.is(editor, 'data-may-edit') !== 'true') return false
      await this.at(editor).click()
      await this.page.keyboard.press('Control+End')
      await this.page.keyboard.insertText(words)
      return (await this.text(root)).includes(words)
    })
  }

  /** Types at the end of the text, key by key; whether anything comes of it is the page's business. */
  async type (words, editor = 'editor') {
    await this.at(editor).click()
    await this.page.keyboard.press('Control+End')
    await this.page.keyboard.type(words)
  }

  /** Writes past the editor, as a page would that does not know the lock. */
  async force (words, root = BODY) {
    await this.page.evaluate(([name, text]) => window.baton.doc.getText(name).insert(0, text), [root, words])
  }

  /** Whether the editor takes keys. */
  async mayEdit () {
    return await this.is('editor', 'data-may-edit') === 'true'
  }

  /** The row of somebody in a list. */
  row (name, list = 'roster') {
    return this.at(list).locator(`[data-name="${name}"]`)
  }

  /** The state of somebody in a list of people; `null` when they are not in it. */
  async state (name, list = 'roster') {
    return await attributeOf(this.row(name, list), 'data-state')
  }

  /** Waits until somebody has that state in the list. */
  async finds (name, state, within, list) {
    await waitFor(`${this.name} finds ${name} ${state}`, async () => await this.state(name, list) === state, within)
  }

  /** Takes the lock, which must be free: of the whole document, or of the part that a suffix names. */
  async takeLock (suffix = '') {
    await this.becomes(`lock-button${suffix}`, 'free')
    await this.at(`lock-button${suffix}`).click()
    await this.becomes(`lock-button${suffix}`, 'mine')
  }

  /** Reloads the page, and waits until the server knows it again. */
  async reload () {
    await this.page.reload()
    await waitFor(`${this.name} is back`, () => this.page.evaluate(() => window.baton.provider.synced))
  }

  /** The page's process dies, as if the machine had run out of memory. */
  async crash () {
    const crashed = new Promise((resolve) => this.page.once('crash', resolve))
    const devtools = await this.page.context().newCDPSession(this.page)
    // Never answered: who should?
    devtools.send('Page.crash').catch(() => {})
    await crashed
  }
}

/**
 * Somebody opens a page and gives a name; returns when the server knows it.
 *
 * @param {import('../node/harness.js').Stage} stage
 * @param {import('../node/harness.js').Server} server
 * @param {string} name
 * @param {{page?: string, document?: string, size?: {width: number, height: number}, violates?: boolean}} options
 *   `violates`: the story breaks the page's policy on purpose
 */
export async function open (stage, server, name, { page = EDITOR, document = 'essay', size, violates = false } = {}) {
  // A certificate of the story's own, which no browser knows.
  const ignoreHTTPSErrors = server.page.startsWith('https:')
  const context = await fresh(stage, { viewport: size ?? { width: 1280, height: 800 }, ignoreHTTPSErrors })
  return await tab(stage, server, name, context, { page, document, violates })
}

/** A browser profile of its own, for a story that wants more than a person in it; see `newContext` of Playwright. */
export async function fresh (stage, options = {}) {
  const context = await (await browser()).newContext(options)
  if (DIST) await serveFrom(context, DIST)
  stage.later(() => context.close())
  return context
}

/**
 * Another tab of somebody, in the same browser profile, under a name of its own.
 *
 * @param {Person} person
 */
export async function again (stage, server, person, name, { page = EDITOR, document = 'essay' } = {}) {
  return await tab(stage, server, name, person.page.context(), { page, document })
}

async function tab (stage, server, name, context, { page, document, violates = false }) {
  const tab = await context.newPage()
  const errors = []
  tab.on('pageerror', (error) => errors.push(error))
  // Nothing that the page does may need more than its policy allows.
  tab.on('console', (message) => {
    if (!violates && message.type() === 'error' && message.text().includes('Content Security Policy')) errors.push(new Error(message.text()))
  })
  await tab.goto(`${server.page}${page}?doc=${encodeURIComponent(document)}`)
  const person = new Person(name, tab)
  // The server's welcome puts the page's name into the field: a name that was typed before it is gone.
  await waitFor(`${name} is welcome`, () => tab.evaluate(() => window.baton.provider.session !== null))
  await person.at('name-input').fill(name)
  await waitFor(`${name} is known`, () => tab.evaluate((wanted) => {
    const { provider } = window.baton
    return provider.synced && provider.roster.get(provider.session)?.user.name === wanted
  }, name))
  stage.later(() => {
    if (errors.length > 0) throw errors[0]
  })
  stage.witness(async () => `${name}: ${await tab.evaluate(() => document.querySelector('[data-testid=events]').innerText)}`)
  return person
}
