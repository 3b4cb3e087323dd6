// Two pages of the editor: writing together, and a server that dies under them.

import assert from 'node:assert/strict'
import { story, waitFor } from '../node/harness.js'
import { stock } from '../node/stock.js'
import { open } from './pages.js'
// Tells a story only when a picture is asked for.
import './picture.js'

/** The longest pause between two attempts to connect is 2.5 s; then the document is loaded. */
const BACK = 15_000

story('two pages write together and each sees the other', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await Promise.all([ada.finds('Bob', 'online'), bob.finds('Ada', 'online')])

  await ada.type('Ada writes. ')
  await bob.sees('Ada writes. ')
  await bob.type('Bob writes. ')
  await ada.sees('Bob writes. ')
  await Promise.all([ada.type('from the left '), bob.type('from the right ')])
  await waitFor('both hold the same', async () => await ada.text() === await bob.text())
  assert.equal((await ada.text()).length, 'Ada writes. Bob writes. from the left from the right '.length)
  await Promise.all([ada.becomes('save-state', 'saved'), bob.becomes('save-state', 'saved')])

  // A page that closes may be one that reloads: its session is kept for a while, and is offline.
  await bob.page.close()
  await ada.finds('Bob', 'offline')
})

story('a page and a stock client write together', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = stock(stage, server, 'essay')
  await bob.synced()
  const text = bob.doc.getText('content')
  await ada.type('from the page ')
  await waitFor('Bob sees it', () => text.toString() === 'from the page ')
  text.insert(text.length, 'from a plain client')
  await ada.sees('from a plain client')
})

story('after kill -9 of the server the pages come back, with the text, the lock and what was typed', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const bob = await open(stage, server, 'Bob')
  await ada.type('before ')
  await bob.sees('before ')
  await ada.takeLock()
  await ada.write('under the lock ')
  await bob.sees('under the lock ')
  await Promise.all([ada.becomes('save-state', 'saved'), bob.becomes('save-state', 'saved')])

  await server.kill()
  await Promise.all([ada.becomes('save-state', 'offline'), bob.becomes('save-state', 'offline')])
  await server.start()
  await Promise.all([ada.becomes('save-state', 'saved', BACK), bob.becomes('save-state', 'saved', BACK)])
  // The holder came back within the time that a restarted server waits for it.
  await Promise.all([ada.becomes('lock-button', 'mine'), bob.becomes('lock-button', 'theirs')])
  await ada.write('after')
  await bob.sees('before under the lock after')
  await Promise.all([ada.finds('Bob', 'online'), bob.finds('Ada', 'online')])

  const cleo = await open(stage, server, 'Cleo')
  assert.equal(await cleo.text(), 'before under the lock after')
})
