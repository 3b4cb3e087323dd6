/** Puts many calls into one per drawn frame: ten people who type change the page 300 times a second, not 60. */

/** A hidden page draws no frames; it is brought up to date this often, in milliseconds. */
const HIDDEN = 250

/** Returns a function that runs `work` once in the next frame, however often it is called until then. */
export function oncePerFrame(work: () => void): () => void {
  let waits = false
  const run = (): void => {
    waits = false
    work()
  }
  return () => {
    if (waits) return
    waits = true
    if (document.visibilityState === 'hidden') setTimeout(run, HIDDEN)
    else requestAnimationFrame(run)
  }
}
