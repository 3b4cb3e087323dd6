// A text under another person's lock: nothing that is tried gets there, and nothing vanishes
// unseen.

import assert from 'node:assert/strict'
import { pause, story, waitFor } from '../node/harness.js'
import { open } from './pages.js'

/** Time for a change to come that should not, in milliseconds. */
const STILL = 600

/** Time that a change of hands may take on a busy machine, in milliseconds. */
const SLACK = 10_000

/** Bob has written something; then Ada has the lock. */
async function locked (stage) {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await bob.write('Bob wrote this. ')
  await ada.sees('Bob wrote this. ')
  await ada.takeLock()
  await bob.becomes('editor', 'false', undefined, 'data-may-edit')
  await bob.at('editor').click()
  await bob.page.keyboard.press('Control+End')
  return { server, ada, bob, devtools: await bob.page.context().newCDPSession(bob.page) }
}

/** Reads the text that a person's editor shows. */
const shown = (person) => person.at('editor').evaluate((content) => content.cmTile?.view?.state.doc.toString() ?? content.innerText)

/** Nothing has changed, for anybody, and Bob has seen why; a program sees nothing. */
async function untouched (ada, bob, how) {
  if (how !== PROGRAM) await bob.shows('refusal')
  await pause(STILL)
  assert.equal(await bob.text(), 'Bob wrote this. ', `${how}: Bob's copy`)
  assert.equal(await ada.text(), 'Bob wrote this. ', `${how}: Ada's copy`)
  assert.equal((await shown(bob)).trimEnd(), 'Bob wrote this.', `${how}: what Bob sees`)
  assert.equal(await bob.at('parked').count(), 0, `${how}: nothing is set aside`)
  assert.equal(await bob.page.evaluate(() => window.baton.provider.parks.size), 0, how)
}

/** Tells the editor of an input as the browser does, before anything is changed. */
const input = (person, inputType, data = null) => person.at('editor').evaluate((content, [type, text]) => {
  const event = new InputEvent('beforeinput', { inputType: type, data: text, bubbles: true, cancelable: true })
  return content.dispatchEvent(event)
}, [inputType, data])

/** No key: it needs no answer. */
const PROGRAM = 'another program’s hand in the page'

/** Ways to change a text. */
const WAYS = {
  'a key': ({ bob }) => bob.page.keyboard.type('x'),
  'Enter': ({ bob }) => bob.page.keyboard.press('Enter'),
  'Backspace': ({ bob }) => bob.page.keyboard.press('Backspace'),
  'Ctrl+Backspace': ({ bob }) => bob.page.keyboard.press('Control+Backspace'),
  'undo by a key': ({ bob }) => bob.page.keyboard.press('Control+z'),
  'undo of the browser’s menu': ({ bob }) => input(bob, 'historyUndo'),
  'redo of the browser’s menu': ({ bob }) => input(bob, 'historyRedo'),
  'undo by execCommand': ({ bob }) => bob.page.evaluate(() => document.execCommand('undo')).then(() => input(bob, 'historyUndo')),
  'a correction of the spelling': ({ bob }) => input(bob, 'insertReplacementText', 'wrong'),
  'a word deleted by a phone': ({ bob }) => input(bob, 'deleteWordBackward'),
  'insertText of the browser': ({ devtools }) => devtools.send('Input.insertText', { text: 'dictated' }),
  'execCommand of an extension': ({ bob }) => bob.page.evaluate(() => document.execCommand('insertText', false, 'by an extension')),
  'a paste': ({ bob }) => bob.at('editor').evaluate((content) => {
    const data = new DataTransfer()
    data.setData('text/plain', 'pasted')
    content.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
  }),
  'a cut': async ({ bob }) => {
    await bob.page.keyboard.press('Control+a')
    await bob.page.keyboard.press('Control+x')
  },
  'a drop': ({ bob }) => bob.at('editor').evaluate((content) => {
    const data = new DataTransfer()
    data.setData('text/plain', 'dropped')
    const { left, top } = content.getBoundingClientRect()
    content.dispatchEvent(new DragEvent('drop', { dataTransfer: data, clientX: left + 50, clientY: top + 20, bubbles: true, cancelable: true }))
  }),
  [PROGRAM]: ({ bob }) => bob.at('editor').evaluate((content) => {
    content.querySelector('.cm-line').append('changed past the editor')
  }),
  'a composition': async ({ devtools }) => {
    await devtools.send('Input.imeSetComposition', { text: 'に', selectionStart: 1, selectionEnd: 1 })
    await devtools.send('Input.imeSetComposition', { text: 'にほ', selectionStart: 2, selectionEnd: 2 })
    await devtools.send('Input.insertText', { text: '日本' })
  }
}

