// What one writer did to its document, and what of that it was shown as confirmed.
//
// Owns the edits of one writer: entries that it puts into a map of its own, and takes out again. Knows no wire.

import * as Y from 'yjs'

/** One edit in so many takes out what an earlier one put in. */
const TAKES = 5

export class Ledger {
  /** The edits: which entry, put in or taken out, its clock, and the moment at which others had it. */
  #edits = []
  #confirmed = 0
  /** Confirmed one by one, beside those that all are. */
  #alone = new Set()
  #doc
  #name
  #random

  constructor (doc, name, random) {
    this.#doc = doc
    this.#name = name
    this.#random = random
  }

  get #map () {
    return this.#doc.getMap(this.#name)
  }

  /** The edits that were made. */
  get made () {
    return this.#edits.length
  }

  /** Those that were confirmed. */
  get confirmed () {
    return this.#edits.filter((_, at) => this.#isConfirmed(at)).length
  }

  #isConfirmed (at) {
    return at < this.#confirmed || this.#alone.has(at)
  }

  /** Makes one edit. */
  write () {
    const there = this.#edits.filter(({ put, taken }) => put && !taken)
    if (there.length > 0 && this.#random.below(TAKES) === 0) {
      const entry = this.#random.pick(there)
      entry.taken = true
      // It counts as made before the provider hears of it.
      this.#edits.push({ put: false, key: entry.key, clock: entry.clock })
      this.#map.delete(entry.key)
    } else {
      const key = String(this.#edits.length)
      this.#edits.push({ put: true, key, clock: Y.getState(this.#doc.store, this.#doc.clientID) })
      this.#map.set(key, this.#name)
    }
  }

  /** The client shows the first so many as confirmed. */
  confirm (edits) {
    this.#confirmed = Math.max(this.#confirmed, edits)
  }

  /** The client shows everything in this update as confirmed. */
  confirmUpdate (update) {
    const { structs, ds } = Y.decodeUpdate(update)
    const own = this.#doc.clientID
    const put = structs.filter(({ id }) => id.client === own).map(({ id, length }) => [id.clock, length])
    const taken = (ds.clients.get(own) ?? []).map(({ clock, len }) => [clock, len])
    const within = (ranges, at) => ranges.some(([clock, length]) => clock <= at && at < clock + length)
    this.#edits.forEach((edit, at) => {
      if (at >= this.#confirmed && within(edit.put ? put : taken, edit.clock)) this.#alone.add(at)
    })
  }

  /** Others have this now; what they had so many milliseconds ago is taken for confirmed by `settle`. */
  seenBy (doc) {
    const map = doc.getMap(this.#name)
    for (const edit of this.#edits) {
      if (edit.seen === undefined && map.has(edit.key) === edit.put) edit.seen = performance.now()
    }
  }

  /** What others had had for so long at this moment counts as confirmed. */
  settle (moment, settled) {
    this.#edits.forEach(({ seen }, at) => {
      if (seen + settled <= moment) this.#alone.add(at)
    })
  }

  /**
   * What a copy lacks of this writer's edits. What the server lost and was not confirmed counts as seen by nobody.
   *
   * @param {Y.Doc} doc of somebody who has only what the server has
   * @returns {{lost: string[], unconfirmed: number}} confirmed edits that are not there, and how many of the others
   */
  lacking (doc) {
    const map = doc.getMap(this.#name)
    const lacking = { lost: [], unconfirmed: 0 }
    this.#edits.forEach((edit, at) => {
      const { put, key, taken } = edit
      // An entry that was taken out is missing rightly, confirmed or not.
      if ((put && taken) || map.has(key) === put) return
      if (this.#isConfirmed(at)) lacking.lost.push(`${this.#name}: edit ${at} (${put ? 'put' : 'take'} ${key})`)
      else {
        lacking.unconfirmed++
        edit.seen = undefined
      }
    })
    return lacking
  }
}
