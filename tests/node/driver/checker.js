// The rules that histories of clients keep: pure functions of plain data, each of which returns what it finds.
//
// Each finding is `{oracle, text, people}`. The tests feed each of them a bad history.

import { conflict, valid } from './paths.js'
import { TOKEN } from './wire.js'

const finding = (oracle, text, people = []) => ({ oracle, text, people })

const older = (one, other) => one.epoch - other.epoch || one.position - other.position

const show = ({ epoch, position }) => `${epoch}.${position}`

/** Close codes that a fault of the store or of the server has. */
const NEVER = [4500, 4507]

/** Time in which what passes on two connections may be seen in the wrong order, in milliseconds. */
const SKEW = 5_000

/**
 * The `lock` messages of one witness whose connection is good, in order.
 *
 * @param {{incarnation: number, lock: object}[]} views
 */
export function locks (views) {
  const found = []
  const known = new Map()
  let newest = { epoch: 0, position: 0 }
  let before = null
  for (const { incarnation, lock } of views) {
    if (before?.incarnation === incarnation && lock.version < before.lock.version) {
      found.push(finding('lock-version', `version ${lock.version} came after ${before.lock.version}`))
    }
    for (const [i, one] of lock.grants.entries()) {
      if (!valid(one.paths) || one.paths === null) found.push(finding('paths', `a lock of ${JSON.stringify(one.paths)}`))
      for (const other of lock.grants.slice(i + 1)) {
        if (one.session !== other.session && conflict(one.paths, other.paths)) {
          found.push(finding('S1', `two have conflicting locks: ${JSON.stringify(one)} and ${JSON.stringify(other)}`))
        }
      }
    }
    const fresh = lock.grants.filter(({ fence }) => !known.has(show(fence)))
    for (const { fence, session, paths } of fresh) {
      if (older(fence, newest) <= 0) found.push(finding('S2', `fence ${show(fence)} is new after ${show(newest)}`))
      known.set(show(fence), { session, paths: JSON.stringify(paths ?? null) })
    }
    for (const { fence } of fresh) if (older(fence, newest) > 0) newest = fence
    for (const { fence, session, paths } of lock.grants) {
      const first = known.get(show(fence))
      if (first.session !== session || first.paths !== JSON.stringify(paths ?? null)) {
        found.push(finding('S2', `fence ${show(fence)} names two grants: ${JSON.stringify(first)} and ${JSON.stringify({ session, paths })}`))
      }
    }
    before = { incarnation, lock }
  }
  return found
}

/**
 * Times in which clients believed that they hold.
 *
 * @param {{person: any, interval: {session: number, fence: object, paths: any, from: number, to: number | null, clear: boolean}}[]} intervals
 * @param {number} now
 */
export function overlaps (intervals, now) {
  const found = []
  const clear = intervals.filter(({ interval }) => interval.clear)
  for (const [i, { person, interval: one }] of clear.entries()) {
    for (const { person: another, interval: other } of clear.slice(i + 1)) {
      if (one.session === other.session || !conflict(one.paths, other.paths)) continue
      const both = Math.min(one.to ?? now, other.to ?? now) - Math.max(one.from, other.from)
      if (both > SKEW) {
        const who = `sessions ${one.session} (${show(one.fence)}) and ${other.session} (${show(other.fence)})`
        found.push(finding('S1', `${who} both held for ${both.toFixed()} ms`, [person, another]))
      }
    }
  }
  return found
}

/**
 * Fences as clients were told of them: each names one grant.
 *
 * @param {{person: any, message: {type: string, fence: object, paths: any}}[]} told
 */
export function fences (told) {
  const found = []
  const known = new Map()
  for (const { person, session, message: { type, fence, paths } } of told) {
    if (type !== 'offer' && type !== 'granted') continue
    const what = `${session} ${JSON.stringify(paths ?? null)}`
    const before = known.get(show(fence))
    if (before === undefined) known.set(show(fence), { what, person })
    else if (before.what !== what) found.push(finding('S2', `fence ${show(fence)} was told to ${before.what} and to ${what}`, [before.person, person]))
  }
  return found
}

/**
 * Operations on one connection.
 *
 * @param {{code: number | null, asked: Map<number, {type: string, answers: number, valid: boolean, outcome: string}>, unasked?: object}} connection
 * @param {boolean} settled nothing is under way any more
 */
