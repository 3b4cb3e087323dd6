/** Puts many calls into one per drawn frame: ten people who type change the page 300 times a second, not 60. */

/** A page in the background draws no frames: then the work is done after this time, in milliseconds. */
const AT_LATEST = 250

/** Returns a function that runs `work` once in the next frame, however often it is called until then. */
export function oncePerFrame(work: () => void): () => void {
  let frame: number | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  const run = (): void => {
    if (frame !== null) cancelAnimationFrame(frame)
    clearTimeout(timer)
    frame = null
    work()
  }
  return () => {
    if (frame !== null) return
    frame = requestAnimationFrame(run)
    timer = setTimeout(run, AT_LATEST)
  }
}
