// `BatonProvider` in the place of `WebsocketProvider`: the stories that stock y-websocket clients play, with no word changed.

import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BINARY, story } from '../node/harness.js'
import { must, run, Shelf, write } from './project.js'

const shelf = new Shelf()
after(() => shelf.clear())

const STORIES = fileURLToPath(new URL('../node', import.meta.url))

/** Stories of one client of each wire. */
const FILES = ['editing.test.js', 'failures.test.js', 'presence.test.js']

/** Stories that these files have for each wire. */
const COUNT = 10

story('the stories of y-websocket\'s clients end as well with BatonProvider', async (stage) => {
  const folder = stage.folder()
  for (const name of readdirSync(STORIES).filter((one) => /\.js(on)?$/.test(one) || one === '.npmrc')) cpSync(join(STORIES, name), join(folder, name))
  await must(folder, 'npm', ['ci', '--prefer-offline'])
  await must(folder, 'npm', ['install', '--no-save', '--prefer-offline', await shelf.tarball()])
  const other = join(folder, 'node_modules', 'y-websocket')
  rmSync(other, { recursive: true })
  mkdirSync(other)
  write(other, 'package.json', '{ "name": "y-websocket", "version": "3.1.0", "type": "module", "exports": "./index.js" }')
  write(other, 'index.js', "export { BatonProvider as WebsocketProvider } from 'baton-client'\n")

  const options = ['--test', '--test-concurrency=1', '--test-reporter=tap', '--test-name-pattern=^y-websocket: ']
  // The run within this run is one of its own.
  const { code, output } = await run(folder, 'node', [...options, ...FILES], { BATON_BIN: BINARY, NODE_TEST_CONTEXT: undefined })
  assert.equal(code, 0, output)
  assert.match(output, new RegExp(`^# pass ${COUNT}$`, 'm'), output)
}, { timeout: 240_000 })
