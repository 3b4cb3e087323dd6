// `baton-client` under React, Vue and Svelte: the starters from the tarball in Chromium, and the hooks under React 18 and 19.

import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'
import { fresh } from '../browser/pages.js'
import { story, waitFor } from '../node/harness.js'
import { CLIENT, must, Shelf, WHOLE, write } from './project.js'

/** The React before the one that the starter names, with its types. */
const REACT_18 = ['react@18.3.1', 'react-dom@18.3.1', '@types/react@18.3.32', '@types/react-dom@18.3.7']

const shelf = new Shelf()
/** Under strict settings, and for production; all at once, since most of it is waiting. */
before(() => Promise.all(['react', 'vue', 'svelte'].map(async (name) => must(await shelf.starter(name), 'npm', ['run', 'build']))))
after(() => shelf.clear())

/** A page, with its sockets counted, and all that it complains of. */
async function open (stage, home, server, name) {
  const page = await (await fresh(stage)).newPage()
  const sockets = { opened: 0, open: 0 }
  const complaints = []
  page.on('websocket', (socket) => {
    sockets.opened += 1
    sockets.open += 1
    socket.on('close', () => (sockets.open -= 1))
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  await page.goto(`${home}?server=${encodeURIComponent(server.socket)}&name=${name}`)
  return { page, sockets, complaints }
}

/** How many connections to documents the server counts. */
async function connections (server) {
  const metrics = await (await fetch(`${server.page}metrics`)).text()
  return Number(/^baton_sessions (\d+)$/m.exec(metrics)[1])
}

const has = (what, page, label, words) =>
  waitFor(what, async () => (await page.getByLabel(label, { exact: true }).innerText()).includes(words))

/** Two people at a starter's page: who is there, the lock that passes when its holder's page is closed, what is saved. */
async function play (stage, home) {
  const server = await stage.server('--grace', '1s')
  const ada = await open(stage, home, server, 'Ada')
  const bo = await open(stage, home, server, 'Bo')
  const note = (page) => page.getByLabel('Note', { exact: true })
  const value = (page) => note(page).inputValue()
  for (const { page } of [ada, bo]) {
    await has('Ada is there', page, 'People', 'Ada')
    await has('Bo is there', page, 'People', 'Bo')
  }
  await has('Ada knows herself', ada.page, 'People', 'Ada (you): online')
  await has('and not Bo', ada.page, 'People', 'Bo: online')
  assert.equal(await connections(server), 2)
  assert.deepEqual([ada.sockets.opened, bo.sockets.opened], [1, 1], 'each page makes one connection')

  await ada.page.getByRole('button', { name: 'Take the lock' }).click()
  await has('Ada has the lock', ada.page, 'Lock', 'mine')
  await has('Bo sees it', bo.page, 'Lock', 'theirs')
  await waitFor('Bo only reads', () => note(bo.page).evaluate((area) => area.readOnly))
  await note(ada.page).pressSequentially('from Ada 😀')
  await has('it is saved', ada.page, 'Saved', 'saved')
  await waitFor('Bo reads it', async () => await value(bo.page) === 'from Ada 😀')

  await bo.page.getByRole('button', { name: 'Take the lock' }).click()
  await has('Bo waits', bo.page, 'Lock', 'waiting')
  await ada.page.close()
  await has('the lock has passed to Bo', bo.page, 'Lock', 'mine')
  await waitFor('Ada has gone', async () => !(await bo.page.getByLabel('People').innerText()).includes('Ada: online'))
  await note(bo.page).press('End')
  await note(bo.page).pressSequentially(', and Bo')
  await note(bo.page).press('Home')
  await note(bo.page).pressSequentially('😁 ')
  await has('it is saved', bo.page, 'Saved', 'saved')

  await bo.page.getByRole('button', { name: 'Close the note' }).click()
  await waitFor('no socket is left', () => bo.sockets.open === 0)
  await waitFor('the server counts none', async () => await connections(server) === 0)
  assert.equal(bo.sockets.opened, 1)
  await bo.page.getByRole('button', { name: 'Open the note' }).click()
  await waitFor('the note is there again', async () => await value(bo.page) === '😁 from Ada 😀, and Bo')
  await has('nobody holds it now', bo.page, 'Lock', 'free')
  assert.deepEqual([bo.sockets.opened, bo.sockets.open], [2, 1])
  assert.deepEqual([...ada.complaints, ...bo.complaints], [])
}

story('the starters differ in what is of their framework alone', async () => {
  for (const name of ['text-area.ts', 'settings.ts', 'page.css']) {
    const [one, ...others] = await Promise.all(['react', 'vue', 'svelte'].map(async (starter) => readFileSync(join(await shelf.starter(starter), 'src', name), 'utf8')))
    for (const other of others) assert.equal(other, one, name)
  }
  const [, composable] = /^```ts\n(function useStore[^]*?)^```$/m.exec(readFileSync(join(CLIENT, 'README.md'), 'utf8'))
  const bare = (source) => source.replace(/^ *\/\/.*\n/gm, '')
  assert.ok(bare(readFileSync(join(await shelf.starter('vue'), 'src', 'use-store.ts'), 'utf8')).includes(bare(composable)), 'the README has the same composable')
})

for (const name of ['vue', 'svelte']) {
  story(`the starter for ${name} compiles under strict settings, and passes the lock when its holder's page is closed`, async (stage) => {
    await play(stage, await shelf.serve(join(await shelf.starter(name), 'dist')))
  })
}

/** A build with React's own checks, StrictMode's among them, into a folder beside the sources. */
async function development (folder, to) {
  const options = ['--mode', 'development', '--minify', 'false', '--outDir', to]
  await must(folder, 'npx', ['vite', 'build', ...options], { NODE_ENV: 'development' })
  const assets = join(folder, to, 'assets')
  const script = readdirSync(assets).find((one) => one.endsWith('.js'))
  assert.match(readFileSync(join(assets, script), 'utf8'), /doubleInvokeEffects/i, 'StrictMode mounts twice in this build')
  return await shelf.serve(join(folder, to))
}

/** The hooks on a server, at hydration, and when what they are given changes. */
async function probe (stage, home) {
  const server = await stage.server()
  const { page, sockets, complaints } = await open(stage, home, server, 'Ada')
  const seen = (look) => page.evaluate(`(${look})(window.probe)`)
  await waitFor('the hooks have their provider', () => seen(({ baton, people }) => baton.synced && people.length === 1))
  assert.match(await page.evaluate(() => window.html), /^<p>one.*disconnected.*unknown.*0.*offline<\/p>$/)
  assert.deepEqual(await page.evaluate(() => window.complaints), [], 'the page takes the server\'s markup')
  assert.equal(sockets.opened, 1)

  await page.evaluate(() => {
    window.before = window.probe
    window.probe.draw()
  })
  await waitFor('it is drawn again', () => seen(({ draws }) => draws === 1))
  for (const part of ['baton', 'lock', 'people', 'saved']) {
    assert.ok(await page.evaluate((part) => window.before[part] === window.probe[part], part), `${part} is the same while nothing has changed`)
  }

  await page.evaluate(() => void window.probe.lock.handle.acquire())
  await waitFor('the lock of the title is this page\'s', () => seen(({ lock }) => lock.state === 'mine' && lock.why === 'holder'))
  await page.evaluate(() => window.probe.setName('Eve'))
  await waitFor('the name is told', () => seen(({ people }) => people[0].user.name === 'Eve' && people[0].self))
  assert.equal(sockets.opened, 1, 'a name needs no other connection')

  await page.evaluate(() => {
    window.one = window.probe.baton.provider
    window.probe.setNote('two')
  })
  await waitFor('the other note is open', () => seen(({ baton, lock }) => baton.provider?.roomname === 'two' && baton.synced && lock.state === 'free'))
  await waitFor('the first is closed', () => sockets.open === 1)
  assert.equal(sockets.opened, 2)
  assert.equal(await page.evaluate(() => window.one.mayEdit), false)

  await waitFor('all is saved', () => seen(({ saved }) => saved.state === 'saved' && !saved.unsaved))
  await page.evaluate(() => window.probe.baton.provider.disconnect())
  await waitFor('it is offline', () => seen(({ saved, baton }) => saved.state === 'offline' && !saved.unsaved && baton.status === 'disconnected'))
  await page.evaluate(() => window.probe.baton.doc.getText('content').insert(0, 'offline'))
  await waitFor('an edit without a connection is not saved', () => seen(({ saved }) => saved.unsaved))
  await page.evaluate(() => window.probe.baton.provider.connect())
  await waitFor('all is saved again', () => seen(({ saved, baton }) => saved.state === 'saved' && !saved.unsaved && baton.synced))

  await page.evaluate(() => window.probe.setUrl(null))
  await waitFor('nothing is open', () => seen(({ baton, people }) => baton.provider === null && people.length === 0))
  await waitFor('no socket is left', () => sockets.open === 0)
  await waitFor('the server counts none', async () => await connections(server) === 0)
  assert.equal(sockets.opened, 3)
  assert.deepEqual(complaints, [])
}

/** The page that tries the hooks, in the place of the starter's own. */
async function probes (folder, version) {
  cpSync(fileURLToPath(new URL('react', import.meta.url)), join(folder, 'src'), { recursive: true })
  const page = readFileSync(join(folder, 'index.html'), 'utf8')
  write(folder, 'index.html', page.replace('main.tsx', 'probe.tsx'))
  try {
    await must(folder, 'npx', ['tsc', '--noEmit'])
    return await development(folder, `probe-${version}`)
  } finally {
    write(folder, 'index.html', page)
  }
}

/** A program that draws a page with all hooks as a server does, in Node, where no socket may be touched. */
const DRAWS = `
  let touched = 0
  Object.defineProperty(globalThis, 'WebSocket', { get: () => void (touched += 1) })
  const { useBaton, useLock, usePresence, useSaved } = await import('baton-client/react')
  const { BatonProvider } = await import('baton-client')
  const { createElement } = await import('react')
  const { renderToString } = await import('react-dom/server')
  function Note() {
    const { provider, doc, status } = useBaton('ws://127.0.0.1:9/ws', 'note', { user: { name: 'Ada', color: '#c2410c' } })
    const { state, mayEdit } = useLock(provider, [['title']])
    return createElement('p', null, [provider, doc, status, state, mayEdit, usePresence(provider).length, JSON.stringify(useSaved(provider))].join(' '))
  }
  console.log(renderToString(createElement(Note)), typeof window, typeof BatonProvider, touched)
`

/** It ends by itself, too: nothing is left that waits. */
async function drawsOnServer (folder) {
  write(folder, 'draw.mjs', DRAWS)
  const drawn = await must(folder, 'node', ['draw.mjs'])
  assert.equal(drawn, '<p>  disconnected unknown false 0 {&quot;state&quot;:&quot;offline&quot;,&quot;unsaved&quot;:false}</p> undefined function 0\n')
}

const HOOKS = 'one connection under StrictMode and none left behind, the same markup on a server, stable snapshots'

story(`the starter for React 19 compiles under strict settings and passes the lock; its hooks: ${HOOKS}`, async (stage) => {
  const folder = await shelf.starter('react')
  const hooks = readFileSync(join(folder, 'node_modules/baton-client/dist/react.js'), 'utf8')
  assert.match(hooks, /^["']use client["']/, 'server components are told')
  await drawsOnServer(folder)
  if (WHOLE) await play(stage, await shelf.serve(join(folder, 'dist')))
  await play(stage, await development(folder, 'dist-19'))
  await probe(stage, await probes(folder, 19))
})

story(`React 18 has the same hooks: ${HOOKS}`, async (stage) => {
  const folder = await shelf.starter('react')
  await must(folder, 'npm', ['install', '--no-save', '--prefer-offline', '--no-fund', '--no-audit', ...REACT_18])
  await drawsOnServer(folder)
  if (WHOLE) await play(stage, await development(folder, 'dist-18'))
  await probe(stage, await probes(folder, 18))
})
