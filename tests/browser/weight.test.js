// What a page costs on the wire, and that something is painted before the program is here. Bytes, not times: those are in
// docs/benchmarks.md, made by `npm run paint`.

import assert from 'node:assert/strict'
import { story, waitFor } from '../node/harness.js'
import { CHAT, EDITOR, FEED, fresh, isFromFolder } from './pages.js'

/** What all that a page loads may weigh, headers and all, in bytes. */
const LIMITS = { [EDITOR]: 180_000, [CHAT]: 90_000, [FEED]: 90_000 }

const FOLDER = isFromFolder && 'the pages come from a folder, past the server'

story('each page is sent compressed, within its weight', async (stage, t) => {
  const server = await stage.server()
  for (const [page, limit] of Object.entries(LIMITS)) {
    const context = await fresh(stage)
    const tab = await context.newPage()
    const devtools = await context.newCDPSession(tab)
    await devtools.send('Network.enable')
    const got = new Map()
    devtools.on('Network.responseReceived', ({ requestId, response, type }) => got.set(requestId, { type, url: response.url, coding: response.headers['content-encoding'], bytes: 0 }))
    devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      const one = got.get(requestId)
      if (one) one.bytes = encodedDataLength
    })
    await tab.goto(`${server.page}${page}?doc=weight`)
    await waitFor('the page is in use', () => tab.evaluate(() => window.baton?.provider.synced))
    await tab.waitForLoadState('networkidle')
    const files = [...got.values()].filter(({ type }) => type !== 'WebSocket')
    const bytes = files.reduce((sum, one) => sum + one.bytes, 0)
    t.diagnostic(`${page || 'index.html'}: ${bytes} bytes in ${files.length} files`)
    assert.ok(files.length >= 2)
    for (const { url, coding } of files) assert.equal(coding, 'br', url)
    assert.ok(bytes > 10_000 && bytes < limit, `${page}: ${bytes} bytes of ${limit}`)
  }
}, { skip: FOLDER })

story('a page that is loaded again costs a question for each file that may have changed', async (stage) => {
  const server = await stage.server()
  const context = await fresh(stage)
  const tab = await context.newPage()
  await tab.goto(server.page)
  await waitFor('the page is in use', () => tab.evaluate(() => window.baton?.provider.synced))
  const asked = []
  tab.on('response', (response) => asked.push({ status: response.status(), url: response.url() }))
  // Not `reload`, which asks again for everything.
  await tab.goto(`${server.page}chat.html`)
  asked.splice(0)
  await tab.goto(server.page)
  await waitFor('the page is in use', () => tab.evaluate(() => window.baton?.provider.synced))
  const page = await tab.evaluate(() => performance.getEntriesByType('navigation')[0].transferSize)
  assert.ok(page < 1000, `the HTML came again: ${page} bytes`)
  const scripts = await tab.evaluate(() => performance.getEntriesByType('resource').filter(({ name }) => name.includes('/assets/')).map(({ transferSize }) => transferSize))
  assert.ok(scripts.length >= 2 && scripts.every((bytes) => bytes === 0), `scripts came again: ${scripts}`)
}, { skip: FOLDER })

story('a page is painted before any of its scripts is here', async (stage) => {
  const server = await stage.server()
  const context = await fresh(stage)
  for (const page of Object.keys(LIMITS)) {
    const tab = await context.newPage()
    await tab.route('**/assets/*.js', () => {})
    await tab.goto(`${server.page}${page}`, { waitUntil: 'commit' })
    await waitFor(`${page} is painted`, () => tab.evaluate(() => performance.getEntriesByName('first-contentful-paint').length === 1))
    const seen = await tab.evaluate(() => ({
      heading: document.querySelector('h1').checkVisibility(),
      links: document.querySelectorAll('nav a').length,
      styled: getComputedStyle(document.body).marginTop === '0px',
      ghosts: [...document.querySelectorAll('.ghost')].filter((one) => one.getBoundingClientRect().height > 60).length,
      waitsFor: [...document.querySelectorAll('link[rel=stylesheet], script[src]:not([type=module]):not([async]):not([defer])')].length
    }))
    assert.deepEqual(seen, { ...seen, heading: true, links: 3, styled: true, waitsFor: 0 })
    assert.ok(seen.ghosts >= 3, `${seen.ghosts} places are kept for what comes`)
    await tab.close({ runBeforeUnload: false })
  }
})

story('the colours that a reader chose are there from the first paint', async (stage) => {
  const server = await stage.server()
  const context = await fresh(stage, { colorScheme: 'light' })
  const tab = await context.newPage()
  await tab.goto(server.page)
  await tab.evaluate(() => localStorage.setItem('baton-theme', 'dark'))
  await tab.route('**/assets/*.js', () => {})
  await tab.goto(`${server.page}chat.html`, { waitUntil: 'commit' })
  await waitFor('the page is painted', () => tab.evaluate(() => performance.getEntriesByName('first-contentful-paint').length === 1))
  assert.equal(await tab.evaluate(() => getComputedStyle(document.documentElement).colorScheme), 'dark')
})
