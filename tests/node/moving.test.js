// docs/moving.md, word for word: every program and command of it is run, in its order, from an old server with two
// documents in it. Another Baton plays the old server: it has the wires of all three.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { BINARY, story, waitFor } from './harness.js'
import { converge, stock } from './stock.js'

const PAGE = readFileSync(new URL('../../docs/moving.md', import.meta.url), 'utf8')

/** What the page calls the old server and Baton. */
const [OLD, NEW] = ['127.0.0.1:1234', '127.0.0.1:8080']

/** How long a command may take, in milliseconds. */
const COMMAND = 30_000

/** Node without a WebSocket of its own has one behind a switch. */
const NODE_OPTIONS = globalThis.WebSocket === undefined ? '--experimental-websocket' : ''

/** The code of a part of the page: its language, what else the fence says, and the text. */
function blocks (heading) {
  const part = PAGE.split(/^## /m).find((part) => part.startsWith(`${heading}\n`))
  assert.ok(part, `the page has a part "${heading}"`)
  return [...part.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms)].map(([, language, word, text]) => ({ language, word, text }))
}

async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** An empty folder with the packages of this one, and `baton` on the path. */
function place (stage) {
  const folder = mkdtempSync(join(tmpdir(), 'baton-moving-'))
  stage.later(() => rmSync(folder, { recursive: true, force: true }))
  symlinkSync(fileURLToPath(new URL('node_modules', import.meta.url)), join(folder, 'node_modules'))
  symlinkSync(BINARY, join(folder, 'baton'))
  const env = { ...process.env, NODE_OPTIONS, PATH: [folder, dirname(process.execPath), process.env.PATH].join(delimiter) }
  return { cwd: folder, env }
}

/** Runs a command of the page in a shell. */
function run (where, text) {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', text], { ...where, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const command = { child, said: '' }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => { command.said += bytes })
  return command
}

/** Follows a part of the page; returns the address of the new server. */
async function follow (stage, heading, old) {
  const where = place(stage)
  const address = `127.0.0.1:${await freePort()}`
  const here = (text) => text.replaceAll(OLD, old).replaceAll(NEW, address)
  for (const { language, word, text } of blocks(heading)) {
    if (language === 'js') {
      // Without a name it is a line of the reader's page.
      if (word) writeFileSync(join(where.cwd, word), here(text))
      continue
    }
    assert.equal(language, 'sh')
    const command = run(where, here(text))
    if (word === 'background') {
      stage.later(async () => {
        if (command.child.exitCode !== null) return
        process.kill(-command.child.pid, 'SIGTERM')
        await once(command.child, 'exit')
      })
      await waitFor('Baton listens', () => command.said.includes('listening on'))
    } else {
      const late = setTimeout(() => process.kill(-command.child.pid, 'SIGKILL'), COMMAND)
      const [code] = await once(command.child, 'close')
      clearTimeout(late)
      assert.equal(code, 0, `${text}\n${command.said}`)
    }
  }
  return address
}

/** Puts two documents into the old server. */
async function fill (stage, server, prefix) {
  for (const name of ['plan', 'notes']) {
    const ada = stock(stage, server, name)
    await ada.synced()
    ada.type(`${name} of ${prefix}`)
    ada.map.set('title', name)
    ada.text.delete(0, 1)
    const bob = stock(stage, server, name)
    await bob.sees(`of ${prefix}`)
    await converge([ada, bob])
    ada.leave()
    bob.leave()
  }
}

for (const [heading, path, ...more] of [
  ['From y-websocket', '/ws'],
  ['From Hocuspocus', '/hocuspocus'],
  ['From y-sweet', '', '--auth', 'jwt']
]) {
  story(`docs/moving.md: ${heading}`, async (stage) => {
    const old = await stage.server()
    await fill(stage, old, heading)
    // The old server of the page has its documents at the root.
    const address = await follow(stage, heading, `${old.address}${path}`)
    const token = /ys:\/\/(\w{32,})@/.exec(PAGE)[1]
    const params = more.length === 0 ? {} : { params: { token } }
    for (const name of ['plan', 'notes']) {
      const cleo = stock(stage, { socket: `ws://${address}/ws` }, name, undefined, params)
      await cleo.sees(`${name} of ${heading}`.slice(1))
      assert.equal(cleo.text.toString(), `${name} of ${heading}`.slice(1))
      await waitFor('the title', () => cleo.map.get('title') === name)
    }
  })
}
