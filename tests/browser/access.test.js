// Each state of the pages for people who do not see them, or see them otherwise.

import assert from 'node:assert/strict'
import { story, waitFor } from '../node/harness.js'
import { stock } from '../node/stock.js'
import { faults } from './axe.js'
import { BODY, CHAT, FEED, open } from './pages.js'

/** The page speaks a state after it has stood still for this long, in milliseconds (`SETTLED` in its announcer). */
const SETTLES = 1200

const none = (found) => assert.equal(found.length, 0, found.join('\n\n'))

story('axe finds nothing in the editor: free, mine, theirs, in line, asked, set aside, offline', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  const found = []
  const look = async (person, state) => found.push(...await faults(person, state))
  await ada.write('# A title\n\nand *words* with a [link](https://example.org)')
  await bob.sees('and *words*')
  await look(ada, 'free')
  await ada.takeLock()
  await bob.becomes('lock-button', 'theirs')
  await look(ada, 'mine')
  await look(bob, 'theirs')
  await bob.force('early ', BODY)
  await Promise.all([ada.shows('park'), bob.shows('parked')])
  await ada.at('park-show').locator('summary').click()
  await ada.reads('park-diff', 'early')
  await look(ada, 'a park')
  await look(bob, 'set aside')
  await bob.becomes('lock-button', 'theirs')
  await bob.at('ask').click()
  await look(bob, 'about to ask')
  await bob.at('ask-note').fill('May I?')
  await bob.at('ask-send').click()
  await Promise.all([ada.shows('request-banner'), bob.becomes('lock-button', 'waiting')])
  await look(ada, 'asked')
  await look(bob, 'in line')
  await bob.page.setViewportSize({ width: 390, height: 800 })
  await look(bob, 'in line on a phone')
  await server.kill()
  await Promise.all([ada.becomes('save-state', 'offline'), bob.becomes('save-state', 'offline')])
  await look(ada, 'offline')
  await look(bob, 'offline on a phone')
  none(found)
})

story('axe finds nothing in what lies over the page: the bar, a refused key, news of a park; nor where a name is none', async (stage) => {
  const server = await stage.server()
  const size = { width: 390, height: 700 }
  const ada = await open(stage, server, 'Ada', { size })
  const bob = await open(stage, server, 'Bob', { size })
  const found = []
  const look = async (person, state) => found.push(...await faults(person, state))
  await ada.takeLock()
  await bob.becomes('lock-button', 'theirs')
  await bob.force('early ', BODY)
  await Promise.all([ada.shows('park'), bob.shows('parked')])
  await bob.becomes('lock-button', 'theirs')
  await bob.at('editor').click()
  await bob.page.keyboard.press('x')
  await bob.shows('refusal')
  await look(bob, 'a refused key')
  await bob.page.evaluate(() => scrollTo(0, document.body.scrollHeight))
  await bob.shows('lock-bar')
  await look(bob, 'the bar')
  await ada.at('park-show').locator('summary').click()
  await ada.at('park-discard').click()
  await Promise.all([ada.shows('park-news'), bob.shows('park-news')])
  await look(ada, 'left out, with a way back')
  await look(bob, 'told that it was left out')
  await bob.page.goto(`${server.page}?doc=..`)
  await bob.shows('bad-name')
  await look(bob, 'a name that is none')
  none(found)
})

story('axe finds nothing in the chat and in the live data, with and without entries, and offline', async (stage) => {
  const server = await stage.server()
  const found = []
  const look = async (person, state) => found.push(...await faults(person, state))
  const cleo = await open(stage, server, 'Cleo', { page: CHAT, document: 'chat' })
  await look(cleo, 'an empty chat')
  for (const words of ['Hello', 'there']) {
    await cleo.at('chat-input').fill(words)
    await cleo.at('chat-send').click()
  }
  // Colours that others choose must not take the words away.
  await cleo.page.evaluate(() => window.baton.doc.getArray('messages').push(
    ['yellow', '#fff', '#000', 'transparent', 'not a colour'].map((color, i) => ({ id: `m${i}`, name: `Guest ${i}`, color, text: 'Hi', at: 0 }))
  ))
  await cleo.reads('chat-messages', 'Guest 4')
  await look(cleo, 'a chat')

  const dan = await open(stage, server, 'Dan', { page: FEED, document: 'feed' })
  await look(dan, 'no live data')
  const feed = stock(stage, server, 'feed')
  await feed.synced()
  for (let n = 1; n <= 5; n++) feed.doc.getArray('ticks').push([{ n, at: Date.now(), value: n }])
  await waitFor('Dan sees it', async () => await dan.is('feed-latest', 'data-n') === '5')
  await look(dan, 'live data')
  await server.kill()
  await Promise.all([cleo.becomes('save-state', 'offline'), dan.becomes('feed-state', 'reconnecting')])
  await look(cleo, 'a chat offline')
  await look(dan, 'live data offline')
  none(found)
})

