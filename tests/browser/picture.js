// The README's picture, made by `SHOT=1 npm test`: it always shows what the program is now.

import { fileURLToPath } from 'node:url'
import { story } from '../node/harness.js'
import { open } from './pages.js'

const PICTURE = fileURLToPath(new URL('../../docs/screenshot.png', import.meta.url))

const TEXT = `# The relay

Four runners, one baton. Whoever carries it runs; the others are ready.

- The next runner stands in **the exchange zone**
- A runner who falls hands nothing over: somebody must *notice*
`

async function draw (stage) {
  const server = await stage.server()
  const size = { width: 1280, height: 800 }
  const ada = await open(stage, server, 'Ada', { document: 'relay', size })
  const bob = await open(stage, server, 'Bob', { document: 'relay', size })
  const cleo = await open(stage, server, 'Cleo', { document: 'relay', size })
  await ada.page.evaluate((text) => window.baton.doc.getText('content').insert(0, text), TEXT)
  await bob.takeLock()
  for (const person of [ada, cleo]) {
    await person.becomes('lock-button', 'theirs')
    await person.at('lock-button').click()
    await person.becomes('lock-button', 'waiting')
  }
  await bob.type('\nThen she **lets go**')
  await ada.sees('lets go')
  await ada.becomes('save-state', 'saved')
  await ada.page.screenshot({ path: PICTURE })
}

if (process.env.SHOT === '1') story('the picture for the README', draw)
