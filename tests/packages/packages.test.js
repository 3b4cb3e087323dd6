// `baton-client` as npm gives it to a stranger: the tarball in empty projects, against the real server.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { SourceMap } from 'node:module'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { parse } from 'acorn'
import { rolldown } from 'rolldown'
import { story } from '../node/harness.js'
import { CLIENT, must, run, Shelf, WHOLE, write } from './project.js'

/** Bytes of the whole package in a page's bundle: minified, gzipped, without Yjs and its own libraries. */
const LIMIT = 13.75 * 1024

/** The same of `BatonProvider` alone, for a page that imports nothing else. */
const PROVIDER = 13.1 * 1024

/** Bytes of the guard of one editor: minified, gzipped, without what it guards. */
const GUARD = 4 * 1024

/** The same of Monaco's, which draws the cursors too. */
const WITH_CURSORS = 4.5 * 1024

/** Bytes of a bundle that imports one small function, minified. */
const SMALL = 1024

/** Compilers of before, for the whole run: the oldest that lib0's own types compile with, and one whose DOM types differ. */
const OLDER = ['5.7.3', '5.9.3']

const HERE = fileURLToPath(new URL('.', import.meta.url))
const README = readFileSync(join(CLIENT, 'README.md'), 'utf8')

const shelf = new Shelf()
after(() => shelf.clear())

const tool = (name) => join(HERE, 'node_modules', '.bin', name)

/** The bundle of a module of a project. */
async function bundle (folder, source, external) {
  write(folder, 'entry.js', source)
  const made = await rolldown({ input: join(folder, 'entry.js'), external, tsconfig: false })
  // Notes for tools go, as from a page that Vite builds.
  const { output } = await made.generate({ format: 'esm', minify: true, comments: false })
  return output.map(({ code }) => code).join('')
}

story('the linters of packages find nothing', async () => {
  await must(HERE, tool('publint'), [await shelf.tarball(), '--strict'])
  // For ESM alone: CommonJS loads it by import(), or by require() from Node 20.19 on.
  await must(HERE, tool('attw'), [await shelf.tarball(), '--profile', 'esm-only'])
})

story('strict programs compile against its types: bundler, node16, nodenext, and Node without a browser', async () => {
  const folder = await shelf.project('types')
  const all = async () => {
    for (const resolution of ['bundler', 'node16', 'nodenext']) {
      await must(folder, 'npx', ['tsc', '-p', `tsconfig.${resolution}.json`])
    }
  }
  if (WHOLE) {
    for (const older of OLDER) {
      await must(folder, 'npm', ['install', '--no-save', '--no-fund', '--no-audit', `typescript@${older}`])
      await all()
    }
    await must(folder, 'npm', ['ci', '--prefer-offline', '--no-fund', '--no-audit'])
  }
  await all()
  const { output } = await run(folder, 'npx', ['tsc', '-p', 'tsconfig.node.json'])
  // The types of Yjs itself need those of a browser.
  const ours = output.split('\n').filter((line) => /^\S/.test(line) && !line.startsWith('node_modules/yjs/'))
  assert.deepEqual(ours, [])
})

