// No edit that a client showed as confirmed is lost by kill -9: a short run of each trial (`kills/main.js` has long ones),
// and that the trial would see it.

import assert from 'node:assert/strict'
import { story } from './harness.js'
import { Liar } from './kills/liar.js'
import { signs } from './kills/signs.js'
import { trial } from './kills/trial.js'
import { played } from './wires.js'

const KILLS = 4

for (const [name, sign] of Object.entries(signs).filter(([, { wire }]) => played.includes(wire))) {
  const seed = Math.floor(Math.random() * 2 ** 31)

  story(`${name}: newcomers alone find all that was confirmed before kill -9`, async (stage, t) => {
    t.mock.method(console, 'warn', () => {})
    t.diagnostic(`seed ${seed}`)
    const server = await stage.server()
    const found = await trial({ server, sign, kills: KILLS, seed })
    assert.deepEqual(found.lost, [])
    assert.ok(found.confirmed > 0, JSON.stringify(found))
  })

  // That others see an edit cannot be lied about without showing it to them.
  if (sign.bySight) continue
  story(`${name}: a confirmation that comes too early is found out`, async (stage, t) => {
    t.mock.method(console, 'warn', () => {})
    const server = await stage.server()
    const liar = await Liar.before(server, name)
    stage.later(() => liar.close())
    const { lost } = await trial({ server, sign, through: liar, kills: KILLS, seed })
    assert.ok(lost.length > 0)
  })
}
