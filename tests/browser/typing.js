// Typing beside ten others: `npm run typing`, with BATON_BIN as for the stories.
//
// One page types 30 keys a second while ten stock clients type into the same text, each ten keys a second and each with
// a cursor. Prints the tasks of the page's main thread that took long, and how long a key took until it was painted;
// the numbers go to docs/benchmarks.md. With TRACE=file, writes a trace that the browser's own tools open.
// Nothing is asserted: times depend on the machine, and on what else runs there.

import { writeFileSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { pause, Stage, waitFor } from '../node/harness.js'
import { stock } from '../node/stock.js'
import { BODY } from './pages.js'

const TYPISTS = Number(process.env.TYPISTS ?? 10)
const SECONDS = Number(process.env.SECONDS ?? 20)
const OWN = 1000 / 30
const THEIRS = 1000 / 10

/** A task that is longer is one that a person may feel, in milliseconds. */
const LONG = 50

/** Characters of the text at the start, in a paragraph for each who types. */
const SIZE = Number(process.env.SIZE ?? 5000)

const PARAGRAPH = 'The baton passes from hand to hand, and whoever carries it runs. '.repeat(Math.ceil(SIZE / (TYPISTS + 1) / 65)).trim()

/** Somebody who types at their own paragraph until told to stop, and says where their cursor is. */
function typist (client, text, paragraph) {
  let typed = 0
  const at = () => {
    let index = -1
    for (let i = 0; i <= paragraph; i++) index = text.toString().indexOf('\n', index + 1)
    return index
  }
  const timer = setInterval(() => {
    const index = at()
    text.insert(index, typed % 7 === 6 ? ' ' : 'x')
    typed += 1
    const cursor = client.position(text, index + 1)
    client.provider.awareness.setLocalStateField('cursor', { anchor: cursor, head: cursor })
  }, THEIRS)
  return () => clearInterval(timer)
}

const percentile = (numbers, share) => [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * share))]

/** The tasks of the page's main thread, from a trace. */
function tasks (trace) {
  const events = JSON.parse(trace).traceEvents
  const main = new Set(events
    .filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
    .map(({ pid, tid }) => `${pid}.${tid}`))
  const isMain = ({ pid, tid }) => main.has(`${pid}.${tid}`)
  const done = events.filter((event) => event.ph === 'X' && isMain(event))
  const all = []
  let end = 0
  for (const { ts, dur, tdur } of done.filter(({ name }) => name.endsWith('RunTask')).sort((a, b) => a.ts - b.ts || b.dur - a.dur)) {
    // Tasks are told by two layers, one inside the other.
    if (ts < end) continue
    end = ts + dur
    // `cpu` is what it took of the processor: on a busy machine it is less than what passed.
    all.push({ ts, dur: dur / 1000, cpu: (tdur ?? dur) / 1000 })
  }
  const inside = ({ ts, dur }) => {
    const sums = new Map()
    for (const event of done) {
      if (event.ts < ts || event.ts + event.dur > ts + dur * 1000 || event.name.endsWith('RunTask')) continue
      sums.set(event.name, (sums.get(event.name) ?? 0) + event.dur / 1000)
    }
    return [...sums].sort(([, a], [, b]) => b - a).slice(0, 8).map(([name, ms]) => `${name} ${ms.toFixed(1)}`).join(', ')
  }
  return { all, inside }
}

const stage = new Stage()
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-features=LocalNetworkAccessChecks'] })
stage.later(() => browser.close())
try {
  const server = await stage.server()
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
  if (process.env.BATON_DIST) await (await import('./pages.js')).serveFrom(context, process.env.BATON_DIST)
  const page = await context.newPage()
  await page.goto(`${server.page}?doc=typing`)
  await waitFor('the page is in use', () => page.evaluate(() => window.baton?.provider.synced))
  await page.evaluate(([root, text]) => window.baton.doc.getText(root).insert(0, text), [BODY, `${PARAGRAPH}\n`.repeat(TYPISTS + 1)])

  const stops = []
  for (let i = 0; i < TYPISTS; i++) {
    const client = stock(stage, server, 'typing')
    await client.synced()
    const text = client.doc.getText(BODY)
    await waitFor('a typist has the text', () => text.length > PARAGRAPH.length * TYPISTS)
    client.provider.awareness.setLocalStateField('user', { name: `Typist ${i + 1}`, color: '#1d4ed8' })
    stops.push(typist(client, text, i))
    await pause(THEIRS / TYPISTS)
  }
  await page.getByTestId('editor').click()
  await page.keyboard.press('Control+End')
  await page.evaluate(() => {
    window.keys = []
    new PerformanceObserver((list) => {
      for (const { name, duration } of list.getEntries()) if (name === 'keydown') window.keys.push(duration)
    }).observe({ type: 'event', durationThreshold: 16, buffered: false })
  })
  await pause(2000)
  await browser.startTracing(page, { categories: ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline', ...(process.env.TRACE ? ['v8.execute', 'disabled-by-default-v8.cpu_profiler'] : [])] })
  const start = performance.now()
  let typed = 0
  while (performance.now() - start < SECONDS * 1000) {
    typed += 1
    await page.keyboard.press('abcdefg '[typed % 8] === ' ' ? 'Space' : 'abcdefg '[typed % 8])
    const wait = start + typed * OWN - performance.now()
    if (wait > 0) await pause(wait)
  }
  const took = performance.now() - start
  const trace = await browser.stopTracing()
  stops.forEach((stop) => stop())
  if (process.env.TRACE) writeFileSync(process.env.TRACE, trace)
  const { all, inside } = tasks(trace)
  const keys = await page.evaluate(() => window.keys)
  const length = await page.evaluate((root) => window.baton.doc.getText(root).length, BODY)
  const long = all.filter(({ dur }) => dur > LONG)
  const share = (key) => `${(all.reduce((sum, task) => sum + task[key], 0) / took * 100).toFixed(0)} %`
  console.log(`${typed} keys in ${(took / 1000).toFixed(1)} s beside ${TYPISTS} typists; the text has ${length} characters at the end`)
  console.log(`tasks of the main thread: ${long.length} over ${LONG} ms; p99.9 ${percentile(all.map(({ dur }) => dur), 0.999).toFixed(1)} ms, longest ${Math.max(...all.map(({ dur }) => dur)).toFixed(1)} ms (of the processor: ${all.filter(({ cpu }) => cpu > LONG).length} over ${LONG} ms, longest ${Math.max(...all.map(({ cpu }) => cpu)).toFixed(1)} ms); busy ${share('dur')} of the time, ${share('cpu')} of a processor`)
  console.log(`a key until it is painted (${keys.length} over 16 ms): p50 ${percentile(keys, 0.5)} ms, p99 ${percentile(keys, 0.99)} ms`)
  for (const task of [...all].sort((a, b) => b.dur - a.dur).slice(0, 5)) console.log(`  ${task.dur.toFixed(1)} ms, ${task.cpu.toFixed(1)} of the processor: ${inside(task)}`)
} finally {
  await stage.clear()
}
process.exit(0)
