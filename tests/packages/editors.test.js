// The guards of editors in Chromium: one project of Vite and TypeScript with each editor, two pages, and a lock that passes.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import { pause, story, waitFor } from '../node/harness.js'
import { EDITORS, open as openAt, SILENT, WAYS } from './desks.js'
import { must, Shelf, write } from './project.js'

/** Time for a change to come that should not, in milliseconds. */
const STILL = 400

/** What a holder may be away for: a page that is closed may come back. */
const GRACE = ['--grace', '1s']

const shelf = new Shelf()
let folder
let home
before(async () => {
  folder = await shelf.project('editors')
  await must(folder, 'npm', ['run', 'build'])
  home = await shelf.serve(join(folder, 'dist'))
})
after(() => shelf.clear())

const open = (stage, server, name) => openAt(stage, home, server, name)

/** Ada and Bo at the same page; both have added a word in each editor, or in one. */
async function two (stage, editors, ...more) {
  const server = await stage.server(...more)
  const [ada, bo] = [await open(stage, server, 'Ada'), await open(stage, server, 'Bo')]
  for (const editor of editors) {
    await ada.desks[editor].type('Ada')
    await bo.desks[editor].sees('Ada')
    await bo.desks[editor].type(' Bo')
    await ada.desks[editor].sees('Ada Bo')
  }
  return { server, ada, bo }
}

/** All editors; `EDITOR=quill` is for work on one. */
const ALL = Object.keys(EDITORS).filter((editor) => editor === (process.env.EDITOR ?? editor))
assert.notEqual(ALL.length, 0, 'there is no such editor')

async function isRefused (bo, how, tries, isTold) {
  const before = await bo.refused()
  await tries(bo)
  if (isTold) await waitFor(`${bo.who}: ${how} is refused`, async () => (await bo.refused()).count > before.count)
  await pause(isTold ? 20 : STILL / 2)
  await bo.sees('Ada Bo')
}

// By itself: its keys come at a pace.
story('each key at a change of hands is in the text, or its refusal is told', async (stage) => {
  const { ada, bo } = await two(stage, ALL)
  const session = await ada.page.evaluate(() => window.page.provider.session)
  for (const editor of ALL) {
    const [hers, his] = [ada.desks[editor], bo.desks[editor]]
    await ada.take()
    await his.becomes(false)
    const held = bo.take()
    await his.type('')
    let typed = await his.typeUntil(async () => (await his.refused()).text.length > 3)
    const freed = ada.release()
    typed += await his.typeUntil(async () => (await his.shared()).length > 'Ada Bo'.length + 3)
    await Promise.all([held, freed])
    const early = (await his.refused()).text
    const added = typed.slice(early.length)
    assert.equal(early + added, typed)
    await hers.sees(`Ada Bo${added}`)
    await his.sees(`Ada Bo${added}`)

    const passed = bo.page.evaluate((session) => window.page.provider.lock.transfer(session), session)
    const rest = await his.typeUntil(async () => (await his.refused()).text.length > early.length + 3)
    await passed
    await ada.page.waitForFunction(() => window.page.provider.lock.state === 'mine')
    const late = (await his.refused()).text.slice(early.length)
    assert.equal(rest.slice(-late.length), late)
    await hers.sees(`Ada Bo${added}${rest.slice(0, -late.length)}`)

    // An input method is at work when the lock goes.
    await ada.release()
    await his.becomes(true)
    await his.type('')
    await his.compose('n', 'に', 'にほ')
    await waitFor(`${editor}: Bo sees what he composes`, async () => (await his.surface.innerText()).includes('にほ'))
    // What is still on its way when the lock is granted comes too late, and is set aside: another story.
    await bo.saved()
    await ada.take()
    await his.becomes(false)
    await his.composed('日本')
    await pause(STILL)
    const now = await hers.shared()
    await hers.sees(now)
    await his.sees(now)
    assert.ok(!now.includes('日'), now)
    await ada.release()
    await his.becomes(true)
  }
  assert.equal(await bo.parks(), 0, 'nothing was set aside')
})

