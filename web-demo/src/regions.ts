/** The parts of the demo's document: which root types they are, and what they are called. Owns names only. */
import { scopeFrom, type BatonLock, type Path, type Scope } from 'baton-client'

export interface Region {
  /** In test ids. */
  readonly id: string
  /** Root type of the document. */
  readonly root: string
  readonly title: string
  readonly placeholder: string
}

export const REGIONS: readonly Region[] = [
  { id: 'summary', root: 'summary', title: 'Title & summary', placeholder: 'A title, and what it is about.' },
  { id: 'body', root: 'content', title: 'Body', placeholder: 'Nothing is written here yet. Markdown is welcome.' },
]

export const pathsOf = (region: Region): readonly Path[] => [[region.root]]

/** Parts of the other pages' documents. */
const OTHERS: Readonly<Record<string, string>> = { messages: 'the chat', ticks: 'the live data' }

/** Calls a root type by its title, never by its raw name: to people that says nothing. */
export function rootName(root: string): string {
  const region = REGIONS.find((one) => one.root === root)
  return region ? `“${region.title}”` : Object.hasOwn(OTHERS, root) ? (OTHERS[root] as string) : 'another part'
}

/** “Body”, or “Title & summary” and “Body”; `null` for the whole document. */
export function partName(scope: Scope): string | null {
  if (scope === null) return null
  return [...new Set(scope.map(([root]) => rootName(root as string)))].join(' and ')
}

/** What a lock is called in a sentence. */
export const lockName = (scope: Scope): string => (scope === null ? 'the lock' : `the lock on ${partName(scope) ?? ''}`)

/** Whether the grant that decides about a part covers more than that part. */
export const byTheWhole = (lock: BatonLock): boolean => lock.grantScope === null

/** The scope of a grant, or of one that waits. */
export const scopeIn = ({ paths }: { paths?: readonly Path[] }): Scope => scopeFrom(paths)
