// One random thing that a client does.

import { ROOTS } from './edits.js'
import * as paths from './paths.js'
import * as wire from './wire.js'

/** Edits that break the rules, of all. */
const RUDE = 0.04

/** Frames that are none. */
const MALFORMED = [
  [0], [0, 9, 0], [0, 2, 200], [0, 2, 3, 255, 255, 255], [1, 200, 1], [98, 5, 123], [98, 2, 123, 125], [],
  [0, 2, 4, 1, 1, 1, 0]
]

/** Does it. */
export function act (person) {
  const { random, connection } = person
  if (connection === null) {
    if (random.chance(0.3)) edit(person)
    if (performance.now() > person.comes) comes(person)
    return
  }
  random.weighted(person.channel ? CHANNEL : STOCK)(person)
}

function comes (person) {
  const { random } = person
  // A copy that was refused is of no more use, or not at once.
  if (person.copy.diverged && random.chance(0.8)) person.fresh()
  if (!random.chance(0.2)) person.copy.outbox = []
  person.connect(
    random.weighted([[12, 'own'], [1, 'old'], [1, 'wrong'], [1, 'none']]),
    random.weighted([[8, 'held'], [2, 'none'], [1, 'wrong'], [1, 'some']])
  )
}

function edit (person) {
  const { random } = person
  const all = ROOTS.filter((root) => person.mayEdit(root))
  const rude = random.chance(person.channel ? RUDE : 0.01)
  const root = rude ? random.pick(ROOTS) : all.length > 0 ? random.pick(all) : null
  if (root === null) return
  person.copy.edit(root)
  if (random.chance(0.7)) flush(person)
}

function stockEdit (person) {
  // It does not know of locks; it is a slow writer, so that it does not only fill parks.
  const { random } = person
  if (person.room.witness.view?.grants.length > 0 && !random.chance(0.04)) return
  person.copy.edit(random.pick(ROOTS))
  if (random.chance(0.8)) flush(person)
}

function flush (person) {
  person.flush(person.random.weighted([[12, 'all'], [2, 'shuffled'], [2, 'some'], [1, 'twice'], [2, 'merged']]))
}

function fence (person) {
  const { random } = person
  const mine = [...person.locks.holdings.values(), ...person.locks.offers.values()].map(({ fence }) => fence)
  const others = person.view?.grants.map(({ fence }) => fence) ?? []
  return random.weighted([
    [mine.length > 0 ? 10 : 0, () => random.pick(mine)],
    [others.length > 0 ? 1 : 0, () => random.pick(others)],
    [0.3, () => ({ epoch: 1, position: random.below(50) })]
  ])()
}

function anybody (person) {
  const { random } = person
  return random.chance(0.1) ? random.below(1000) : random.pick([...(person.roster?.keys() ?? []), 1])
}

function ask (person, type, more = {}) {
  person.ask({ type, ...more })
}

function wants (type) {
  return (person) => {
    const wanted = paths.some(person.random)
    const message = { type }
    if (wanted !== undefined) message.paths = wanted
    if (type === 'request' && person.random.chance(0.5)) message.note = 'may I? '.repeat(person.random.pick([1, 100]))
    person.ask(message, paths.valid(wanted))
  }
}

function park (person) {
  const { random } = person
  const known = [...person.room.parks.keys()]
  return random.chance(0.1) || known.length === 0 ? random.below(9999) : random.pick(known)
}

const OPERATIONS = [
  [10, wants('acquire')],
  [5, wants('try')],
  [3, wants('request')],
  [1, wants('take-over')],
  [1.5, wants('move-here')],
  [2, (person) => ask(person, 'cancel')],
  [6, (person) => person.locks.release(fence(person))],
  [3, (person) => ask(person, 'transfer', { fence: fence(person), to: anybody(person) })],
  [1, (person) => person.connection.say({ type: 'claim', fence: fence(person) })],
  [0.5, (person) => person.connection.say({ type: 'drained', fence: fence(person) })],
  [0.5, (person) => {
    const mode = person.random.weighted([[8, 'exclusive-when-held'], [1, 'open'], [1, 'required'], [0.3, 'nonsense']])
    person.ask({ type: 'set-mode', mode }, mode !== 'nonsense')
  }],
  [1, (person) => ask(person, 'show-park', { id: park(person) })],
  [0.7, (person) => ask(person, 'merge-park', { id: park(person) })],
  [0.5, (person) => ask(person, 'discard-park', { id: park(person) })],
  [0.5, (person) => ask(person, 'recover-park', { id: park(person) })],
  [0.5, (person) => person.connection.say({ type: 'profile', user: { name: person.name, color: person.random.pick(['red', '#123456']) } })],
  [0.2, (person) => person.ask({ type: 'no such thing' }, false)]
]

function operate (person) {
  if (person.connection?.welcome) person.random.weighted(OPERATIONS)(person)
}

const FAULTS = [
  [4, (person) => person.hurt('its line goes silent both ways', () => person.link.silence('up', 'down'))],
  [2, (person) => person.hurt('nothing it sends arrives', () => person.link.silence('up'))],
  [2, (person) => person.hurt('nothing arrives', () => person.link.silence('down'))],
  [4, (person) => person.hurt('its line is cut', () => person.link.cut())],
  [4, (person) => person.hurt('its line is slow', () => person.link.delay(person.random.between(20, 400)))],
  [3, (person) => person.hurt('stops reading', () => person.connection.pause())],
  [3, (person) => person.hurt('stops answering beats', () => { person.answers = false })],
  [1, (person) => person.hurt('stops answering pings', () => { person.connection.pongs = false })],
  [3, (person) => person.hurt('is killed', () => person.connection.drop())],
  [3, (person) => person.hurt('is killed behind a dead line', () => { person.link.silence('up', 'down'); person.connection.drop() })],
  [1, (person) => person.leave()],
  [0.4, (person) => malformed(person)]
]

function malformed (person) {
  person.note('sends what is no frame')
  person.connection.offended = person.connection.hurt = true
  person.connection.send(new Uint8Array(person.random.pick(MALFORMED)))
}

function presence (person) {
  person.clock = (person.clock ?? 0) + 1
  const state = person.random.chance(0.9) ? { user: { name: person.name }, cursor: person.random.below(100) } : null
  person.connection.send(wire.awareness(person.copy.doc.clientID, person.clock, state))
}

const EVERYBODY = [
  [2, flush],
  [2, presence],
  [0.7, (person) => person.connection.send(wire.sync('step1', person.copy.vector))],
  [0.3, (person) => person.connection.send(new Uint8Array([3]))],
  [0.5, (person) => person.random.weighted(FAULTS)(person)],
  [2.5, (person) => { if (!person.well) { person.note('is well again'); person.heal() } }],
  [0.3, (person) => { if (person.copy.diverged && person.connection.open) person.anew() }]
]

const CHANNEL = [
  ...EVERYBODY,
  [10, (person) => { if (!person.copy.diverged || person.random.chance(0.1)) edit(person) }],
  [6, operate],
  [0.1, (person) => { if (person.connection.welcome && person.well) person.again() }]
]

const STOCK = [...EVERYBODY, [10, stockEdit]]
