/**
 * A small box at the caret that says why a key did nothing. A live region: assistive technology reads it out.
 *
 * Owns its element, which stands over the page and moves nothing, and the refused text that it quotes. Looks: class
 * `baton-cue`, and `--baton-cue-background`, `--baton-cue-color`. Styles are set through the object model, which a
 * policy against inline styles allows.
 */
import { refusalWords, type Refusal } from './refusal.js'

/** The box stays this long after the last refusal, in milliseconds. */
const STAYS = 6000

/** Distance from the line and from the window's edges, in pixels. */
const GAP = 6

/** A rectangle of the window, in pixels. */
export type Box = Pick<DOMRect, 'left' | 'top' | 'bottom'>

/**
 * Puts a box with `position: fixed` at a caret: under its line, or over it where there is no room.
 *
 * @param caret where it is, if it can be seen
 * @param frame what the text is seen through; without a caret, its upper left corner is taken
 */
export function placeAtCaret(element: HTMLElement, caret: Box | null, frame: Box): void {
  const box = element.getBoundingClientRect()
  const within = (at: number): number => Math.min(Math.max(at, frame.top), frame.bottom)
  const low = within(caret?.bottom ?? frame.top)
  const high = within(caret?.top ?? frame.top)
  const below = low + GAP + box.height <= innerHeight - GAP
  const top = below ? low + GAP : Math.max(GAP, high - GAP - box.height)
  const left = Math.max(GAP, Math.min((caret?.left ?? frame.left) - 20, document.documentElement.clientWidth - box.width - GAP))
  element.style.setProperty('top', `${Math.round(top)}px`)
  element.style.setProperty('left', `${Math.round(left)}px`)
}

/** The caret in this element, as the browser's selection has it. */
export function selectionBox(element: HTMLElement): Box | null {
  const selection = element.ownerDocument.getSelection()
  const node = selection?.focusNode
  if (!selection || !node || !element.contains(node)) return null
  const range = element.ownerDocument.createRange()
  range.setStart(node, selection.focusOffset)
  const [rect] = range.getClientRects()
  // An empty line has no rectangle of its own.
  const line = node instanceof HTMLElement ? node : node.parentElement
  return rect ?? (line === element ? null : (line?.getBoundingClientRect() ?? null))
}

export class Cue {
  readonly #element: HTMLElement
  #text = ''
  #stay: ReturnType<typeof setTimeout> | undefined

  /** @param words makes the sentence of a refusal */
  constructor(private readonly words: (refusal: Refusal) => string = refusalWords) {
    const element = document.createElement('div')
    element.className = 'baton-cue'
    element.setAttribute('role', 'status')
    const style = {
      position: 'fixed',
      'z-index': '2147483000',
      'max-width': '30em',
      padding: '4px 8px',
      'border-radius': '4px',
      font: '13px/1.4 system-ui, sans-serif',
      background: 'var(--baton-cue-background, rgb(31 41 55))',
      color: 'var(--baton-cue-color, white)',
      'pointer-events': 'none',
    }
    for (const [name, value] of Object.entries(style)) element.style.setProperty(name, value)
    this.#element = element
    this.close()
    document.body.append(element)
  }

  /** Says it, together with what was refused while the box stood there. */
  show(refusal: Refusal, place: () => { caret: Box | null; frame: Box }): void {
    const text = refusal.text === null ? this.#text : this.#text + refusal.text
    this.#text = text
    this.#element.textContent = this.words({ ...refusal, text: text === '' ? null : text })
    this.#element.dataset['why'] = refusal.why
    this.#element.style.setProperty('visibility', 'visible')
    clearTimeout(this.#stay)
    this.#stay = setTimeout(() => this.close(), STAYS)
    // A refusal may come inside an update of the editor, which tells no places then.
    requestAnimationFrame(() => {
      const { caret, frame } = place()
      placeAtCaret(this.#element, caret, frame)
    })
  }

  close(): void {
    clearTimeout(this.#stay)
    this.#text = ''
    this.#element.textContent = ''
    this.#element.style.setProperty('visibility', 'hidden')
  }

  destroy(): void {
    clearTimeout(this.#stay)
    this.#element.remove()
  }
}
