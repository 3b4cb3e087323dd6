// People at the page of the editors: what they do at each, and what they see there.

import { fresh } from '../browser/pages.js'
import { waitFor } from '../node/harness.js'

/** The editors of the page; `focus` is what takes the keys where that is not the element that the guard marks. */
export const EDITORS = {
  codemirror: {},
  prosemirror: {},
  tiptap: {},
  quill: {},
  monaco: { focus: 'textarea, .native-edit-context' },
  lexical: {},
  blocknote: {}
}

/** Somebody at one editor. */
class Desk {
  constructor (writer, editor) {
    this.writer = writer
    this.page = writer.page
    this.editor = editor
    this.who = `${writer.name} at ${editor}`
    /** What can be typed into; the guard marks it. */
    this.surface = this.page.locator(`#${editor} [data-may-edit], #${editor}[data-may-edit]`)
  }

  async becomes (mayEdit) {
    await waitFor(`${this.who} may ${mayEdit ? '' : 'not '}edit`, async () => await this.surface.getAttribute('data-may-edit') === String(mayEdit))
  }

  /** Types behind all that is there; an empty text leaves the caret there. */
  async type (words, options) {
    const { focus } = EDITORS[this.editor]
    await (focus ? this.surface.locator(focus) : this.surface).first().focus()
    await this.page.keyboard.press('Control+End')
    if (words) await this.page.keyboard.type(words, options)
  }

  #ask (what) {
    return this.page.evaluate(([editor, what]) => window.page.desks[editor][what](), [this.editor, what])
  }

  shown () {
    return this.#ask('shown')
  }

  shared () {
    return this.#ask('shared')
  }

  undo () {
    return this.#ask('undo')
  }

  async sees (words) {
    await waitFor(`${this.who} sees "${words}"`, async () => {
      const [shown, shared] = [await this.shown(), await this.shared()]
      return (shown === words && shared === words) || new Error(`shown "${shown}", shared "${shared}"`)
    })
  }

  /** All that was refused, as one text, and how often something was. */
  refused () {
    return this.page.evaluate((editor) => {
      const { refusals } = window.page.desks[editor]
      return { text: refusals.map(({ text }) => text ?? '').join(''), count: refusals.length }
    }, this.editor)
  }

  /** Sends an event as the browser does for what no key of a test can do. */
  event (type, { text, inputType }) {
    return this.page.evaluate(([type, text, inputType]) => {
      const target = document.activeElement
      const { left, top } = target.getBoundingClientRect()
      const data = new DataTransfer()
      data.setData('text/plain', text ?? '')
      const options = { bubbles: true, cancelable: true, clientX: left + 20, clientY: top + 10 }
      if (type === 'beforeinput') target.dispatchEvent(new InputEvent(type, { ...options, inputType, data: text ?? null }))
      else if (type === 'drop') target.dispatchEvent(new DragEvent(type, { ...options, dataTransfer: data }))
      else target.dispatchEvent(new ClipboardEvent(type, { ...options, clipboardData: data }))
    }, [type, text, inputType])
  }

  /** An input method composes, step by step. */
  async compose (...steps) {
    for (const text of steps) await this.writer.devtools.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length })
  }

  /** It is finished. */
  async composed (text) {
    await this.writer.devtools.send('Input.insertText', { text })
  }
}

/** Somebody at the page. */
class Writer {
  constructor (page, name, devtools) {
    this.page = page
    this.name = name
    this.devtools = devtools
    this.desks = Object.fromEntries(Object.keys(EDITORS).map((editor) => [editor, new Desk(this, editor)]))
  }

  saved () {
    return this.page.evaluate(() => window.page.provider.saved())
  }

  /** Has the lock of all, when this resolves. */
  async take () {
    await this.page.evaluate(() => window.page.provider.lock.hold())
  }

  async release () {
    await this.page.evaluate(() => window.page.provider.lock.release())
  }

  parks () {
    return this.page.evaluate(() => window.page.provider.parks.size)
  }
}

/** Somebody comes to the page at this address. */
export async function open (stage, home, server, name) {
  const page = await (await fresh(stage)).newPage()
  const errors = []
  page.on('pageerror', (error) => errors.push(error))
  stage.later(() => {
    if (errors.length > 0) throw errors[0]
  })
  await page.goto(`${home}?server=${encodeURIComponent(server.socket)}&name=${name}`)
  await page.waitForFunction(() => window.page, undefined, { timeout: 15_000 })
  stage.witness(async () => `${name}: ${await page.evaluate(() => document.body.innerText)}`)
  return new Writer(page, name, await page.context().newCDPSession(page))
}
