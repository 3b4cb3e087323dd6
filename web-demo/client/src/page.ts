/**
 * The page around a provider: leaving, coming back, being shown, being online again.
 *
 * Owns the listeners; does nothing outside a browser.
 */

export interface PageEvents {
  /** The page is left: it may be closing, reloading, or going into the browser's cache of whole pages. */
  hidden(): void
  /** The page came back from that cache. */
  restored(): void
  /** An attempt to connect would now have better chances. */
  awake(): void
}

/** Starts to listen; the function returned stops it. */
export function watchPage(events: PageEvents): () => void {
  if (typeof window === 'undefined' || typeof document === 'undefined') return () => {}
  const hide = (): void => events.hidden()
  const show = (event: PageTransitionEvent): void => {
    if (event.persisted) events.restored()
  }
  const awake = (): void => {
    if (document.visibilityState === 'visible') events.awake()
  }
  window.addEventListener('pagehide', hide)
  window.addEventListener('pageshow', show)
  window.addEventListener('online', awake)
  document.addEventListener('visibilitychange', awake)
  return () => {
    window.removeEventListener('pagehide', hide)
    window.removeEventListener('pageshow', show)
    window.removeEventListener('online', awake)
    document.removeEventListener('visibilitychange', awake)
  }
}
