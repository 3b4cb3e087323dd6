/**
 * What one lock covers: the whole document, or a set of paths. Pure: no state, no messages.
 *
 * A path is a list of non-empty strings, its first the name of a root type of the Yjs document. Two paths conflict when
 * one is a prefix of the other; the whole document conflicts with everything.
 */

/** Root type first: `['content']`, `['board', 'card-7']`. */
export type Path = readonly string[]

/** The whole document (`null`), or paths in canonical order: sorted, none twice, none under another. */
export type Scope = readonly Path[] | null

/** The whole document. */
export const WHOLE: Scope = null

/** Limits of docs/protocol.md on a scope. */
const MAX_PATHS = 16
const MAX_SEGMENTS = 8
const MAX_SEGMENT_BYTES = 256

/** Bytes of a text in UTF-8, by which the protocol limits texts. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length
}

/**
 * The canonical scope of these paths; none given is the whole document. An empty list, or an empty path in it, is a mistake
 * of the caller's and not the whole document.
 *
 * @throws RangeError when there are more, longer or emptier ones than the protocol allows
 */
export function scopeOf(paths?: readonly Path[] | null): Scope {
  if (paths == null) return WHOLE
  for (const path of paths) {
    checkSize('segments of a path', path.length, MAX_SEGMENTS)
    for (const segment of path) checkSize('bytes of a segment', byteLength(segment), MAX_SEGMENT_BYTES)
  }
  const outer = paths.filter((path, i) => !paths.some((other, j) => i !== j && isPrefix(other, path) && (other.length < path.length || j < i)))
  checkSize('paths of a scope', outer.length, MAX_PATHS)
  // Text by text, so that every page has the same order; copies, since the caller may change the paths.
  return outer.map((path) => JSON.stringify(path)).sort().map((path) => JSON.parse(path) as Path)
}

function checkSize(what: string, size: number, most: number): void {
  if (size < 1 || size > most) throw new RangeError(`${what}: at least 1 and at most ${most}, not ${size}`)
}

/** The scope that a message of the server names; the server has checked it. */
export function scopeFrom(paths: readonly Path[] | null | undefined): Scope {
  return paths?.length && paths.every((path) => path.length > 0) ? paths : WHOLE
}

/** How a message to the server names it. */
export function toWire(scope: Scope): { paths?: readonly Path[] } {
  return scope === null ? {} : { paths: scope }
}

/** Names the scope; two scopes are equal exactly when their names are. */
export function keyOf(scope: Scope): string {
  return JSON.stringify(scope)
}

/** Whether two grants of these scopes cannot be held by two sessions at once. */
export function conflict(a: Scope, b: Scope): boolean {
  if (a === null || b === null) return true
  return a.some((one) => b.some((other) => isPrefix(one, other) || isPrefix(other, one)))
}

/** Whether everything in `inner` is covered by one of these scopes or another. */
export function covers(scopes: readonly Scope[], inner: Scope): boolean {
  if (scopes.some((scope) => scope === null)) return true
  if (inner === null) return false
  return inner.every((path) => scopes.some((scope) => scope?.some((outer) => isPrefix(outer, path))))
}

/** Whether a grant of this scope lies in, over or under that root type. */
export function reaches(scope: Scope, root: string): boolean {
  return scope === null || scope.some(([first]) => first === root)
}

/** The root types that the scope lies in; `null` for all of them. */
export function rootsOf(scope: Scope): readonly string[] | null {
  return scope === null ? null : [...new Set(scope.map(([first]) => first as string))]
}

function isPrefix(outer: Path, inner: Path): boolean {
  return outer.length <= inner.length && outer.every((segment, i) => segment === inner[i])
}
