// The random driver by hand: `SEED=4711 MINUTES=10 BATON_BIN=... node driver/main.js`. SKIP names oracles that do not count, with commas.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { Server } from '../harness.js'
import { CLOCKS, Found, World } from './world.js'

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
const minutes = Number(process.env.MINUTES ?? 1)
const skip = (process.env.SKIP ?? '').split(',').filter((name) => name !== '')
console.log(`SEED=${seed} MINUTES=${minutes}${skip.length > 0 ? ` SKIP=${skip}` : ''}`)

const data = mkdtempSync(join(tmpdir(), 'baton-driver-'))
const server = new Server(data, CLOCKS)
let failed = true
try {
  await server.start()
  const world = new World({ seed, server, skip, say: console.log })
  await world.run(minutes * 60_000)
  console.log(`no finding: ${JSON.stringify(world.counts)}`)
  failed = false
} catch (error) {
  console.error(error instanceof Found ? `FOUND\n${error.message}` : error)
  console.error(`what the server said last:\n${server.log.split('\n').slice(-20).join('\n')}`)
}
await server.stop().catch((error) => { console.error(error.message); failed = true })
if (!failed || !process.env.KEEP) rmSync(data, { recursive: true, force: true })
process.exit(failed ? 1 : 0)
