// The guards of editors in Chromium: one project of Vite and TypeScript with each editor, two pages, and a lock that passes.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { fresh } from '../browser/pages.js'
import { pause, story, waitFor } from '../node/harness.js'
import { must, Shelf } from './project.js'

/** Time for a change to come that should not, in milliseconds. */
const STILL = 400

/** What a holder may be away for: a page that is closed may come back. */
const GRACE = ['--grace', '1s']

/** The editors of the project; `focus` is what takes the keys where that is not the element that the guard marks. */
const EDITORS = {
  codemirror: {},
  prosemirror: {},
  tiptap: {},
  quill: {},
  monaco: { focus: 'textarea, .native-edit-context' },
  lexical: {}
}

const shelf = new Shelf()
let home
before(async () => {
  const folder = await shelf.project('editors')
  await must(folder, 'npm', ['run', 'build'])
  home = await shelf.serve(join(folder, 'dist'))
})
after(() => shelf.clear())

/** Somebody at one editor. */
class Writer {
  constructor (page, name, focus) {
    this.page = page
    this.name = name
    this.focus = focus
  }

  /** What can be typed into; the guard marks it. */
  get surface () {
    return this.page.locator('[data-may-edit]')
  }

  async becomes (mayEdit) {
    await waitFor(`${this.name} may ${mayEdit ? '' : 'not '}edit`, async () => await this.surface.getAttribute('data-may-edit') === String(mayEdit))
  }

  /** Puts the caret behind all that is there. */
  async atEnd () {
    await (this.focus ? this.surface.locator(this.focus) : this.surface).first().focus()
    await this.page.keyboard.press('Control+End')
  }

  shown () {
    return this.page.evaluate(() => window.page.example.shown())
  }

  shared () {
    return this.page.evaluate(() => window.page.example.shared())
  }

  async sees (words) {
    await waitFor(`${this.name} sees "${words}"`, async () => {
      const [shown, shared] = [await this.shown(), await this.shared()]
      return (shown === words && shared === words) || new Error(`shown "${shown}", shared "${shared}"`)
    })
  }

  /** All that was refused, as one text, and how often something was. */
  refused () {
    return this.page.evaluate(() => ({ text: window.page.refusals.map(({ text }) => text ?? '').join(''), count: window.page.refusals.length }))
  }

  saved () {
    return this.page.evaluate(() => window.page.provider.saved())
  }

  async take () {
    await this.page.evaluate(() => window.page.provider.lock.hold())
  }

  /** What the cue says. */
  cue () {
    return this.page.locator('.baton-cue').textContent()
  }
}

async function open (stage, server, editor, name) {
  const page = await (await fresh(stage)).newPage()
  const errors = []
  page.on('pageerror', (error) => errors.push(error))
  stage.later(() => {
    if (errors.length > 0) throw errors[0]
  })
  await page.goto(`${home}?server=${encodeURIComponent(server.socket)}&editor=${editor}&name=${name}`)
  await page.waitForFunction(() => window.page, undefined, { timeout: 10_000 })
  const writer = new Writer(page, name, EDITORS[editor].focus)
  stage.witness(async () => `${name}: ${await page.evaluate(() => document.body.innerText)}`)
  await writer.becomes(true)
  return writer
}

/** Ada and Bo at the same text, to which both have added a word. */
async function two (stage, editor, ...more) {
  const server = await stage.server(...more)
  const ada = await open(stage, server, editor, 'Ada')
  const bo = await open(stage, server, editor, 'Bo')
  await ada.atEnd()
  await ada.page.keyboard.type('Ada')
  await bo.sees('Ada')
  await bo.atEnd()
  await bo.page.keyboard.type(' Bo')
  await ada.sees('Ada Bo')
  return { server, ada, bo, devtools: await bo.page.context().newCDPSession(bo.page) }
}

/** A story of each editor, all at once: most of it is waiting. `EDITOR=quill` plays that of one. */
function each (what, play) {
  const editors = Object.keys(EDITORS).filter((editor) => editor === (process.env.EDITOR ?? editor))
  story(`with each editor, ${what}`, (stage) => Promise.all(editors.map((editor) => play(stage, editor).catch((cause) => {
    throw new Error(`${editor}: ${cause.message}`, { cause })
  }))))
}

const event = (writer, type, make) => writer.page.evaluate(([type, make]) => {
  const target = document.activeElement
  const { left, top } = target.getBoundingClientRect()
  const data = new DataTransfer()
  data.setData('text/plain', make.text ?? '')
  const options = { bubbles: true, cancelable: true, clientX: left + 20, clientY: top + 10 }
  if (type === 'beforeinput') target.dispatchEvent(new InputEvent(type, { ...options, inputType: make.inputType, data: make.text ?? null }))
  else if (type === 'drop') target.dispatchEvent(new DragEvent(type, { ...options, dataTransfer: data }))
  else target.dispatchEvent(new ClipboardEvent(type, { ...options, clipboardData: data }))
}, [type, make])