export function results (person, connection, settled) {
  const found = []
  if (connection.unasked) found.push(finding('results', `an answer to no question: ${JSON.stringify(connection.unasked)}`, [person]))
  for (const [nonce, { type, answers, message, valid = true, outcome }] of connection.asked) {
    if (answers > 0 && valid === (outcome === 'invalid')) {
      found.push(finding('invalid', `${JSON.stringify(message).slice(0, 200)} is ${valid ? '' : 'in'}valid; its outcome: ${outcome}`, [person]))
    }
    if (answers > 1) found.push(finding('results', `${answers} answers to ${type} (nonce ${nonce})`, [person]))
    if (answers === 0 && settled && connection.code === null) {
      found.push(finding('results', `no answer to ${JSON.stringify(message)}`, [person]))
    }
  }
  return found
}

/** Edits whose words a park's difference shows, if they were not deleted: not so of a key that another one has set again, or inside of something deleted. */
const SHOWN = /^(text|notes|array): insert/

/**
 * Everything that was called saved is in the document or in a park.
 *
 * @param {{person: any, refused: boolean, blocks: object[], deletes: object[]}[]} ledger
 * @param {{end(client: number): number, text(client: number, clock: number, end: number): string | null, deleted(client: number, clock: number, end: number): boolean}} newcomer
 *   `text` is null for what is deleted
 * @param {{words: string, count: number, any: boolean}} parks all that is in parks; `any`: one of them could not be read whole
 * @param {(client: number, clock: number, end: number) => boolean} deleted by some client, as far as clients know
 * @param {Map<string, string>} edits by token, what it was written by
 */
export function saved (ledger, newcomer, parks, deleted, edits) {
  const found = []
  for (const { person, refused, blocks, deletes } of ledger) {
    // An edit that was refused for want of room is with its author only, and it was told so.
    if (refused) continue
    for (const { client, clock, end, text } of blocks) {
      const where = `client ${client}, clocks ${clock}-${end} ("${text.slice(0, 40)}")`
      const tokens = text.match(TOKEN) ?? []
      const shown = tokens.length > 0 && tokens.every((token) => SHOWN.test(edits.get(token)))
      if (newcomer.end(client) >= end) {
        if (shown) found.push(...kept(person, where, text, newcomer.text(client, clock, end), () => deleted(client, clock, end)))
      } else if (parks.count === 0) {
        found.push(finding('saved', `${where} is not in the document, which ends at ${newcomer.end(client)}, and there is no park`, [person]))
      } else if (shown && !parks.any && !deleted(client, clock, end) && !tokens.every((token) => parks.words.includes(token))) {
        found.push(finding('saved', `${where} is neither in the document, which ends at ${newcomer.end(client)}, nor in a park`, [person]))
      }
    }
    for (const { client, clock, end } of deletes) {
      if (newcomer.end(client) >= end && parks.count === 0 && !newcomer.deleted(client, clock, end)) {
        found.push(finding('saved', `the deletion of client ${client}, clocks ${clock}-${end}, was saved and is not there`, [person]))
      }
    }
  }
  return found
}

/** A block whose clocks are known holds what was saved, or was deleted. */
function kept (person, where, text, there, deleted) {
  if (there === null) return deleted() ? [] : [finding('saved', `${where}: deleted by none`, [person])]
  if (text === there) return []
  return [finding('saved', `${where} was saved, "${there.slice(0, 40)}" is there`, [person])]
}

/** Words that an open park would insert are not in the document already. */
export function both (parks, newcomer, blocks) {
  const found = []
  for (const { id, state, words, gone, whole } of parks) {
    // Of a difference that is cut short it is not known what moved.
    if (state !== 'open' || !whole) continue
    for (const token of words.match(TOKEN) ?? []) {
      const block = blocks.get(token)
      // A difference shows words that moved on both sides.
      if (block && !gone.includes(token) && newcomer.end(block.client) >= block.end && newcomer.text(block.client, block.clock, block.end) !== null) {
        found.push(finding('both', `${token} is in the document and in the open park ${id}`))
      }
    }
  }
  return found
}

/**
 * A park that is listed can be decided about by one who may, while no lock is held.
 *
 * @param {{type: string, outcome: string}} asked
 * @param {{id: number, state: string}} park as it was told after that
 */
export function decided (person, { type, outcome, result }, park) {
  const due = { 'merge-park': 'merged', 'discard-park': 'discarded', 'recover-park': 'open' }[type]
  if (outcome === 'done' && park.state === due) return []
  // It was merged with another one that held it as well, or is a quarantined one.
  if (outcome !== 'done' && (park.state === 'merged' || park.reason === 'quarantined')) return []
  return [finding('parks', `${type} ${park.id}: ${JSON.stringify(result)}, and it is ${park.state}`, [person])]
}

/** @param {{person: any, vector: string, deletes: string, content: string}[]} copies all of which hold the same as the newcomer's */
export function converged (newcomer, copies) {
  const found = []
  for (const copy of copies) {
    for (const part of ['vector', 'deletes', 'content']) {
      if (copy[part] !== newcomer[part]) {
        found.push(finding('converged', `another ${part} than the newcomer's: ${differ(copy[part], newcomer[part])}`, [copy.person]))
        break
      }
    }
    if (copy.pending) found.push(finding('converged', 'something is pending in the copy', [copy.person]))
  }
  return found
}