for (const [how, tries] of Object.entries(WAYS)) {
  story(`a locked text is not changed by ${how}`, async (stage) => {
    const there = await locked(stage)
    await tries(there)
    await untouched(there.ada, there.bob, how)
    // It is still an editor: when the lock is free, he writes.
    await there.ada.at('lock-button').click()
    await there.bob.becomes('editor', 'true', undefined, 'data-may-edit')
    await there.bob.write('And this.')
    await there.ada.sees('Bob wrote this. And this.')
  })
}

/** An input method composes a word in three steps, and has not finished. */
async function compose (devtools) {
  for (const text of ['n', 'に', 'にほ']) {
    await devtools.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length })
  }
}

const devtoolsOf = (person) => person.page.context().newCDPSession(person.page)

/** Makes a document with a writer whose input method can be driven, and a second person. */
async function composing (stage) {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.write('前 ')
  await bob.sees('前 ')
  const devtools = await devtoolsOf(ada)
  return { ada, bob, devtools }
}

story('a composition enters the text when it is finished, whole', async (stage) => {
  const { ada, bob, devtools } = await composing(stage)
  await ada.takeLock()
  await ada.at('editor').click()
  await ada.page.keyboard.press('Control+End')
  await compose(devtools)
  await waitFor('Ada sees what she composes', async () => (await shown(ada)).includes('にほ'))
  await pause(STILL)
  assert.equal(await bob.text(), '前 ', 'nobody sees half a word')
  await devtools.send('Input.insertText', { text: '日本' })
  await bob.sees('前 日本')
  assert.equal(await ada.text(), '前 日本')
  await ada.page.keyboard.press('Control+z')
  await waitFor('one undo takes all of it', async () => !(await bob.text()).includes('日'))
})

story('others write before and behind a composition, and all hold the same when it is finished', async (stage) => {
  const { ada, bob, devtools } = await composing(stage)
  await ada.at('editor').click()
  await ada.page.keyboard.press('Control+End')
  await compose(devtools)
  await bob.force('Bob, in front.\n')
  await bob.write('\nBob, behind.')
  await ada.sees('Bob, behind.')
  await waitFor('Ada sees both, around what she composes', async () => /^Bob, in front.\n+前 にほ\n+Bob, behind\./.test(await shown(ada)) || new Error(await shown(ada)))
  await devtools.send('Input.insertText', { text: '日本' })
  await bob.sees('日本')
  await waitFor('all hold the same', async () => await ada.text() === await bob.text())
  assert.equal(await ada.text(), 'Bob, in front.\n前 日本\nBob, behind.')
})

/** Ways in which the right to write ends under a writer's hands. */
const ENDS = {
  'the lock is taken over': async ({ ada, bob }) => {
    await ada.takeLock()
    await bob.becomes('lock-button', 'theirs')
    return () => bob.page.evaluate(() => void window.baton.provider.lock.takeOver())
  },
  'somebody takes the lock that nobody had': async ({ bob }) => () => bob.page.evaluate(() => void window.baton.provider.lock.acquire())
}

for (const [how, prepare] of Object.entries(ENDS)) {
  story(`a composition is taken back whole when ${how}`, async (stage) => {
    const there = await composing(stage)
    const { ada, bob, devtools } = there
    const end = await prepare(there)
    await ada.at('editor').click()
    await ada.page.keyboard.press('Control+End')
    await compose(devtools)
    await waitFor('Ada sees what she composes', async () => (await shown(ada)).includes('にほ'))
    await end()
    await bob.becomes('lock-button', 'mine', SLACK)
    await ada.becomes('editor', 'false', undefined, 'data-may-edit')
    await waitFor('nothing of it is left', async () => (await shown(ada)).trimEnd() === '前')
    await ada.shows('refusal')
    await ada.reads('refusal', '“にほ” was not added')
    // The input method goes on, as it may.
    await devtools.send('Input.insertText', { text: '日本' })
    await pause(STILL)
    assert.equal((await shown(ada)).trimEnd(), '前')
    assert.equal(await ada.text(), '前 ')
    assert.equal(await bob.text(), '前 ')
    assert.equal(await ada.page.evaluate(() => window.baton.provider.parks.size), 0, 'nothing is set aside')
    await bob.write('後')
    await ada.sees('前 後')
    await waitFor('Ada sees it too', async () => (await shown(ada)).trimEnd() === '前 後')
  })
}
