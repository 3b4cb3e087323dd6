/**
 * Carets and selections of the others in Monaco, and this page's own for them.
 *
 * Owns the field `selection` of this page's awareness state, in the form of y-monaco, its decorations of the editor, and
 * a style sheet with a rule for each client, since Monaco takes class names alone: `yRemoteSelection-CLIENT` and
 * `yRemoteSelectionHead-CLIENT`, as y-monaco has them. The sheet belongs to the object model: a policy against inline styles
 * allows it, and no colour or name of another can end its rule.
 */
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'

interface Position {
  readonly lineNumber: number
  readonly column: number
}

interface Range {
  readonly startLineNumber: number
  readonly startColumn: number
  readonly endLineNumber: number
  readonly endColumn: number
}

interface Disposable {
  dispose(): void
}

/** The part of Monaco's editor that is used. */
export interface CursorEditorLike {
  hasTextFocus(): boolean
  getSelection(): { getSelectionStart(): Position; getPosition(): Position } | null
  createDecorationsCollection(): { set(decorations: { range: Range; options: Record<string, unknown> }[]): unknown; clear(): void }
  onDidChangeCursorSelection(listener: () => void): Disposable
  onDidFocusEditorText(listener: () => void): Disposable
  onDidBlurEditorText(listener: () => void): Disposable
}

/** The part of Monaco's text model that is used. */
export interface CursorModelLike {
  getPositionAt(offset: number): Position
  getOffsetAt(position: Position): number
}

/** An awareness state, as far as it is as it should be. */
interface Peer {
  readonly user?: { readonly name?: unknown; readonly color?: unknown }
  readonly selection?: { readonly anchor?: unknown; readonly head?: unknown } | null
}

/** In all rules of the sheet; the rest of a rule is of one client. */
const HEAD = 'position:absolute;box-sizing:border-box;height:100%;border-left:2px solid;pointer-events:none'
const NAME = 'position:absolute;left:-2px;bottom:100%;padding:0 3px;font:11px/1.3 system-ui,sans-serif;white-space:nowrap;color:#fff'

export class MonacoCursors {
  readonly #text: Y.Text
  readonly #editor: CursorEditorLike
  readonly #model: CursorModelLike
  readonly #awareness: Awareness
  readonly #decorations: ReturnType<CursorEditorLike['createDecorationsCollection']>
  readonly #sheet = new CSSStyleSheet()
  readonly #root: DocumentOrShadowRoot
  readonly #listening: readonly Disposable[]
  /** Rules of these clients, by the look that they give. */
  #looks = ''

  /** @param element in the document, or the shadow root, that the editor is in */
  constructor(text: Y.Text, editor: CursorEditorLike, model: CursorModelLike, awareness: Awareness, element: HTMLElement) {
    this.#text = text
    this.#editor = editor
    this.#model = model
    this.#awareness = awareness
    this.#decorations = editor.createDecorationsCollection()
    this.#root = element.getRootNode() as Document | ShadowRoot
    this.#root.adoptedStyleSheets = [...this.#root.adoptedStyleSheets, this.#sheet]
    this.#listening = [editor.onDidChangeCursorSelection(this.#tell), editor.onDidFocusEditorText(this.#tell), editor.onDidBlurEditorText(this.#tell)]
    awareness.on('change', this.draw)
    this.draw()
  }

  /** Tells the others; nobody's caret is in an editor without the focus. */
  readonly #tell = (): void => {
    const selection = this.#editor.hasTextFocus() ? this.#editor.getSelection() : null
    if (!selection && !(this.#awareness.getLocalState() as Peer | null)?.selection) return
    const at = (position: Position): Y.RelativePosition => Y.createRelativePositionFromTypeIndex(this.#text, this.#model.getOffsetAt(position))
    this.#awareness.setLocalStateField('selection', selection && { anchor: at(selection.getSelectionStart()), head: at(selection.getPosition()) })
  }

  /** Draws all of the others; after each change of the text, too, since a caret may come before the text that it is in. */
  readonly draw = (): void => {
    const all: { range: Range; options: Record<string, unknown> }[] = []
    const looks: [client: number, name: string, color: string][] = []
    for (const [client, { user, selection }] of this.#awareness.getStates() as Map<number, Peer>) {
      if (client === this.#awareness.clientID || !selection) continue
      const [anchor, head] = [this.#place(selection.anchor), this.#place(selection.head)]
      if (anchor === null || head === null) continue
      const [start, end] = [this.#model.getPositionAt(Math.min(anchor, head)), this.#model.getPositionAt(Math.max(anchor, head))]
      const caret = `yRemoteSelectionHead yRemoteSelectionHead-${client}`
      all.push({
        range: { startLineNumber: start.lineNumber, startColumn: start.column, endLineNumber: end.lineNumber, endColumn: end.column },
        options: {
          className: `yRemoteSelection yRemoteSelection-${client}`,
          [head < anchor ? 'beforeContentClassName' : 'afterContentClassName']: caret,
        },
      })
      looks.push([client, String(user?.name ?? ''), String(user?.color ?? '')])
    }
    this.#style(looks)
    this.#decorations.set(all)
  }

  /** Where a position of the others is in this text; `null` where it is in none, or in one that is still to come. */
  #place(json: unknown): number | null {
    if (typeof json !== 'object' || json === null || !this.#text.doc) return null
    const at = Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(json), this.#text.doc)
    return at?.type === this.#text ? at.index : null
  }

  #style(looks: readonly [client: number, name: string, color: string][]): void {
    const now = JSON.stringify(looks)
    if (now === this.#looks) return
    this.#looks = now
    while (this.#sheet.cssRules.length > 0) this.#sheet.deleteRule(0)
    for (const [client, name, color] of looks) {
      this.#rule(`.yRemoteSelection-${client}{background-color:orange;opacity:.3}`, { 'background-color': color })
      this.#rule(`.yRemoteSelectionHead-${client}{${HEAD}}`, { color })
      if (name) this.#rule(`.yRemoteSelectionHead-${client}::after{${NAME};background:orange}`, { content: `"${CSS.escape(name)}"`, background: color })
    }
  }

  #rule(words: string, more: Record<string, string>): void {
    const { style } = this.#sheet.cssRules[this.#sheet.insertRule(words)] as CSSStyleRule
    for (const [name, value] of Object.entries(more)) style.setProperty(name, value)
  }

  destroy(): void {
    this.#awareness.off('change', this.draw)
    for (const one of this.#listening) one.dispose()
    this.#decorations.clear()
    this.#root.adoptedStyleSheets = this.#root.adoptedStyleSheets.filter((one) => one !== this.#sheet)
    if ((this.#awareness.getLocalState() as Peer | null)?.selection) this.#awareness.setLocalStateField('selection', null)
  }
}
