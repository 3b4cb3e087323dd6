/**
 * Keeps the keyboard's place: when the control that has the focus is hidden, disabled or removed, a neighbour gets it.
 *
 * Without this the focus would fall to the body, and the next Tab would start at the top of the page. One observer
 * for the whole page, instead of a rule at each button: a button that is added later is covered as well. Owns the
 * memory of the last focused element and of its ancestors.
 */

import { oncePerFrame } from './frame-batch'

const CONTROLS = 'a[href], button, input, textarea, select, summary, [tabindex]'

/** Starts for the whole page. `home` gets the focus when no neighbour is left; it must be focusable. */
export function keepFocus(home: HTMLElement): void {
  let last: HTMLElement | null = null
  /** The ancestors of `last`, the nearest first: after a removal the element itself does not know them. */
  let around: HTMLElement[] = []
  let isPressed = false
  const changes: MutationRecord[] = []

  const look = (): void => {
    const seen = changes.splice(0)
    if (last === null || !isNowhere()) return
    const lost = last
    last = null
    // The page must not jump: the person has looked at this place, not at where the heir may be.
    heirOf(lost, around, seen, home).focus({ preventScroll: true })
  }
  // Once a frame: to ask whether something is visible costs a layout, and a text that is typed changes all the time.
  const soon = oncePerFrame(look)

  document.addEventListener('focusin', ({ target }) => {
    if (!(target instanceof HTMLElement)) return
    last = target
    around = ancestors(target)
  })
  document.addEventListener('focusout', ({ relatedTarget }) => {
    // A click on the page's ground lets the focus go: then there is nothing to keep.
    if (isPressed && relatedTarget === null) last = null
    else soon()
  })
  // The mouse's events: a touch makes them, too, and it is they that move the focus.
  document.addEventListener('mousedown', () => (isPressed = true), true)
  for (const end of ['mouseup', 'dragend', 'keydown']) document.addEventListener(end, () => (isPressed = false), true)
  new MutationObserver((more) => {
    changes.push(...more)
    soon()
  }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ['hidden', 'disabled', 'open'] })
}

/** The control itself, where it was gone for a moment only; or its neighbour, in the nearest ancestor that has one. */
function heirOf(lost: HTMLElement, around: readonly HTMLElement[], changes: readonly MutationRecord[], home: HTMLElement): HTMLElement {
  if (isUsable(lost)) return lost
  const mark = markOf(lost, changes)
  for (const ancestor of around) {
    const found = isUsable(ancestor) ? neighbour(ancestor, mark) : null
    if (found) return found
  }
  return home
}

function ancestors(element: HTMLElement): HTMLElement[] {
  const found: HTMLElement[] = []
  for (let one = element.parentElement; one !== null && one !== document.body; one = one.parentElement) found.push(one)
  return found
}

/** Whether no element of this page has the focus. A control that is hidden keeps it until the next frame. */
function isNowhere(): boolean {
  const active = document.activeElement
  return active === null || active === document.body || !(active instanceof HTMLElement) || !isUsable(active)
}

function isUsable(element: HTMLElement): boolean {
  return element.isConnected && element.checkVisibility() && !element.matches(':disabled')
}

/** Where the lost element is, or was: itself, or what stood beside the piece that was taken out with it. */
function markOf(lost: HTMLElement, changes: readonly MutationRecord[]): Node | null {
  if (lost.isConnected) return lost
  for (const { removedNodes, nextSibling, previousSibling } of changes) {
    if (![...removedNodes].some((node) => node.contains(lost))) continue
    return [nextSibling, previousSibling].find((node) => node?.isConnected) ?? null
  }
  return null
}

/** The control in `ancestor` that comes next after the mark, or else the nearest before it. */
function neighbour(ancestor: HTMLElement, mark: Node | null): HTMLElement | null {
  const controls = [...ancestor.querySelectorAll<HTMLElement>(CONTROLS)].filter((control) => isUsable(control) && isReachable(control))
  if (mark === null) return controls[0] ?? null
  const after = controls.find((control) => mark === control || mark.contains(control) || follows(control, mark))
  return after ?? controls.at(-1) ?? null
}

const follows = (one: Node, mark: Node): boolean => (mark.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0

/** Not the text itself: a phone would open its keyboard. Not the whole of the content either: that is the last resort. */
function isReachable(control: HTMLElement): boolean {
  return control.tabIndex >= 0 && !control.isContentEditable
}
