// People at the page of the editors: what they do at each, and what they see there.

import { fresh } from '../browser/pages.js'
import { waitFor } from '../node/harness.js'

/**
 * The editors of the page. `focus` is what takes the keys where that is not the element that the guard marks; an input
 * method `composes` in those that the browser lets be edited at any time.
 */
export const EDITORS = {
  codemirror: { composes: true },
  prosemirror: {},
  tiptap: {},
  quill: {},
  monaco: { focus: 'textarea, .native-edit-context', composes: true },
  lexical: {},
  blocknote: {}
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'

/** How long a key is down, in milliseconds. */
const PACE = 20

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

  /** Types letter after letter, until the condition holds; returns all that was typed. */
  async typeUntil (condition) {
    let typed = ''
    do {
      const key = LETTERS[typed.length % LETTERS.length]
      await this.page.keyboard.type(key, { delay: PACE })
      typed += key
    } while (!await condition())
    return typed
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

/** Ways to change a text, for a desk. */
export const WAYS = {
  'a key': (bo) => bo.page.keyboard.type('x'),
  'Enter': (bo) => bo.page.keyboard.press('Enter'),
  'Backspace': (bo) => bo.page.keyboard.press('Backspace'),
  'undo by a key': (bo) => bo.page.keyboard.press('Control+z'),
  'undo of the menu': (bo) => bo.event('beforeinput', { inputType: 'historyUndo' }),
  'a paste by keys': (bo) => bo.page.keyboard.press('Control+v'),
  'a paste': (bo) => bo.event('paste', { text: 'pasted' }),
  'a drop': (bo) => bo.event('drop', { text: 'dropped' }),
  'a correction of the spelling': (bo) => bo.event('beforeinput', { inputType: 'insertReplacementText', text: 'wrong' }),
  'a program': (bo) => bo.page.evaluate((editor) => window.page.desks[editor].program('by a program'), bo.editor),
  'undo by a program': (bo) => bo.undo()
}

/** The same, of which nobody has to be told: nothing happens in an element that the browser does not let be edited. */
export const SILENT = {
  'undo by execCommand': (bo) => bo.page.evaluate(() => document.execCommand('undo')),
  'execCommand of an extension': (bo) => bo.page.evaluate(() => document.execCommand('insertText', false, 'by an extension')),
  'insertText of the browser': (bo) => bo.composed('dictated'),
  'a composition': async (bo) => {
    await bo.compose('に', 'にほ')
    await bo.composed('日本')
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

  /** The text of all drafts of edits that were set aside, whatever types of Yjs it lies in. */
  drafts () {
    return this.page.evaluate(() => {
      const textOf = (type) => {
        let text = ''
        for (let item = type._start; item; item = item.right) {
          if (!item.deleted) text += item.content.str ?? (item.content.type ? textOf(item.content.type) : '')
        }
        return text
      }
      const { provider, draftDoc } = window.page
      return [...provider.drafts.values()].flatMap((draft) => [...draftDoc(draft).share.values()].map(textOf)).join('\n')
    })
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
