/** How long nobody has touched this page, for the answers to beats. Owns three passive listeners, and nothing else. */

const TOUCHES = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const

let last = performance.now()
let watching = false

/** Starts to watch; does nothing outside a page, and nothing the second time. */
export function watchActivity(): void {
  if (watching || typeof document === 'undefined') return
  watching = true
  last = performance.now()
  for (const type of TOUCHES) addEventListener(type, () => (last = performance.now()), { passive: true, capture: true })
}

/** Whole milliseconds since the last touch. */
export function idleFor(): number {
  return Math.max(0, Math.round(performance.now() - last))
}

/** Whether a person could see the page; a program without a page counts as seen. */
export function isVisible(): boolean {
  return typeof document === 'undefined' || document.visibilityState === 'visible'
}