/** Where the keyboard is on a page; `null` when it is nowhere, or on something that cannot be seen. */
const focusOf = (person) => person.page.evaluate(() => {
  const active = document.activeElement
  if (active === null || active === document.body || !active.checkVisibility()) return null
  return active.dataset.testid ?? active.id ?? active.tagName
})

/** Somebody presses a button with the keyboard; the button must be gone or hidden afterwards, and the focus must not. */
async function press (person, id, { stays = false } = {}) {
  const button = person.at(id).first()
  await button.focus()
  await person.page.keyboard.press('Enter')
  if (!stays) await button.waitFor({ state: 'hidden' })
  await hasFocus(person, id)
}

/** Waits until the focus is somewhere; the browser takes it away in the next frame at the earliest. */
async function hasFocus (person, after) {
  await waitFor(`${person.name} has the focus somewhere after ${after}`, async () => {
    await person.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))))
    return await focusOf(person) !== null
  }, 2000)
}

story('the focus is handed on by every button that disappears', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await Promise.all([ada.finds('Bob', 'online'), bob.finds('Ada', 'online')])
  await press(ada, 'lock-button-body', { stays: true })
  await ada.becomes('lock-button-body', 'mine')
  // Who holds a part does not wait for the whole: that button goes.
  await press(ada, 'lock-button-body', { stays: true })
  await ada.becomes('lock-button-body', 'free')
  await press(ada, 'lock-button', { stays: true })
  await ada.becomes('lock-button', 'mine')
  await bob.becomes('lock-button', 'theirs')
  // A form that closes, and the button that opened it.
  await press(bob, 'ask', { stays: true })
  await press(bob, 'ask-send')
  await ada.shows('request-banner')
  await press(ada, 'request-hand-over')
  await bob.becomes('lock-button', 'mine')
  await ada.becomes('lock-button', 'theirs')
  await press(bob, 'hand-over')
  await ada.becomes('lock-button', 'mine')
  await bob.becomes('lock-button', 'theirs')
  await press(bob, 'take-over', { stays: true })
  await press(bob, 'take-over-confirm')
  await bob.becomes('lock-button', 'mine')
  await ada.becomes('lock-button', 'theirs')
  // News that are closed.
  await ada.shows('banner')
  await ada.at('banner').locator('button').first().focus()
  await ada.page.keyboard.press('Enter')
  await ada.shows('banner', false)
  await hasFocus(ada, 'the news')
  // Edits that were set aside: the row goes to another list, and then altogether.
  await ada.force('early ', BODY)
  await Promise.all([bob.shows('park'), ada.shows('parked')])
  await press(ada, 'parked-show')
  await bob.at('park-show').locator('summary').click()
  await press(bob, 'park-discard')
  await bob.becomes('park', 'discarded')
  await bob.at('parks-discarded').locator('xpath=ancestor::details[1]/summary').click()
  await press(bob, 'park-recover')
  await bob.becomes('park', 'open')
  await press(bob, 'park-merge')
  await bob.sees('early ')
})

story('a focus that somebody puts on the page itself stays there', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.at('lock-button').focus()
  await ada.page.locator('header').first().click({ position: { x: 2, y: 2 } })
  await bob.takeLock()
  await ada.becomes('lock-button', 'theirs')
  assert.equal(await focusOf(ada), null)
  // Nor is it taken from who has it.
  await ada.at('name-input').focus()
  await bob.at('lock-button').click()
  await ada.becomes('lock-button', 'free')
  assert.equal(await focusOf(ada), 'name-input')
})