function differ (mine, theirs) {
  let at = 0
  while (at < mine.length && mine[at] === theirs[at]) at++
  return `...${mine.slice(Math.max(0, at - 60), at + 120)} against ...${theirs.slice(Math.max(0, at - 60), at + 120)}`
}

/**
 * Why connections ended.
 *
 * @param {{person: any, connection: {code: number, hurt: boolean, offended: boolean, replaced: boolean}, down: boolean}[]} ended
 *   `down`: the server was killed or stopped meanwhile
 */
export function closes (ended) {
  const found = []
  for (const { person, connection, down } of ended) {
    const { code, hurt, offended, replaced, stranger, auth, error } = connection
    const fine = [
      [1000, 1005].includes(code),
      code === 1006 && (hurt || down),
      code === 4503 && down,
      // Silence is measured by a clock, and the machine may be busy: too early a close is not told from a late answer.
      code === 4508,
      code === 1013 && hurt,
      code === 4409 && replaced,
      // It came as a stranger with a copy of its own, and something of its last connection was still on the way.
      code === 4411 && stranger,
      code === 4423 && !person.channel,
      code === 4400 && offended
    ].some(Boolean)
    if (NEVER.includes(code) || !fine) {
      found.push(finding('closes', `connection ${connection.number} was closed with ${code} ${auth ?? ''} ${error ?? ''}`, [person]))
    }
  }
  return found
}

/** A live holder that answers its beats sees them confirmed. */
export function confirmed (person, beats, since) {
  const answered = beats.filter(({ n, answered }) => answered && n > since)
  // The last two may be under way.
  const due = answered.at(-3)
  const newest = Math.max(0, ...beats.map(({ confirmed }) => confirmed))
  if (due === undefined || newest > since) return []
  return [finding('confirmed', `holds, and answered beats ${answered.map(({ n }) => n)}, of which ${newest} is the newest confirmed`, [person])]
}

/** The roster, as one client was told, against those who are connected. */
export function roster (told, connected) {
  const online = told.filter(({ state }) => state === 'online' || state === 'shaky')
  const sessions = online.filter(({ lock }) => lock).map(({ session }) => session).sort((a, b) => a - b)
  const stock = online.filter(({ lock }) => !lock).length
  const wanted = [...connected.sessions].sort((a, b) => a - b)
  if (sessions.join() === wanted.join() && stock === connected.stock) return []
  return [finding('roster', `told: sessions ${sessions}, ${stock} stock clients; connected: sessions ${wanted}, ${connected.stock} stock clients`)]
}

/**
 * A client that was told `granted`, and not `lost`, on this connection can give the lock back.
 *
 * @param {{person: any, fence: object, outcome: string, believed: boolean}[]} releases `believed`: it was its own as far as it was told
 */
export function holders (releases) {
  return releases.filter(({ outcome, believed }) => believed && outcome !== 'done')
    .map(({ person, fence, outcome }) => finding('holders', `gives ${show(fence)} back, of which it was told no loss: ${outcome}`, [person]))
}

/** @param {{person: any, resume: {session: number, resume: string}, soon: boolean, welcome: {session: number, token: string, resumed: boolean}}[]} welcomes in order */
export function resumed (welcomes) {
  const found = []
  const tokens = new Set()
  const sessions = new Set()
  for (const { person, resume, soon, welcome: { session, token, resumed } } of welcomes) {
    const say = (text) => found.push(finding('resumed', text, [person]))
    if (tokens.has(token)) say('a token was given twice')
    tokens.add(token)
    if (resumed && session !== resume?.session) say(`resumed as session ${session}, asked for ${resume?.session}`)
    if (resumed && (!resume || resume.resume === 'wrong')) say(`session ${session} was resumed without its token`)
    if (!resumed && sessions.has(session)) say(`a new client got session ${session}, which is another's`)
    if (!resumed && resume?.resume === 'own' && soon) {
      say(`session ${resume.session} came back at once with its token and was not resumed, but is ${session}`)
    }
    sessions.add(session)
  }
  return found
}

/** @param {{log: string, ended: string | null, resident: number}} server */
export function process (server, most) {
  const found = []
  if (server.ended !== null) found.push(finding('process', `the server ended by itself: ${server.ended}`))
  const panic = /.*panicked at.*/.exec(server.log)
  if (panic) found.push(finding('process', panic[0]))
  if (server.resident > most) found.push(finding('process', `the server has ${(server.resident / 2 ** 20).toFixed()} MiB`))
  return found
}