// Two at once: they wait more than they work.
describe('editors', { concurrency: 2 }, () => {
  story('a server that draws pages can import each guard, where there is no window and no document', async () => {
    const entries = ['codemirror', 'prosemirror', 'quill', 'monaco', 'lexical']
    write(folder, 'import.mjs', `
      const all = await Promise.all(${JSON.stringify(entries)}.map((entry) => import('baton-client/' + entry)))
      console.log(all.every(({ EditGuard }) => typeof EditGuard === 'function'), typeof window, typeof document)
    `)
    assert.equal(await must(folder, 'node', ['import.mjs']), 'true undefined undefined\n')
  })

  story('nothing gets into any editor under another\'s lock, and its writer goes on', async (stage) => {
    const { ada, bo } = await two(stage, ALL)
    await ada.take()
    for (const editor of ALL) {
      const [hers, his] = [ada.desks[editor], bo.desks[editor]]
      await his.becomes(false)
      await his.type('')
      for (const [how, tries] of Object.entries(WAYS)) await isRefused(his, how, tries, true)
      for (const [how, tries] of Object.entries(SILENT)) await isRefused(his, how, tries, how === 'a composition' && EDITORS[editor].composes === true)
      assert.match((await his.refused()).text, /pasted.*dropped/s, editor)
      assert.ok((await bo.page.locator('.baton-cue').allTextContents()).some((words) => /^Ada is writing here\. “.*” was not added\.$/s.test(words)), editor)
      assert.deepEqual(await his.surface.evaluate((one) => [one.dataset.why, one.getAttribute('aria-readonly')]), ['theirs', 'true'])
      await hers.type(' and on')
      await his.sees('Ada Bo and on')
      assert.equal((await hers.refused()).count, 0)
    }
    await ada.release()
    for (const editor of ALL) {
      await bo.desks[editor].becomes(true)
      await bo.desks[editor].type('!')
      await ada.desks[editor].sees('Ada Bo and on!')
    }
    assert.equal(await bo.page.locator('.baton-cue:not(:empty)').count(), 0)
    assert.equal(await bo.parks(), 0, 'nothing was set aside')
  })

  story('the lock of one editor\'s root type leaves the others to everybody, and passes from a page that is closed', async (stage) => {
    const { ada, bo } = await two(stage, ['quill', 'monaco'], ...GRACE)
    await ada.page.evaluate(() => window.page.provider.lockFor([['quill']]).hold())
    await bo.desks.quill.becomes(false)
    await bo.desks.monaco.type('!')
    await ada.desks.monaco.sees('Ada Bo!')
    await ada.desks.quill.type('!')
    await bo.desks.quill.sees('Ada Bo!')
    assert.equal((await bo.desks.monaco.refused()).count, 0)
    await ada.saved()
    const held = bo.page.evaluate(() => window.page.provider.lockFor([['quill']]).hold())
    await ada.page.close()
    await held
    await bo.desks.quill.becomes(true)
    await bo.desks.quill.type(' Bo2')
    await bo.desks.quill.sees('Ada Bo! Bo2')
    await bo.saved()
    assert.equal(await bo.parks(), 0)
  })

  story('the lock passes from a page that is offline; undo takes back one\'s own, also after a reconnect', async (stage) => {
    const { server, ada, bo } = await two(stage, ALL, ...GRACE)
    await ada.take()
    for (const editor of ALL) {
      await bo.desks[editor].becomes(false)
      await ada.desks[editor].type(', Ada')
      await bo.desks[editor].type('early')
      await waitFor(`${editor}: Bo is told`, async () => (await bo.desks[editor].refused()).text === 'early')
    }
    await ada.saved()
    const held = bo.take()
    await ada.page.evaluate(() => window.page.provider.debug.cutNetwork(true))
    await held
    for (const editor of ALL) {
      // Nobody has told her: her time is over.
      await ada.desks[editor].becomes(false)
      await ada.desks[editor].type('late')
      await waitFor(`${editor}: Ada is told`, async () => (await ada.desks[editor].refused()).text === 'late')
      await bo.desks[editor].becomes(true)
      await bo.desks[editor].type(' Bo2')
      await bo.desks[editor].sees('Ada Bo, Ada Bo2')
    }
    await ada.page.evaluate(() => window.page.provider.debug.cutNetwork(false))
    for (const editor of ALL) await ada.desks[editor].sees('Ada Bo, Ada Bo2')
    await bo.saved()
    await server.kill()
    await bo.page.waitForFunction(() => !window.page.provider.wsconnected)
    await server.start()
    await bo.page.evaluate(() => window.page.provider.ready())
    for (const editor of ALL) {
      const his = bo.desks[editor]
      await his.becomes(true)
      await his.type('')
      await his.event('beforeinput', { inputType: 'historyUndo' })
      await his.sees('Ada Bo, Ada')
      await bo.page.keyboard.press('Control+z')
      await bo.page.keyboard.press('Control+z')
      await his.sees('Ada, Ada')
    }
    await bo.saved()
    for (const editor of ALL) await ada.desks[editor].sees('Ada, Ada')
    assert.equal(await ada.parks(), 0, 'nothing was set aside')
  })

  story('what was composed offline under another\'s lock is set aside, and each editor goes on with the shared text', async (stage) => {
    const { ada, bo } = await two(stage, ALL)
    for (const [i, editor] of ALL.entries()) {
      const [hers, his] = [ada.desks[editor], bo.desks[editor]]
      const before = (await his.refused()).text
      await bo.page.evaluate(() => window.page.provider.debug.cutNetwork(true))
      await his.type('')
      await his.compose('n', 'に', 'にほ')
      await waitFor(`${editor}: Bo sees what he composes`, async () => (await his.surface.innerText()).includes('にほ'))
      await ada.take()
      await bo.page.evaluate(() => window.page.provider.debug.cutNetwork(false))
      await his.becomes(false)
      await his.composed('日本')
      await his.sees('Ada Bo')
      await hers.sees('Ada Bo')
      // CodeMirror's guard holds a composition back until it is finished: it is refused. Of the others, it was shared.
      const drafts = await bo.drafts()
      const kept = editor === 'codemirror' ? (await his.refused()).text.slice(before.length) : drafts
      assert.ok(kept.includes('にほ'), `${editor}: nothing is lost in silence: "${kept}"`)
      await ada.release()
      await his.becomes(true)
      await his.type('!')
      await hers.sees('Ada Bo!')
      await his.sees('Ada Bo!')
    }
  })

  story('lexical: what it joins by itself under another\'s lock is written by the holder alone', async (stage) => {
    const { ada, bo } = await two(stage, ['lexical'])
    await ada.take()
    await bo.desks.lexical.becomes(false)
    const runs = (writer) => writer.desks.lexical.surface.locator('span').count()
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
    await bo.desks.lexical.sees('Ada Bo twin')
    await waitFor('Bo has one run', async () => await runs(bo) === 1)
    await ada.desks.lexical.type('!')
    await bo.desks.lexical.sees('Ada Bo twin!')
    await pause(STILL)
    assert.equal(await bo.parks(), 0, 'nothing was set aside')
    await ada.release()
    await bo.desks.lexical.becomes(true)
    await bo.desks.lexical.type('?')
    await ada.desks.lexical.sees('Ada Bo twin!?')
    await bo.desks.lexical.sees('Ada Bo twin!?')
    assert.equal(await bo.parks(), 0, 'nothing was set aside')
  })

  story('tiptap: the paragraph that it ends a document with is shown, and not written under another\'s lock', async (stage) => {
    const { ada, bo } = await two(stage, ['tiptap'])
    await ada.take()
    await bo.desks.tiptap.becomes(false)
    const shared = (writer) => writer.page.evaluate(() => window.page.provider.doc.getXmlFragment('tiptap').toString())
    // A program's document, which ends otherwise.
    await ada.page.evaluate(() => {
      const fragment = window.page.provider.doc.getXmlFragment('tiptap')
      const heading = fragment.get(0).clone()
      heading.nodeName = 'heading'
      fragment.insert(1, [heading])
    })
    const shown = bo.desks.tiptap.surface.locator(':scope > *')
    await waitFor('Bo sees a paragraph, a heading, and a paragraph', async () => await shown.count() === 3)
    assert.match(await shared(bo), /<\/heading>$/)
    // A reader's selection is an update of the view, too.
    await bo.page.evaluate(() => window.page.desks.tiptap.buttons.selection())
    await pause(STILL)
    assert.equal(await bo.parks(), 0, 'nothing was set aside')
    await ada.release()
    await bo.desks.tiptap.becomes(true)
    await bo.desks.tiptap.type('Bo')
    await waitFor('Ada has it', async () => /<\/heading><paragraph>Bo<\/paragraph>$/.test(await shared(ada)))
    assert.equal(await shared(bo), await shared(ada))
  })

  story('blocknote: its menus, buttons and handles do nothing under another\'s lock, and all they do for its holder', async (stage) => {
    const { ada, bo } = await two(stage, ['blocknote'])
    const [hers, his] = [ada.desks.blocknote, bo.desks.blocknote]
    const shape = ({ page }) => page.evaluate(() => window.page.desks.blocknote.shape())
    const xml = ({ page }) => page.evaluate(() => window.page.provider.doc.getXmlFragment('blocknote').toString())
    /** One button, which undo takes back by itself. */
    const press = ({ page }, name) => page.evaluate((name) => {
      const { step, buttons } = window.page.desks.blocknote
      step()
      buttons[name]()
    }, name)
    await ada.take()
    await his.becomes(false)
    await hers.type('')
    await ada.page.keyboard.press('Enter')
    await ada.page.keyboard.type('Two')
    await his.sees('Ada BoTwo')
    for (const name of await ada.page.evaluate(() => Object.keys(window.page.desks.blocknote.buttons))) {
      const before = { count: (await his.refused()).count, shape: await shape(bo), xml: await xml(bo) }
      await press(bo, name)
      await waitFor(`${name} is refused`, async () => (await his.refused()).count > before.count)
      await pause(STILL / 8)
      assert.deepEqual([await shape(bo), await xml(bo)], [before.shape, before.xml], name)
      await press(ada, name)
      await waitFor(`${name} does what it should`, async () => await xml(ada) !== before.xml)
      await waitFor(`Bo sees ${name}`, async () => await shape(bo) === await shape(ada) && await xml(bo) === await xml(ada))
      await hers.undo()
      await waitFor(`${name} is taken back`, async () => await xml(ada) === before.xml)
      await waitFor(`Bo sees that ${name} is taken back`, async () => await shape(bo) === before.shape)
    }
    assert.equal((await hers.refused()).count, 0)
    assert.equal(await bo.parks(), 0, 'nothing was set aside')
  })

  story('a page that is opened on an empty document under another\'s lock writes nothing into it', async (stage) => {
    const server = await stage.server()
    const ada = await open(stage, server, 'Ada')
    await ada.take()
    const bo = await open(stage, server, 'Bo')
    for (const editor of ALL) {
      await bo.desks[editor].becomes(false)
      await bo.desks[editor].sees('')
      assert.equal((await bo.desks[editor].refused()).count, 0, `${editor}: nothing was tried`)
    }
    await pause(STILL)
    await ada.release()
    for (const editor of ALL) {
      await bo.desks[editor].becomes(true)
      await bo.desks[editor].sees('')
    }
    for (const editor of ALL) {
      await bo.desks[editor].type('Bo')
      await ada.desks[editor].sees('Bo')
      await ada.desks[editor].type(' Ada')
      await bo.desks[editor].sees('Bo Ada')
    }
    assert.equal(await bo.parks(), 0, 'nothing was set aside')
    // The block that each page begins with is one.
    for (const { page } of [ada, bo]) assert.deepEqual(await page.evaluate(() => JSON.parse(window.page.desks.blocknote.shape()).map(({ id }) => id)), ['initialBlockId'])
  })

  story('monaco: the caret and the selection of another are seen, in their colour and with their name', async (stage) => {
    const { ada, bo } = await two(stage, ['monaco'])
    const [hers, his] = [ada.desks.monaco, bo.desks.monaco]
    const client = await ada.page.evaluate(() => window.page.provider.awareness.clientID)
    /** What is drawn in Bo's page for Ada, as it looks. */
    const drawn = (kind) => bo.page.evaluate((of) => {
      const one = document.querySelector(`#monaco ${of}`)
      if (!one) return null
      const { left, width, height } = one.getBoundingClientRect()
      const { backgroundColor, borderLeftColor } = getComputedStyle(one)
      const { content, backgroundColor: behind } = getComputedStyle(one, '::after')
      return { left, width, height, backgroundColor, borderLeftColor, content, behind }
    }, `.yRemoteSelection${kind}-${client}`)
    const color = 'rgb(194, 65, 12)'
    await hers.type('')
    const caret = await waitFor('Bo sees her caret', () => drawn('Head'))
    assert.deepEqual([caret.borderLeftColor, caret.behind, caret.content], [color, color, '"Ada"'])
    assert.ok(caret.height > 10, `it is ${caret.height} high`)
    assert.equal(await ada.page.evaluate((head) => document.querySelector(head), `#monaco .yRemoteSelectionHead-${client}`), null, 'her own is the editor\'s')
    await ada.page.keyboard.press('Home')
    const home = await waitFor('it moves to the left', async () => (await drawn('Head')).left < caret.left - 20 && drawn('Head'))
    await ada.page.keyboard.press('Shift+End')
    const selection = await waitFor('Bo sees what she selects', async () => (await drawn(''))?.width > 20 && drawn(''))
    assert.equal(selection.backgroundColor, color)
    assert.ok(Math.abs(selection.width - (caret.left - home.left)) < 3, 'it is the line')

    // It stays at its place in the text, also when it is another's.
    await ada.page.keyboard.press('End')
    await his.type('')
    await bo.page.keyboard.press('Home')
    await bo.page.keyboard.type('>> ')
    await hers.sees('>> Ada Bo')
    await waitFor('it goes along', async () => Math.abs((await drawn('Head')).left - caret.left) > 20)

    const name = '"} * { display: none } \\'
    await ada.page.evaluate((name) => (window.page.provider.user = { name, color: 'red;}' }), name)
    await waitFor('Bo sees her other name', async () => (await drawn('Head')).content === JSON.stringify(name))
    assert.equal((await drawn('Head')).behind, 'rgb(255, 165, 0)', 'what is no colour is none')
    assert.notEqual(await bo.page.evaluate(() => getComputedStyle(document.body).display), 'none')

    await ada.desks.quill.type('')
    await waitFor('her caret is elsewhere', async () => await drawn('Head') === null)
  })
})
