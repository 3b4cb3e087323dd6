/**
 * Cursors and selections of the others in one text, and this page's own in the awareness.
 *
 * In place of y-codemirror's plugin, for three reasons. That one writes colours from the awareness into style
 * attributes as they come. It computes all cursors anew at each message, so that ten people who type cost more than
 * the text itself. And a state that is malformed ends it. Here all that arrives within a frame is drawn once, and a
 * state that cannot be understood shows no cursor.
 */
import { StateEffect, type Extension, type Range } from '@codemirror/state'
import { Decoration, ViewPlugin, WidgetType, type DecorationSet, type EditorView, type PluginValue, type ViewUpdate } from '@codemirror/view'
import { textSync } from 'baton-client/codemirror'
import * as Y from 'yjs'
import type { Awareness } from 'y-protocols/awareness'
import { oncePerFrame } from '../frame-batch'
import { cleanName, colorOf } from '../words'

/** Cursors that are drawn; further ones are left out. */
const MOST = 64

/** A cursor of somebody else, with only what is fit to be drawn. */
interface Cursor {
  readonly name: string
  readonly color: string
  readonly anchor: number
  readonly head: number
}

const redraw = StateEffect.define<null>()

/** Shows the others' cursors in `text`, and tells them this page's. */
export function remoteCursors(text: Y.Text, awareness: Awareness): Extension {
  return ViewPlugin.define((view) => new Cursors(view, text, awareness), { decorations: (cursors) => cursors.decorations })
}

class Cursors implements PluginValue {
  decorations: DecorationSet = Decoration.none
  private alive = true

  constructor(
    private readonly view: EditorView,
    private readonly text: Y.Text,
    private readonly awareness: Awareness,
  ) {
    awareness.on('change', this.onChange)
    this.decorations = this.drawn()
    this.place()
  }

  update(update: ViewUpdate): void {
    const fresh = update.transactions.some((transaction) => transaction.effects.some((effect) => effect.is(redraw)))
    if (fresh) this.decorations = this.drawn()
    else if (update.docChanged) {
      // Near enough until the next frame, and it costs nothing.
      this.decorations = this.decorations.map(update.changes)
      if (this.decorations.size > 0) this.soon()
    }
    if (update.selectionSet || update.docChanged || update.focusChanged) this.tell()
    if (this.decorations.size > 0 && (fresh || update.docChanged || update.geometryChanged)) this.place()
  }

  destroy(): void {
    this.alive = false
    this.awareness.off('change', this.onChange)
  }

  private readonly onChange = ({ added, updated, removed }: { added: number[]; updated: number[]; removed: number[] }): void => {
    if ([...added, ...updated, ...removed].some((client) => client !== this.awareness.clientID)) this.soon()
  }

  private readonly soon = oncePerFrame(() => {
    if (this.alive) this.view.dispatch({ effects: redraw.of(null) })
  })

  /** Says where this page's own cursor is, while it is in this text. */
  private readonly tell = oncePerFrame(() => {
    const { view, text, awareness } = this
    const state = awareness.getLocalState()
    if (!this.alive || state === null || !view.hasFocus) return
    const { main } = view.state.selection
    // Text under composition is in this page only.
    const held = view.plugin(textSync)?.held?.invertedDesc
    const [anchor, head] = [main.anchor, main.head].map((at) => held?.mapPos(at) ?? at) as [number, number]
    if (Math.max(anchor, head) > text.length) return
    const cursor = { anchor: Y.createRelativePositionFromTypeIndex(text, anchor), head: Y.createRelativePositionFromTypeIndex(text, head) }
    const told = state.cursor as { anchor: unknown; head: unknown } | null | undefined
    if (told && isSame(told.anchor, cursor.anchor) && isSame(told.head, cursor.head)) return
    awareness.setLocalStateField('cursor', cursor)
  })

  private drawn(): DecorationSet {
    const ranges = [...this.others()].flatMap(({ name, color, anchor, head }): Range<Decoration>[] => {
      const caret = Decoration.widget({ widget: new Caret(name, color), side: head > anchor ? -1 : 1 }).range(head)
      if (anchor === head) return [caret]
      // CodeMirror sets this through the object model, and the colour is a plain one.
      const mark = Decoration.mark({ class: 'remote-selection', attributes: { style: `--who: ${color}` } })
      return [mark.range(Math.min(anchor, head), Math.max(anchor, head)), caret]
    })
    return Decoration.set(ranges, true)
  }

  private *others(): Generator<Cursor> {
    let left = MOST
    for (const [client, state] of this.awareness.getStates()) {
      const cursor = client === this.awareness.clientID ? null : this.read(state)
      if (cursor === null) continue
      yield cursor
      left -= 1
      if (left === 0) return
    }
  }

  /** Reads what somebody wrote into the awareness: it may be anything. */
  private read(state: Record<string, unknown>): Cursor | null {
    try {
      const { cursor, user } = state as { cursor?: { anchor?: unknown; head?: unknown } | null; user?: { name?: unknown; color?: unknown } | null }
      if (cursor?.anchor == null || cursor.head == null) return null
      const anchor = this.index(cursor.anchor)
      const head = this.index(cursor.head)
      if (anchor === null || head === null) return null
      const { name, color } = user ?? {}
      return {
        name: cleanName(name) || 'Guest',
        color: colorOf(color),
        anchor,
        head,
      }
    } catch {
      return null
    }
  }

  private index(position: unknown): number | null {
    const { text } = this
    const found = text.doc && Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(position), text.doc)
    if (!found || found.type !== text) return null
    const held = this.view.plugin(textSync)?.held
    // The editor may be a transaction behind the text.
    return Math.min(held && found.index <= held.length ? held.mapPos(found.index, 1) : found.index, this.view.state.doc.length)
  }

  /** Puts each name where it is not cut off: below on the first line in sight, to the left at the right edge. */
  private place(): void {
    this.view.requestMeasure({
      key: this,
      read: (view) => {
        const frame = view.scrollDOM.getBoundingClientRect()
        return [...view.contentDOM.querySelectorAll<HTMLElement>('.remote-caret')].map((caret) => {
          const name = caret.lastElementChild as HTMLElement
          const { left, top } = caret.getBoundingClientRect()
          return { caret, below: top - name.offsetHeight < frame.top, left: left + name.offsetWidth > frame.left + view.scrollDOM.clientWidth }
        })
      },
      write: (places) => {
        for (const { caret, below, left } of places) {
          caret.classList.toggle('below', below)
          caret.classList.toggle('left', left)
        }
      },
    })
  }
}

function isSame(told: unknown, now: Y.RelativePosition): boolean {
  return told != null && Y.compareRelativePositions(Y.createRelativePositionFromJSON(told), now)
}

class Caret extends WidgetType {
  constructor(
    private readonly name: string,
    private readonly color: string,
  ) {
    super()
  }

  override eq(other: Caret): boolean {
    return other.name === this.name && other.color === this.color
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement('span')
    caret.className = 'remote-caret'
    caret.style.setProperty('--who', this.color)
    // The roster says who is here: names in the middle of words would be read as text.
    caret.ariaHidden = 'true'
    const name = document.createElement('span')
    name.className = 'remote-name'
    name.textContent = this.name
    // A word joiner gives the caret the height of the line, and lets no line break there.
    caret.append('\u2060', name)
    return caret
  }

  override ignoreEvent(): boolean {
    return true
  }
}