/** Ways to change a text; `silent` where no person did it. */
const WAYS = {
  'a key': ({ bo }) => bo.page.keyboard.type('x'),
  'Enter': ({ bo }) => bo.page.keyboard.press('Enter'),
  'Backspace': ({ bo }) => bo.page.keyboard.press('Backspace'),
  'undo by a key': ({ bo }) => bo.page.keyboard.press('Control+z'),
  'undo of the menu': ({ bo }) => event(bo, 'beforeinput', { inputType: 'historyUndo' }),
  'a paste by keys': async ({ bo }) => {
    await bo.page.keyboard.press('Control+a')
    await bo.page.keyboard.press('Control+c')
    await bo.page.keyboard.press('Control+v')
  },
  'a paste': ({ bo }) => event(bo, 'paste', { text: 'pasted' }),
  'a drop': ({ bo }) => event(bo, 'drop', { text: 'dropped' }),
  'a correction of the spelling': ({ bo }) => event(bo, 'beforeinput', { inputType: 'insertReplacementText', text: 'wrong' }),
  'a program': ({ bo }) => bo.page.evaluate(() => window.page.example.program('by a program')),
  'undo by a program': ({ bo }) => bo.page.evaluate(() => window.page.example.undo())
}

/** The same, of which nobody has to be told: nothing happens in an element that the browser does not let be edited. */
const SILENT = {
  'undo by execCommand': ({ bo }) => bo.page.evaluate(() => document.execCommand('undo')),
  'execCommand of an extension': ({ bo }) => bo.page.evaluate(() => document.execCommand('insertText', false, 'by an extension')),
  'insertText of the browser': ({ devtools }) => devtools.send('Input.insertText', { text: 'dictated' }),
  'a composition': async ({ devtools }) => {
    await devtools.send('Input.imeSetComposition', { text: 'に', selectionStart: 1, selectionEnd: 1 })
    await devtools.send('Input.imeSetComposition', { text: 'にほ', selectionStart: 2, selectionEnd: 2 })
    await devtools.send('Input.insertText', { text: '日本' })
  }
}

each("nothing gets into a text under another's lock, and its writer goes on", async (stage, editor) => {
  const there = await two(stage, editor)
  const { ada, bo } = there
  await ada.take()
  await bo.becomes(false)
  await bo.atEnd()
  for (const [ways, isTold] of [[WAYS, true], [SILENT, false]]) {
    for (const [how, tries] of Object.entries(ways)) {
      const before = await bo.refused()
      await tries(there)
      if (isTold) await waitFor(`${how} is refused`, async () => (await bo.refused()).count > before.count)
      if (how === 'a paste') assert.match((await bo.refused()).text, /pasted/)
      await pause(isTold ? 50 : STILL)
      await waitFor(`${how} is undone`, async () => await bo.shown() === 'Ada Bo' || new Error(await bo.shown()))
      assert.equal(await bo.shared(), 'Ada Bo', how)
    }
  }
  assert.match(await bo.cue(), /^Ada is writing here\. “.*” was not added\.$/s)
  assert.deepEqual(await bo.surface.evaluate((one) => [one.dataset.why, one.getAttribute('aria-readonly')]), ['theirs', 'true'])
  await ada.atEnd()
  await ada.page.keyboard.type(' and on')
  await bo.sees('Ada Bo and on')
  assert.equal(await bo.page.evaluate(() => window.page.provider.parks.size), 0, 'nothing was set aside')
  assert.equal((await ada.refused()).count, 0)
  await ada.page.evaluate(() => window.page.provider.lock.release())
  await bo.becomes(true)
  await bo.atEnd()
  await bo.page.keyboard.type('!')
  await ada.sees('Ada Bo and on!')
  assert.equal(await bo.cue(), '')
})