/** Collects, in a page, all that a screen reader would say by itself: what changes in a live region. */
function listen () {
  window.spoken = []
  const live = (node) => (node.nodeType === 1 ? node : node.parentElement)?.closest('[aria-live], [role=status], [role=alert], [role=log], output')
  new MutationObserver((changes) => {
    const regions = new Set(changes.map(({ target }) => live(target)))
    for (const region of regions) {
      if (region && region.getAttribute('aria-live') !== 'off') window.spoken.push(region.innerText)
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true })
}

story('what flickers is not spoken, what settles is spoken once', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.page.evaluate(listen)
  const spoken = () => ada.page.evaluate(() => window.spoken.splice(0))
  await ada.at('editor').click()
  await ada.page.keyboard.type('Forty characters, each of which is saved.', { delay: 40 })
  await bob.sees('is saved.')
  await ada.becomes('save-state', 'saved')
  // Nothing of the forty, or where it ended, if that took long enough to settle.
  // On a slow machine, what the page said when it opened settles as late as this.
  const typed = (await spoken()).filter((words) => words !== 'Nobody has the lock')
  assert.ok(typed.length <= 1 && typed.every((words) => words === 'All is saved'), JSON.stringify(typed))
  // The lock goes back and forth faster than words could be.
  const began = Date.now()
  for (let turn = 0; turn < 4; turn++) {
    await bob.at('lock-button').click()
    await bob.becomes('lock-button', turn % 2 === 0 ? 'mine' : 'free')
  }
  // Nothing of that, or where it ended, or on a slow machine what stood long enough. Then the line is cut.
  const flickered = await spoken()
  const settled = 1 + Math.floor((Date.now() - began) / SETTLES)
  assert.ok(flickered.filter((words) => words === 'All is saved').length <= 1, JSON.stringify(flickered))
  assert.ok(flickered.filter((words) => words !== 'All is saved').length <= settled, JSON.stringify(flickered))
  await server.kill()
  await waitFor('it is spoken that the page is cut off', async () => {
    const said = await ada.page.evaluate(() => window.spoken)
    return said.some((words) => words.includes('Offline')) || new Error(JSON.stringify(said))
  })
  const said = await spoken()
  assert.equal(said.filter((words) => words.includes('Offline')).length, 1, JSON.stringify(said))
  assert.ok(said.length <= 3, JSON.stringify(said))
})

story('the seconds of a countdown are shown, not spoken', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.takeLock()
  await bob.becomes('lock-button', 'theirs')
  await ada.page.evaluate(listen)
  await bob.at('ask').click()
  await bob.at('ask-send').click()
  await ada.shows('request-banner')
  const left = async () => Number(await ada.is('request-banner', 'data-left'))
  const first = await left()
  await waitFor('four seconds are gone', async () => await left() <= first - 4 && await left() > 12)
  const said = await ada.page.evaluate(() => window.spoken)
  assert.ok(said.length > 0 && said.length <= 3, JSON.stringify(said))
  assert.ok(said.every((words) => !/\d s\b/.test(words)), JSON.stringify(said))
  await waitFor('ten seconds are left', async () => await left() <= 10)
  await waitFor('that is spoken', () => ada.page.evaluate(() => window.spoken.some((words) => words.includes('10 seconds'))))
  const all = await ada.page.evaluate(() => window.spoken)
  assert.equal(all.filter((words) => words.includes('seconds')).length, 1, JSON.stringify(all))
})

story('in forced colours what is on, chosen and present can still be told from what is not', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  await ada.page.emulateMedia({ forcedColors: 'active', reducedMotion: 'reduce' })
  await ada.at('stop-heartbeat').check()
  const looks = await ada.page.evaluate(() => {
    const style = (element, pseudo) => getComputedStyle(element, pseudo)
    const of = (id) => document.querySelector(`[data-testid="${id}"]`)
    const segment = (mode) => style(of(`mode-${mode}`).nextElementSibling).backgroundColor
    const canvas = style(document.body).backgroundColor
    return {
      mode: [segment('exclusive-when-held'), segment('open')],
      page: [style(document.querySelector('nav a[aria-current]')).backgroundColor, style(document.querySelector('nav a:not([aria-current])')).backgroundColor],
      toggle: [style(of('stop-heartbeat')).backgroundColor, style(of('cut-network')).backgroundColor],
      person: [style(document.querySelector('[data-testid=roster] .dot')).backgroundColor, canvas],
      chip: [style(of('save-state'), '::before').backgroundColor, canvas],
      swatches: [style(document.querySelector('.swatch:nth-of-type(1) input')).backgroundColor, style(document.querySelector('.swatch:nth-of-type(2) input')).backgroundColor]
    }
  })
  for (const [what, [one, other]] of Object.entries(looks)) assert.notEqual(one, other, what)
})
