/** Names of documents that a browser can ask for. Pure. */

/** The longest name, in bytes of UTF-8. */
const LONGEST = 1024

/**
 * Explains a name that a browser cannot open; `null` for any other. Browsers take `.` and `..`
 * between slashes for steps in a folder, however they are written, and would ask for another
 * document.
 */
export function nameProblem(name: string): string | null {
  const step = name.split('/').find((part) => part === '.' || part === '..')
  if (step !== undefined) {
    const is = name === step ? `“${name}” cannot be the name of a document` : `“${name}” cannot be the name of a document: it has “${step}” between slashes`
    return `${is}. A browser takes that for a step to another folder and would open something else.`
  }
  if (/\p{Cc}/u.test(name)) return 'The name of a document has no line breaks, tabs or other control characters.'
  if (new TextEncoder().encode(name).length > LONGEST) return `The name of a document has at most ${LONGEST} bytes: this one is longer.`
  return null
}

/** A name near it that can be opened. */
export function nearName(name: string, fallback: string): string {
  const parts = name.replaceAll(/\p{Cc}+/gu, ' ').split('/').filter((part) => part.trim() !== '' && part !== '.' && part !== '..')
  const near = parts.join('/').trim().slice(0, 200)
  return near === '' ? fallback : near
}
