/**
 * Between the text of a CodeMirror editor and the shared text: what is typed goes there at once, what others write comes
 * here.
 *
 * An input method changes its text many times before a word is finished. That text stays in this editor until then: so a
 * composition enters the shared text whole, or, when the right to edit ends first, is taken back whole. So is a change
 * that came past the editor's filters while nothing may be written. Owns the changes that are held back; the guard says
 * what may be changed at all.
 */
import { ChangeSet, Facet, type ChangeDesc, type Text } from '@codemirror/state'
import { ViewPlugin, type EditorView, type PluginValue, type ViewUpdate } from '@codemirror/view'
import { ySyncAnnotation, ySyncFacet, type YSyncConfig } from 'y-codemirror.next'
import type * as Y from 'yjs'
import type { EditGuard } from './guard.js'
import { giveUp } from './input.js'

/** After a composition the browser may still tell of its last change for this long, in milliseconds. */
const SETTLE = 60

export const guardFacet: Facet<EditGuard, EditGuard> = Facet.define({ combine: (given) => given[0] as EditGuard })

export class TextSync implements PluginValue {
  readonly #view: EditorView
  readonly #guard: EditGuard
  readonly #conf: YSyncConfig
  readonly #text: Y.Text
  /** From the shared text to the editor's, while a composition goes on. */
  #held: ChangeSet | null = null
  #settling: ReturnType<typeof setTimeout> | undefined
  #isComposing = false
  #isTakingBack = false
  #isWriting = false

  constructor(view: EditorView) {
    this.#view = view
    this.#guard = view.state.facet(guardFacet)
    this.#conf = view.state.facet(ySyncFacet)
    this.#text = this.#conf.ytext
    this.#text.observe(this.#received)
  }

  /** The held changes, to map positions: from the shared text to the editor's. */
  get held(): ChangeDesc | null {
    return this.#held
  }

  /** True while a change is on its way to the shared text: the view takes no other one then. */
  get isWriting(): boolean {
    return this.#isWriting
  }

  update(update: ViewUpdate): void {
    for (const one of update.transactions) {
      if (!one.docChanged || one.annotation(ySyncAnnotation) !== undefined) continue
      const changes = this.#held ? this.#held.compose(one.changes) : one.changes
      if (this.#isComposing) this.#held = changes
      else if (this.#guard.mayEdit) this.#write(changes)
      else {
        // No filter was asked about it. An update of the view cannot be followed by another within it.
        this.#held = changes
        queueMicrotask(() => this.takeBack())
      }
    }
  }

  /** A composition begins: what an earlier one left is settled. */
  begins(): void {
    this.#settle()
    this.#isComposing = true
  }

  /** It is over; its last change may still come. */
  ends(): void {
    clearTimeout(this.#settling)
    if (this.#isComposing) this.#settling = setTimeout(() => this.#settle(), SETTLE)
  }

  /** Plain input arrived: a composition is over, although the browser did not say so. */
  plain(): void {
    if (this.#isComposing) this.#settle()
  }

  #settle(): void {
    clearTimeout(this.#settling)
    this.#isComposing = false
    if (!this.#held) return
    if (this.#guard.mayEdit) this.#write(this.#held)
    else this.takeBack()
  }

  #write(changes: ChangeSet): void {
    this.#held = null
    clearTimeout(this.#settling)
    this.#isWriting = true
    try {
      this.#text.doc?.transact(() => this.#apply(changes), this.#conf)
    } finally {
      this.#isWriting = false
    }
  }

  #apply(changes: ChangeSet): void {
    let moved = 0
    changes.iterChanges((fromA, toA, _fromB, _toB, inserted: Text) => {
      const words = inserted.sliceString(0, inserted.length, '\n')
      if (toA > fromA) this.#text.delete(fromA + moved, toA - fromA)
      if (words.length > 0) this.#text.insert(fromA + moved, words)
      moved += words.length - (toA - fromA)
    })
  }

  /** The right to edit is gone: nothing that is held stays. Call it outside of an update. */
  takeBack(): void {
    if (!this.#held || this.#isTakingBack) return
    this.#isTakingBack = true
    try {
      // Its last change is refused: the right is gone.
      if (this.#isComposing) giveUp(this.#view.contentDOM)
      this.#isComposing = false
      const held = this.#held
      this.#held = null
      clearTimeout(this.#settling)
      if (held.empty) return
      const shared = this.#text.toString()
      this.#view.dispatch({ changes: held.invert(this.#view.state.toText(shared)), annotations: ySyncAnnotation.of(this.#conf) })
      let words = ''
      held.iterChanges((_fromA, _toA, _fromB, _toB, inserted) => (words += inserted.toString()))
      this.#guard.refuse(words, true)
    } finally {
      this.#isTakingBack = false
    }
  }

  readonly #received = (event: Y.YTextEvent, transaction: Y.Transaction): void => {
    if (transaction.origin === this.#conf) return
    const changes: { from: number; to?: number; insert?: string }[] = []
    let at = 0
    for (const { insert, delete: gone, retain } of event.delta) {
      if (typeof insert === 'string') changes.push({ from: at, insert })
      else if (gone !== undefined) {
        changes.push({ from: at, to: at + gone })
        at += gone
      } else at += retain ?? 0
    }
    let theirs = ChangeSet.of(changes, this.#held?.length ?? this.#view.state.doc.length)
    if (this.#held) {
      const held = this.#held
      // At one place, the composition stays where it is, and theirs comes behind it.
      this.#held = held.map(theirs, true)
      theirs = theirs.map(held)
    }
    this.#view.dispatch({ changes: theirs, annotations: ySyncAnnotation.of(this.#conf) })
  }

  destroy(): void {
    clearTimeout(this.#settling)
    this.#text.unobserve(this.#received)
  }
}

/** For plugins that show places of the shared text: `view.plugin(textSync)?.held`. */
export const textSync: ViewPlugin<TextSync> = ViewPlugin.fromClass(TextSync, {
  eventHandlers: {
    compositionstart() {
      this.begins()
    },
    compositionend() {
      this.ends()
    },
    beforeinput(event) {
      if (!event.isComposing && event.inputType !== 'insertCompositionText') this.plain()
    },
  },
})
