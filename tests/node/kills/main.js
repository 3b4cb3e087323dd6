// Kill trials by hand: `BATON_BIN=... node kills/main.js hocuspocus --kills 100 --seed 7`, or `all` for every sign. With
// `--liar` a middleman confirms at once: then edits must be found lost.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { Server } from '../harness.js'
import { Liar } from './liar.js'
import { signs } from './signs.js'
import { trial } from './trial.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    settled: { type: 'string', default: '500' },
    liar: { type: 'boolean', default: false }
  }
})
const [kills, seed, settled] = [values.kills, values.seed, values.settled].map(Number)
const names = positionals.includes('all') ? Object.keys(signs) : positionals
if (names.length === 0 || names.some((name) => !(name in signs))) {
  console.error(`usage: node kills/main.js ${Object.keys(signs).join('|')}|all [--kills N] [--seed N] [--settled MS] [--liar]`)
  process.exit(2)
}

// What the providers say on the console of each lost connection.
console.warn = () => {}

let failed = false
for (const name of names) {
  const data = mkdtempSync(join(tmpdir(), 'baton-kills-'))
  const server = new Server(data, [])
  const began = performance.now()
  try {
    await server.start()
    const through = values.liar ? await Liar.before(server, name) : server
    const found = await trial({ server, sign: signs[name], through, kills, seed, settled })
    if (values.liar) through.close()
    const { lost, ...counts } = found
    const seconds = Math.round((performance.now() - began) / 1000)
    console.log(JSON.stringify({ sign: name, seed, ...counts, lost: lost.length, seconds }))
    for (const one of lost.slice(0, 10)) console.log(`  lost: ${one}`)
    failed ||= lost.length > 0 || found.confirmed === 0
  } catch (error) {
    console.error(`${name}, seed ${seed}: ${error.stack}\nwhat the server said:\n${server.log.split('\n').slice(-20).join('\n')}`)
    failed = true
  }
  await server.stop()
  rmSync(data, { recursive: true, force: true })
}
process.exit(failed ? 1 : 0)