story('it has its licences, no private files, no "any", and is ES2020 throughout; one small import is a small bundle', async (_, t) => {
  const folder = await shelf.project('bare')
  const home = join(folder, 'node_modules', 'baton-client')
  assert.deepEqual(readdirSync(home).sort(), ['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'dist', 'package.json', 'src'])
  for (const licence of ['LICENSE-APACHE', 'LICENSE-MIT']) {
    assert.equal(readFileSync(join(home, licence), 'utf8'), readFileSync(join(HERE, '../..', licence), 'utf8'), `${licence} is the repository's`)
  }
  const files = readdirSync(join(home, 'dist'), { recursive: true })
  for (const name of files.filter((one) => one.endsWith('.js'))) {
    parse(readFileSync(join(home, 'dist', name), 'utf8'), { ecmaVersion: 2020, sourceType: 'module' })
  }
  for (const name of files.filter((one) => one.endsWith('.d.ts'))) {
    const types = readFileSync(join(home, 'dist', name), 'utf8').replace(/\/\*[^]*?\*\//g, '')
    assert.doesNotMatch(types, /\bany\b/, `${name} has a type "any"`)
  }
  // Bundlers that do not look into a module drop one that nothing is used of.
  assert.equal(JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')).sideEffects, false)
  const weigh = async (source, external) => gzipSync(await bundle(folder, source, external), { level: 9 }).length
  const whole = await weigh("export * from 'baton-client'", ['yjs', /^lib0\//, /^y-protocols\//])
  const provider = await weigh("export { BatonProvider } from 'baton-client'", ['yjs', /^lib0\//, /^y-protocols\//])
  const alone = await weigh("export * from 'baton-client'", ['yjs'])
  t.diagnostic(`${whole} bytes gzipped, ${provider} for the provider; ${alone} with lib0 and y-protocols, which Yjs has anyway`)
  assert.ok(whole <= LIMIT, `${whole} bytes are more than ${LIMIT}`)
  assert.ok(provider <= PROVIDER, `${provider} bytes are more than ${PROVIDER}`)
  const others = (id) => !/^[./]|^baton-client/.test(id)
  for (const editor of ['codemirror', 'prosemirror', 'quill', 'monaco', 'lexical']) {
    const guard = await weigh(`export * from 'baton-client/${editor}'`, others)
    t.diagnostic(`${guard} bytes: ${editor}`)
    const limit = editor === 'monaco' ? WITH_CURSORS : GUARD
    assert.ok(guard <= limit, `${editor}: ${guard} bytes are more than ${limit}`)
  }
  const ones = { scopeFrom: '', closeWords: '', BatonError: '', MemoryDrafts: '', lockStore: '/stores', savedStore: '/stores' }
  for (const [one, entry] of Object.entries(ones)) {
    const small = await bundle(folder, `import { ${one} } from 'baton-client${entry}'\nconsole.log(${one})`, ['yjs', /^lib0\//, /^y-protocols\//])
    const most = one === 'closeWords' || entry ? 2 * SMALL : SMALL
    assert.ok(small.length <= most, `${one} alone is a bundle of ${small.length} bytes:\n${small}`)
  }
})

story('its source maps lead from each shortened private name to the name as it was written', async () => {
  const home = join(await shelf.project('bare'), 'node_modules', 'baton-client', 'dist')
  const lines = (text) => text.split('\n')
  let count = 0
  for (const name of readdirSync(home, { recursive: true }).filter((one) => one.endsWith('.js.map'))) {
    const payload = JSON.parse(readFileSync(join(home, name), 'utf8'))
    const [map, source] = [new SourceMap(payload), lines(payload.sourcesContent[0])]
    /** Each short name stands for one, within a file. */
    const meant = new Map()
    lines(readFileSync(join(home, name.slice(0, -4)), 'utf8')).forEach((line, row) => {
      if (/^\s*(\/?\*|\/\/|import )/.test(line)) return
      for (const { 0: short, index } of line.matchAll(/(?<=\w\??\.|^\t(?:async |get |set )?)[a-z]{1,2}\b(?=\W)/g)) {
        const { originalLine, originalColumn } = map.findEntry(row, index)
        const [written] = /^#?\w+|/.exec(source[originalLine].slice(originalColumn))
        if (!meant.has(short)) meant.set(short, written)
        assert.ok(written && written === meant.get(short), `${name}: ${short} in "${line.trim()}" comes from "${written}", and before from "${meant.get(short)}"`)
        if (written.startsWith('#')) count += 1
        else assert.equal(written, short, `${name}: only private names are shortened`)
      }
    })
    assert.equal(new Set(meant.values()).size, meant.size, name)
  }
  assert.ok(count > 500, `${count} names`)
})

story('the README\'s program runs under Node with ws, and ends by itself', async (stage) => {
  const server = await stage.server()
  const folder = await shelf.project('bot')
  const [, program] = /^```js\n([^]*?)^```$/m.exec(README)
  const address = 'ws://127.0.0.1:8080/ws'
  assert.ok(program.includes(address))
  write(folder, 'bot.js', program.replace(address, server.socket))
  await must(folder, 'node', ['bot.js'])
  write(folder, 'look.js', program.replace(address, server.socket).replace(/^await provider\.lock[^]*$/m, 'console.log(String(doc.getText("content")))\nprovider.destroy()'))
  assert.equal(await must(folder, 'node', ['look.js']), 'Hello. \n')
})

story('a bot with tokens that last two seconds goes on over one connection, and without another one is told so', async (stage) => {
  const server = await stage.guarded()
  const folder = await shelf.project('bot')
  const exp = () => Math.floor(Date.now() / 1000) + 2
  const given = []
  const tokens = createServer((request, response) => {
    given.push(request.url)
    response.end(request.url === '/none' && given.length > 1 ? '' : server.issuer.mint({ exp: exp() }))
  }).listen(0, '127.0.0.1')
  await once(tokens, 'listening')
  stage.later(() => tokens.close())
  write(folder, 'tokens.js', `
    import { BatonProvider } from 'baton-client'
    import WebSocket from 'ws'
    import * as Y from 'yjs'
    const token = async () => await (await fetch('http://127.0.0.1:${tokens.address().port}' + process.argv[2])).text() || null
    const provider = new BatonProvider('${server.socket}', 'notes', new Y.Doc(), { token, WebSocketPolyfill: WebSocket })
    let welcomes = 0
    provider.on('welcome', () => (welcomes += 1))
    await provider.ready()
    await new Promise((done) => setTimeout(done, 5000))
    try {
      provider.doc.getText('content').insert(0, 'late')
      await provider.saved()
      console.log('saved', welcomes)
    } catch (error) {
      console.log(error.code, error.closeCode)
    }
    provider.destroy()
  `)
  assert.equal(await must(folder, 'node', ['tokens.js', '/again']), 'saved 1\n')
  assert.ok(given.length >= 3, `asked ${given.length} times for tokens`)
  given.length = 0
  assert.equal(await must(folder, 'node', ['tokens.js', '/none']), 'refused 4401\n')
})

story('without ws, Node before 22 is told what to do, and later Node needs none', async (stage) => {
  const server = await stage.server()
  const folder = await shelf.project('bare')
  const env = { BATON_SOCKET: server.socket }
  if (typeof WebSocket === 'function') {
    assert.equal(await must(folder, 'node', ['bot.js'], env), 'saved\n')
  } else {
    const { code, output } = await run(folder, 'node', ['bot.js'], env)
    assert.equal(code, 1)
    assert.match(output, /there is no global WebSocket here.*WebSocketPolyfill: WebSocket/)
    // Node's own, which 20 and 21 have behind a flag.
    assert.equal(await must(folder, 'node', ['--experimental-websocket', 'bot.js'], env), 'saved\n')
  }
})
