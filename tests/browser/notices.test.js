// The cue at a refused key, the state of the lock at any scroll position, and a text that never
// jumps.

import assert from 'node:assert/strict'
import { story, waitFor } from '../node/harness.js'
import { open } from './pages.js'

const SIZES = { 'a desktop': { width: 1280, height: 800 }, 'a phone': { width: 360, height: 740 } }

/** Longer than two windows. */
const LONG = Array.from({ length: 60 }, (_, i) => `Line ${i + 1} of a long text.`).join('\n')

const box = (person, id) => person.at(id).evaluate((element) => {
  const { top, left, bottom, right } = element.getBoundingClientRect()
  return { top, left, bottom, right, width: innerWidth, height: innerHeight }
})

const inside = ({ top, left, bottom, right, width, height }) => top >= 0 && left >= 0 && bottom <= height && right <= width

/** Where the text is on the page, whatever is scrolled. */
const place = (person) => person.page.evaluate(() =>
  ['editor-summary', 'editor'].map((id) => Math.round(document.querySelector(`[data-testid=${id}]`).closest('.cm-editor').getBoundingClientRect().top + scrollY)).join(' '))

for (const [where, size] of Object.entries(SIZES)) {
  story(`a refused key is answered at the caret, with the way to write, on ${where}`, async (stage) => {
    const server = await stage.server()
    const ada = await open(stage, server, 'Ada')
    const bob = await open(stage, server, 'Bob', { size })
    await ada.force(LONG)
    await ada.takeLock()
    await bob.becomes('lock-button', 'theirs')
    for (const key of ['Control+Home', 'Control+End']) {
      await bob.at('editor').click()
      await bob.page.keyboard.press(key)
      await bob.page.keyboard.type('x')
      await bob.reads('refusal', 'Only Ada can write now')
      await waitFor('it is at the caret', async () => {
        const caret = await bob.page.evaluate(() => {
          const { top, bottom, left } = getSelection().getRangeAt(0).getBoundingClientRect()
          return { top, bottom, left }
        })
        const cue = await box(bob, 'refusal')
        const near = Math.min(Math.abs(cue.top - caret.bottom), Math.abs(caret.top - cue.bottom)) < 40
        return (inside(cue) && near) || new Error(JSON.stringify([cue, caret]))
      })
      await bob.page.keyboard.press('ArrowLeft')
    }
    // By the keyboard alone.
    await bob.page.keyboard.type('x')
    await bob.page.keyboard.press('Tab')
    assert.equal(await bob.page.evaluate(() => document.activeElement.dataset.testid), 'refusal-act')
    await bob.page.keyboard.press('Enter')
    await ada.shows('request-banner')
    await ada.reads('request-banner', 'Bob asks for the lock')
    await bob.shows('refusal', false)
    assert.equal(await bob.page.evaluate(() => document.activeElement.dataset.testid), 'editor', 'he goes on where he was')
    await ada.at('request-hand-over').click()
    await bob.becomes('lock-button', 'mine')
    await bob.write('thanks')
    await bob.shows('refusal', false)
  })

  story(`who has the lock is seen at any place of a long page, on ${where}`, async (stage) => {
    const server = await stage.server()
    const ada = await open(stage, server, 'Ada')
    const bob = await open(stage, server, 'Bob', { size })
    await ada.force(LONG)
    await ada.takeLock()
    await bob.becomes('lock-button', 'theirs')
    const height = await bob.page.evaluate(() => document.documentElement.scrollHeight)
    for (let at = 0; at < height; at += 200) {
      await bob.page.evaluate((top) => scrollTo(0, top), at)
      await waitFor(`it is seen at ${at}`, async () => {
        for (const id of ['lock-bar', 'lock-status']) {
          const shown = await bob.at(id).evaluate((element) => element.checkVisibility())
          if (shown && inside(await box(bob, id)) && (await bob.at(id).textContent()).includes('Ada has the lock')) return true
        }
        return false
      })
    }
    // And one can act there.
    await bob.at('lock-bar-act').click()
    await bob.becomes('queue-place', '1', undefined, 'data-place')
    await bob.reads('lock-bar', 'You are next')
    assert.ok(await bob.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing sticks out')
  })

  story(`nothing that happens moves the text, on ${where}`, async (stage) => {
    const server = await stage.server()
    const ada = await open(stage, server, 'Ada', { size })
    const bob = await open(stage, server, 'Bob', { size })
    const cleo = await open(stage, server, 'A person with quite a long name')
    await ada.write('Common ground. ')
    await bob.sees('Common ground. ')
    const before = await place(bob)
    const seen = { free: before }
    const look = async (what, person = bob) => (seen[what] = await place(person))
    await look('free, for Ada', ada)
    await ada.takeLock()
    await bob.becomes('lock-button', 'theirs')
    await look('theirs')
    await look('mine', ada)
    await bob.type('x')
    await bob.shows('refusal')
    await look('refused')
    await cleo.becomes('lock-button', 'theirs')
    await cleo.at('lock-button').click()
    await cleo.becomes('lock-button', 'waiting')
    await bob.at('lock-button').click()
    await bob.becomes('queue-place', '2', undefined, 'data-place')
    await look('waiting')
    await look('waited for', ada)
    await bob.page.evaluate(() => void window.baton.provider.lock.request('please'))
    await ada.shows('request-banner')
    await look('asking')
    await look('asked', ada)
    await bob.force('Out of turn. ')
    await bob.shows('parked')
    await look('set aside')
    await waitFor('Ada sees it', async () => await ada.is('park') === 'open')
    await look('somebody’s words set aside', ada)
    await bob.becomes('lock-button', 'waiting')
    await cleo.page.evaluate(() => void window.baton.provider.lock.takeOver())
    await ada.becomes('banner', 'lost', undefined, 'data-kind')
    await bob.reads('lock-status', 'You are')
    await look('lost', ada)
    await look('theirs, with a long name')
    // Her page has to have it before it can give it back.
    await cleo.becomes('lock-button', 'mine')
    await cleo.page.evaluate(() => void window.baton.provider.lock.release())
    await bob.becomes('lock-button', 'mine', 20_000)
    await look('won')
    await bob.page.evaluate(() => window.baton.provider.disconnect())
    await bob.becomes('save-state', 'offline')
    await look('offline')
    assert.deepEqual(new Set(Object.values(seen)), new Set([before]), JSON.stringify(seen, null, 1))
  })
}

story('in a queue of eight one sees one’s own place, and thirty people are a list that scrolls', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob', { size: SIZES['a phone'] })
  await ada.takeLock()
  await bob.becomes('lock-button', 'theirs')
  // Sessions without pages: what is looked at is Bob's page.
  await ada.page.evaluate(async () => {
    const { provider } = window.baton
    const Provider = provider.constructor
    const Doc = provider.doc.constructor
    window.crowd = Array.from({ length: 29 }, (_, i) => new Provider(provider.serverUrl, provider.roomname, new Doc(), { user: { name: `Person ${i + 1}`, color: '#0e7490' }, userKey: null, resume: false }))
    await Promise.all(window.crowd.map((one) => new Promise((resolve) => one.once('sync', resolve))))
    for (const one of window.crowd.slice(0, 7)) await one.lock.acquire()
  })
  await waitFor('all are there', async () => await bob.at('roster').locator('li').count() === 31)
  await bob.at('lock-button').click()
  await bob.becomes('queue-place', '8', undefined, 'data-place')
  await bob.reads('lock-status', 'You are 8th of 8 in line')
  const own = bob.page.locator('.lane li[data-own]')
  await waitFor('his own place is in the lane', async () => (await own.textContent()) === 'You8th')
  const { left, right } = await own.evaluate((element) => element.getBoundingClientRect().toJSON())
  assert.ok(left >= 0 && right <= 360, 'and can be seen')

  const list = await bob.at('roster').evaluate((element) => ({ height: element.clientHeight, all: element.scrollHeight, window: innerHeight, focus: element.tabIndex }))
  assert.ok(list.height < list.window && list.all > list.height, JSON.stringify(list))
  assert.equal(list.focus, 0, 'the keyboard reaches it')
  await bob.at('roster').locator('li').last().scrollIntoViewIfNeeded()
  assert.ok(await bob.at('roster').evaluate((element) => element.scrollTop > 0))
  await ada.page.evaluate(() => window.crowd.forEach((one) => one.destroy()))
})
