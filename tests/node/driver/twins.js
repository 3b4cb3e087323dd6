// Two clients with one Yjs client id, in a document of their own: what is called saved of either must be there.

import { setTimeout as pause } from 'node:timers/promises'
import * as checker from './checker.js'
import { looked, ranged } from './copies.js'
import { ROOTS } from './edits.js'
import { Person } from './person.js'
import { Room } from './room.js'

/** Longest time until the server has come to its verdict, in milliseconds. */
const VERDICT = 20_000

const LOOK = 50

/** Each writes; a third must not notice; a newcomer sees what was saved. */
export async function twins (world) {
  const { random } = world
  const room = Room.bare(world)
  const join = async (number, channel, id) => {
    const person = new Person(room, number, random.fork(), { channel })
    await person.ready()
    person.fresh(id)
    person.polite = true
    room.people.push(person)
    person.connect()
    return person
  }
  const until = async (condition) => {
    const end = performance.now() + VERDICT
    while (!condition() && performance.now() < end) await pause(LOOK)
    return condition()
  }
  const here = (person) => person.connection?.synced && (!person.channel || person.connection.welcome)
  const third = await join(3, random.chance(0.5))
  const id = random.between(1, 2 ** 31)
  const one = await join(1, random.chance(0.8), id)
  await until(() => here(third) && here(one))
  // At once, or when the first has written something that the second then knows, or does not.
  if (random.chance(0.5)) writes(one)
  const two = await join(2, random.chance(0.8), id)
  if (random.chance(0.5)) await until(() => here(two) || two.connection === null)
  for (let i = 0; i < 6; i++) {
    writes(random.pick([one, two]))
    await pause(random.below(30))
  }
  const settled = (person) => person.connection === null || !person.channel || person.connection.saved === person.connection.sent.length
  await until(() => settled(one) && settled(two))
  const newcomer = await join(4, true)
  await until(() => here(newcomer))
  const found = () => checker.saved(room.ledger, looked(newcomer), { words: '', count: newcomer.parks.size, any: true }, ranged(room.deleted), room.tokens)
  await until(() => found().length === 0)
  world.check(found())
  if (!third.connection) world.check([{ oracle: 'closes', text: 'was closed because two others have one id', people: [third, one, two] }])
  world.count('twins')
  await room.close()
}

function writes (person) {
  person.copy.edit(person.random.pick(ROOTS))
  person.flush()
}