each("the lock passes from a page that is closed; undo takes back one's own, also after a reconnect", async (stage, editor) => {
  const { server, ada, bo } = await two(stage, editor, ...GRACE)
  await ada.take()
  await bo.becomes(false)
  await ada.atEnd()
  await ada.page.keyboard.type(', Ada')
  await ada.saved()
  await bo.atEnd()
  await bo.page.keyboard.type('early')
  await waitFor('Bo is told', async () => (await bo.refused()).text === 'early')
  const held = bo.take()
  await ada.page.close()
  await held
  await bo.becomes(true)
  await bo.atEnd()
  await bo.page.keyboard.type(' Bo2')
  await bo.sees('Ada Bo, Ada Bo2')
  await bo.saved()
  await server.kill()
  await bo.page.waitForFunction(() => !window.page.provider.wsconnected)
  await server.start()
  await bo.page.evaluate(() => window.page.provider.ready())
  await bo.becomes(true)
  await bo.atEnd()
  await event(bo, 'beforeinput', { inputType: 'historyUndo' })
  await bo.sees('Ada Bo, Ada')
  await bo.page.keyboard.press('Control+z')
  await bo.page.keyboard.press('Control+z')
  await bo.sees('Ada, Ada')
  await bo.page.evaluate(() => window.page.provider.lock.release())
  const cleo = await open(stage, server, editor, 'Cleo')
  await cleo.sees('Ada, Ada')
})

each('each key at a change of hands is in the text, or its refusal is told', async (stage, editor) => {
  const { ada, bo, devtools } = await two(stage, editor)
  await ada.take()
  await bo.becomes(false)
  await bo.atEnd()
  const held = bo.take()
  const typing = bo.page.keyboard.type('abcdefghijklmnopqrst', { delay: 40 })
  await waitFor('Bo has begun', async () => (await bo.refused()).text.length > 3)
  await ada.page.evaluate(() => window.page.provider.lock.release())
  await Promise.all([held, typing])
  const refused = await bo.refused()
  const added = 'abcdefghijklmnopqrst'.slice(refused.text.length)
  assert.ok(added.length > 0, 'the lock came while he typed')
  assert.equal(refused.text + added, 'abcdefghijklmnopqrst')
  await ada.sees(`Ada Bo${added}`)
  await bo.sees(`Ada Bo${added}`)

  const before = (await bo.refused()).text.length
  const rest = bo.page.keyboard.type('0123456789', { delay: 40 })
  await waitFor('Bo goes on', async () => (await bo.shared()).includes('012'))
  await ada.page.evaluate(() => window.page.provider.lock.takeOver())
  await rest
  await waitFor('Ada has it', () => ada.page.evaluate(() => window.page.provider.lock.state === 'mine'))
  const late = (await bo.refused()).text.slice(before)
  assert.ok(late.length > 0, 'the lock went while he typed')
  await ada.sees(`Ada Bo${added}${'0123456789'.slice(0, -late.length)}`)
  assert.equal('0123456789'.slice(-late.length), late)

  // An input method is at work when the lock goes.
  await ada.page.evaluate(() => window.page.provider.lock.release())
  await bo.becomes(true)
  await bo.atEnd()
  for (const text of ['n', 'に', 'にほ']) {
    await devtools.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length })
  }
  await waitFor('Bo sees what he composes', async () => (await bo.surface.innerText()).includes('にほ'))
  await ada.take()
  await bo.becomes(false)
  await devtools.send('Input.insertText', { text: '日本' })
  await pause(STILL)
  const now = await ada.shared()
  await ada.sees(now)
  await bo.sees(now)
  assert.ok(!now.includes('日'), now)
  assert.equal(await bo.page.evaluate(() => window.page.provider.parks.size), 0, 'nothing was set aside')
})

story('lexical: what it joins by itself under another\'s lock is written by the holder alone', async (stage) => {
  const { ada, bo } = await two(stage, 'lexical')
  await ada.take()
  await bo.becomes(false)
  const runs = (writer) => writer.surface.locator('span').count()
  // A second run of text beside one that is like it, as two writers make them who format at the same time.
  await ada.page.evaluate(() => {
    const { doc } = window.page.provider
    const [{ insert: paragraph }] = doc.share.get('root').toDelta()
    const [{ insert: run }] = paragraph.toDelta()
    doc.transact(() => {
      paragraph.insertEmbed(paragraph.length, run.clone())
      paragraph.insert(paragraph.length, ' twin')
    })
  })
  await bo.sees('Ada Bo twin')
  await waitFor('Bo has one run', async () => await runs(bo) === 1)
  await ada.atEnd()
  await ada.page.keyboard.type('!')
  await bo.sees('Ada Bo twin!')
  await pause(STILL)
  assert.equal(await bo.page.evaluate(() => window.page.provider.parks.size), 0, 'nothing was set aside')
  await ada.page.evaluate(() => window.page.provider.lock.release())
  await bo.becomes(true)
  await bo.atEnd()
  await bo.page.keyboard.type('?')
  await ada.sees('Ada Bo twin!?')
  await bo.sees('Ada Bo twin!?')
  assert.equal(await bo.page.evaluate(() => window.page.provider.parks.size), 0, 'nothing was set aside')
})
