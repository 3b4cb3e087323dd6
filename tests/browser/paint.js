// When a page is painted and when it can be used, on a slow line: `npm run paint`, with BATON_BIN as for the stories.
//
// "Slow 3G" as the browser's own tools have it: 400 kbit/s each way, 400 ms for a round trip. Prints medians; they go
// to docs/benchmarks.md. Nothing is asserted: times depend on the machine.

import { chromium } from 'playwright-core'
import { Stage, waitFor } from '../node/harness.js'
import { CHAT, EDITOR, FEED } from './pages.js'

const RUNS = Number(process.env.RUNS ?? 5)
const LINE = { offline: false, latency: 400, downloadThroughput: 400_000 / 8, uploadThroughput: 400_000 / 8 }

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

async function load (server, page) {
  // A browser of its own: no cache, no connection that is open already.
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'] })
  try {
    const tab = await (await browser.newContext()).newPage()
    const devtools = await tab.context().newCDPSession(tab)
    await devtools.send('Network.enable')
    await devtools.send('Network.emulateNetworkConditions', LINE)
    await tab.goto(`${server.page}${page}?doc=paint`, { waitUntil: 'commit', timeout: 60_000 })
    await waitFor('the page is in use', () => tab.evaluate(() => window.baton?.provider.synced), 60_000)
    return await tab.evaluate(() => ({
      paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
      synced: performance.now()
    }))
  } finally {
    await browser.close()
  }
}

const stage = new Stage()
try {
  const server = await stage.server()
  for (const page of [EDITOR, CHAT, FEED]) {
    const runs = []
    for (let i = 0; i < RUNS; i++) runs.push(await load(server, page))
    const of = (key) => `${(median(runs.map((run) => run[key])) / 1000).toFixed(2)} s`
    console.log(`${page || 'index.html'}: first paint ${of('paint')}, in step with the server after ${of('synced')} (median of ${RUNS})`)
  }
} finally {
  await stage.clear()
}
