// Writes through the published provider of Hocuspocus, and looks for what was acknowledged and is gone:
//
//     node ledger.js write SECONDS URL URL     writes a line of JSON when all have begun, and one at the end
//     node ledger.js read URL URL              reads that last line from its input, and counts
//
// People come to documents, write for a moment, wait until the provider has no unsynced changes, and leave; others take
// their place. Some documents have people at both servers, some at one. An edit counts as acknowledged if its person had
// no unsynced changes after it. It is lost if no newcomer at any server finds it.

import { text } from 'node:stream/consumers'
import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import WebSocket from 'ws'
import * as Y from 'yjs'

/** Milliseconds between two edits of a person. */
const EVERY = 40
/** Milliseconds for which a person writes. */
const STAYS = 1_200
/** Milliseconds for which the last answers may take. */
const PATIENCE = 40_000

const pause = (time) => new Promise((resolve) => setTimeout(resolve, time))

/** Under Node, a socket that is given up while it connects throws unless its errors are heard; a browser's does not. */
class Socket extends WebSocket {
  constructor (...rest) {
    super(...rest)
    this.on('error', () => {})
  }
}

function open (url, name) {
  const document = new Y.Doc()
  const websocketProvider = new HocuspocusProviderWebsocket({ url, WebSocketPolyfill: Socket })
  const provider = new HocuspocusProvider({ websocketProvider, name, document })
  provider.attach()
  const close = () => {
    provider.destroy()
    websocketProvider.destroy()
    document.destroy()
  }
  return { document, provider, close }
}

/** Resolves to true once it holds, to false when the time is over. */
async function within (deadline, holds) {
  while (!holds()) {
    if (Date.now() > deadline) return false
    await pause(10)
  }
  return true
}

/** One person after the other at this server, until it is over. Returns how many edits nobody acknowledged. */
async function people (url, name, seat, end, acknowledged, began) {
  let unanswered = 0
  for (let visit = 0; Date.now() < end; visit++) {
    const person = open(url, name)
    if (!await within(end + PATIENCE, () => person.provider.isSynced)) {
      person.close()
      continue
    }
    began()
    const words = person.document.getMap('words')
    const own = []
    const leaves = Math.min(Date.now() + STAYS, end)
    while (Date.now() < leaves) {
      const word = `${seat}-${visit}-${own.length}`
      words.set(word, 1)
      own.push(word)
      await pause(EVERY)
    }
    if (await within(end + PATIENCE, () => person.provider.isSynced && !person.provider.hasUnsyncedChanges)) {
      acknowledged.push(...own)
    } else {
      unanswered += own.length
    }
    person.close()
  }
  return unanswered
}

async function write (seconds, urls) {
  const seats = [0, 1, 2, 3].flatMap((number) => urls.map((url, server) => ({ url, name: `shared-${number}`, server })))
  urls.forEach((url, server) => [0, 1].forEach((number) => seats.push({ url, name: `alone-${server}-${number}`, server })))
  const documents = {}
  let seated = 0
  const end = Date.now() + seconds * 1_000
  const done = seats.map(({ url, name, server }) => {
    const acknowledged = documents[name] ??= []
    let first = true
    return people(url, name, `${name}-${server}`, end, acknowledged, () => {
      if (first && ++seated === seats.length) console.log(JSON.stringify({ began: true }))
      first = false
    })
  })
  const unanswered = (await Promise.all(done)).reduce((sum, count) => sum + count, 0)
  console.log(JSON.stringify({ documents, unanswered }))
}

async function found (url, name) {
  const reader = open(url, name)
  if (!await within(Date.now() + PATIENCE, () => reader.provider.isSynced)) {
    throw new Error(`${name} at ${url} is not synced`)
  }
  const words = new Set(reader.document.getMap('words').keys())
  reader.close()
  return words
}

async function read (urls) {
  const { documents, unanswered } = JSON.parse(await text(process.stdin))
  const seen = { acknowledged: 0, lost: 0, lostShared: 0, notEverywhere: 0, unanswered, examples: [] }
  for (const [name, words] of Object.entries(documents)) {
    const copies = []
    for (const url of urls) copies.push(await found(url, name))
    for (const word of words) {
      seen.acknowledged++
      const at = copies.filter((copy) => copy.has(word)).length
      if (at === 0) {
        seen.lost++
        if (name.startsWith('shared')) seen.lostShared++
        if (seen.examples.length < 3) seen.examples.push(word)
      } else if (at < copies.length) {
        seen.notEverywhere++
      }
    }
  }
  console.log(JSON.stringify(seen))
}

const [task, ...rest] = process.argv.slice(2)
if (task === 'write') await write(Number(rest[0]), rest.slice(1))
else await read(rest)
process.exit(0)
