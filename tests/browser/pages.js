// People at the demo's pages, each in a browser profile of their own.
//
// Owns the one browser of a test file. Looks at a page through its test ids and `window.baton`, as the page promises
// them; never through its words or its styles.

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

let launched = null
const browser = () => (launched ??= chromium.launch({ executablePath: CHROMIUM, args: FLAGS }))
after(async () => (await launched)?.close())

/** The pages of the demo. */
export const EDITOR = ''
export const CHAT = 'chat.html'
export const FEED = 'feed.html'

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

  /** An attribute of it; `null` when it has none. */
  async is (id, attribute = 'data-state') {
    return await this.at(id).getAttribute(attribute)
  }

  /** Waits until that attribute has that value. */
  async becomes (id, value, within, attribute = 'data-state') {
    await waitFor(`${this.name}'s ${id} is ${value}`, async () => await this.is(id, attribute) === value, within)
  }

  /** The shared text. */
  text () {
    return this.page.evaluate(() => window.baton.doc.getText('content').toString())
  }

  /** Waits until the words stand in the shared text. */
  async sees (words, within) {
    await waitFor(`${this.name} sees "${words}"`, async () => (await this.text()).includes(words), within)
  }

  /** Types at the end of the text, key by key; whether anything comes of it is the page's business. */
  async type (words) {
    await this.at('editor').click()
    await this.page.keyboard.press('Control+End')
    await this.page.keyboard.type(words)
  }

  /** Whether the editor takes keys. */
  async mayEdit () {
    return await this.is('editor', 'data-may-edit') === 'true'
  }

  /** The state of somebody in a list of people; `null` when they are not in it. */
  async state (name, list = 'roster') {
    // In one step: a row that goes between two looks would be waited for.
    const rows = this.at(list).locator(`[data-name="${name}"]`)
    return await rows.evaluateAll((found) => found.length === 1 ? found[0].getAttribute('data-state') : null)
  }

  /** Waits until somebody has that state in the list. */
  async finds (name, state, within, list) {
    await waitFor(`${this.name} finds ${name} ${state}`, async () => await this.state(name, list) === state, within)
  }

  /** Takes the lock, which must be free. */
  async takeLock () {
    await this.becomes('lock-button', 'free')
    await this.at('lock-button').click()
    await this.becomes('lock-button', 'mine')
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
 * @param {{page?: string, document?: string, size?: {width: number, height: number}}} options
 */
export async function open (stage, server, name, { page = EDITOR, document = 'essay', size } = {}) {
  const context = await (await browser()).newContext({ viewport: size ?? { width: 1280, height: 800 } })
  stage.later(() => context.close())
  const tab = await context.newPage()
  const errors = []
  tab.on('pageerror', (error) => errors.push(error))
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
  return person
}
