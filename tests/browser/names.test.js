// Names: of documents in the address, of people who have none, of tabs that were duplicated.

import assert from 'node:assert/strict'
import { story, waitFor } from '../node/harness.js'
import { stock } from '../node/stock.js'
import { again, CHAT, FEED, open, Person } from './pages.js'

for (const name of ['.', '..', '../../etc', 'a/../b', '%2e%2e']) {
  story(`the address ?doc=${name} is refused with a sentence and a way on, or works`, async (stage) => {
    const server = await stage.server()
    const ada = await open(stage, server, 'Ada')
    const errors = []
    ada.page.on('pageerror', (error) => errors.push(error))
    // As typed, and as a form would write it.
    for (const [page, query] of [['', name], [CHAT, encodeURIComponent(name)], [FEED, encodeURIComponent(name)]]) {
      await ada.page.goto(`${server.page}${page}?doc=${query}`)
      const asked = new URLSearchParams(new URL(ada.page.url()).search).get('doc')
      if (asked === '%2e%2e') {
        // That is a name like others.
        await waitFor('it is open', () => ada.page.evaluate(() => window.baton?.provider.synced === true))
        assert.equal(await ada.page.evaluate(() => window.baton.provider.roomname), asked)
        continue
      }
      await ada.reads('bad-name', 'cannot be the name of a document')
      assert.equal(await ada.page.evaluate(() => window.baton === undefined), true, 'no other document is opened')
      await ada.at('near-name').click()
      await waitFor('another document is open', () => ada.page.evaluate(() => window.baton?.provider.synced === true))
    }
    assert.deepEqual(errors, [])
  })
}

story('chat and live data are those of the document', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada', { document: 'notes/50% über?#.md' })
  const opened = () => waitFor('the page is open', () => ada.page.evaluate(() => window.baton?.provider.synced && window.baton.provider.roomname))
  for (const link of ['Chat', 'Live data', 'Editor']) {
    await ada.page.getByRole('link', { name: link, exact: true }).click()
    await waitFor(link, () => ada.page.evaluate((title) => document.querySelector('[aria-current=page]')?.textContent === title, link))
    assert.equal(await opened(), 'notes/50% über?#.md')
  }
})

story('live data without a feed brings a small one', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada', { page: FEED })
  const bob = await open(stage, server, 'Bob', { page: FEED })
  await ada.becomes('feed-state', 'empty')
  await ada.reads('feed-writer', 'cargo run -p baton-client --example feed')
  await ada.at('feed-start').click()
  await bob.becomes('feed-state', 'live')
  await ada.becomes('feed-state', 'live')
  await waitFor('numbers come', async () => Number(await bob.is('feed-latest', 'data-n')) >= 3)
  await bob.finds('Small feed', 'online')
  await bob.shows('feed-writer', false)
  assert.equal(await bob.at('feed-missed').textContent(), '0')
  await ada.at('feed-start').click()
  await bob.becomes('feed-state', 'idle')
  await waitFor('it left', async () => await bob.state('Small feed') === null)
})

story('a tab that was duplicated is told apart', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  const memory = await ada.page.evaluate(() => ({ ...sessionStorage }))
  // A duplicate begins with a copy of the tab's memory.
  const page = await ada.page.context().newPage()
  await page.addInitScript((kept) => Object.entries(kept).forEach(([key, value]) => sessionStorage.getItem(key) ?? sessionStorage.setItem(key, value)), memory)
  await page.goto(ada.page.url())
  const twin = new Person('the twin', page)
  await twin.becomes('roster', null, undefined, 'data-stale')
  await bob.finds('Ada (2)', 'online')
  await bob.finds('Ada', 'online')
  await waitFor('her own field says so', async () => await twin.at('name-input').inputValue() === 'Ada (2)')
  assert.equal(await ada.at('name-input').inputValue(), 'Ada', 'who was there first keeps the name')
  const colors = await bob.page.evaluate(() => [...window.baton.provider.roster.values()].filter(({ user }) => user.name.startsWith('Ada')).map(({ user }) => user.color))
  assert.equal(new Set(colors).size, 2)
  // It is the same after a reload.
  await twin.reload()
  await bob.finds('Ada (2)', 'online')
})

story('blank names and colours that cannot be read are replaced, in the list and at the cursor', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  await ada.write('Hello')
  const ghost = await again(stage, server, ada, 'Ghost')
  await ghost.at('editor').click()
  await ghost.page.evaluate(() => {
    const { provider } = window.baton
    provider.user = { name: ' \u200b\u202e ', color: '#ffffff' }
    provider.awareness.setLocalStateField('user', { name: '\u200b', color: 'red;background:url(/x)', colorLight: 'url(/x)' })
  })
  await ghost.page.keyboard.press('Home')
  await waitFor('the list has a name for it', async () => /^Guest \d+$/.test(await ada.at('roster').locator('li:not([data-own]) .name').textContent()))
  const dot = await ada.at('roster').locator('li:not([data-own]) .dot').evaluate((element) => getComputedStyle(element).backgroundColor)
  assert.notEqual(dot, 'rgb(255, 255, 255)')
  const label = ada.page.locator('.remote-name')
  await waitFor('the cursor has a name', async () => (await label.first().textContent()) === 'Guest')
  // The colour of the first state may come before that of the second one.
  const colour = (caret) => caret.style.getPropertyValue('--who')
  await waitFor('the cursor has a colour', async () => (await ada.page.locator('.remote-caret').first().evaluate(colour)) === '#64748b')
  // A plain Yjs client says nothing of its user.
  const plain = stock(stage, server, 'essay')
  await plain.synced()
  await waitFor('it is in the list', async () => await ada.at('roster').locator('li').count() === 3)
  assert.ok((await ada.at('roster').locator('.name').allTextContents()).every((name) => name.trim() !== ''))
})
