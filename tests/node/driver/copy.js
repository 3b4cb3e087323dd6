// One copy of a document under one Yjs client id, and how its edits get to the server: in order or not, once or twice, whole or in pieces.

import * as Y from 'yjs'
import * as edits from './edits.js'
import * as wire from './wire.js'

/** Longest time between the making of a late answer to a Step1 and its sending, in milliseconds. */
const LATE = 300

export class Copy {
  /** Updates that were made but not sent. */
  outbox = []
  /** It holds an edit that was set aside. */
  diverged = false
  /** An edit was refused for want of room: it is nowhere else. */
  refused = false
  #person

  /** @param {import('./person.js').Person} person whose copy it is */
  constructor (person, id) {
    this.#person = person
    this.doc = edits.open(new Y.Doc())
    this.doc.clientID = id
    this.doc.on('afterTransaction', (transaction) => {
      if (transaction.local) person.room.deleted.push(...wire.ranges(transaction.deleteSet))
    })
    this.doc.on('update', (update, origin) => {
      if (origin === 'remote') return
      // Also what Yjs tidies up by itself: a provider sends it.
      this.outbox.push(update)
      if (origin !== 'local') person.note(`tidies: ${JSON.stringify(wire.contents(update))}`)
    })
    person.note(`opens a copy as client ${id}`)
  }

  /** One edit in that root type; it waits in the outbox. */
  edit (root) {
    const { room, random } = this.#person
    const token = room.token()
    const did = edits.edit(this.doc, random, root, token)
    room.tokens.set(token, did)
    this.#person.note(did)
  }

  apply (update) {
    Y.applyUpdate(this.doc, update, 'remote')
  }

  get vector () {
    return Y.encodeStateVector(this.doc)
  }

  /** Sends what waits: all in order, or some of it, out of order, twice, or as one. */
  flush (connection, manner) {
    const { random } = this.#person
    if (manner === 'shuffled') random.shuffle(this.outbox)
    const count = manner === 'some' ? random.below(this.outbox.length + 1) : this.outbox.length
    const now = this.outbox.splice(0, count)
    if (now.length === 0) return
    this.#person.note(`sends ${now.length} updates (${manner})`)
    if (manner === 'merged') connection.edit('update', Y.mergeUpdates(now))
    else for (const update of now) connection.edit('update', update)
    if (manner === 'twice') connection.edit('update', random.pick(now))
  }

  /** Answers a Step1: at once, or with what it had a while ago, or with pieces that leave gaps before the whole. */
  answer (connection, vector) {
    const { random, polite } = this.#person
    const all = Y.encodeStateAsUpdate(this.doc, vector)
    const manner = polite ? 'now' : random.weighted([[8, 'now'], [2, 'late'], [1, 'pieces']])
    if (manner === 'pieces') for (const piece of halves(all)) connection.edit('update', piece)
    if (manner === 'late') setTimeout(() => { if (this.#person.copy === this) connection.edit('step2', all) }, random.below(LATE))
    else connection.edit('step2', all)
    this.#person.note(`answers a Step1 (${manner})`)
  }

  /** All that it has. */
  get whole () {
    return Y.encodeStateAsUpdate(this.doc)
  }

  close () {
    this.doc.destroy()
  }
}

/** The second half of each client's part of an update. */
function halves (update) {
  const { from, to } = Y.parseUpdateMeta(update)
  return [...from].map(([client, start]) => {
    const middle = start + Math.floor((to.get(client) - start) / 2)
    const known = new Map(to)
    known.set(client, middle)
    return Y.diffUpdate(update, Y.encodeStateVector(known))
  })
}
