/** The name of the root type that a shared type lies in. Pure. */
import { findRootTypeKey, type AbstractType } from 'yjs'

/** A type of Yjs, of any kind. */
export type SharedType = Pick<AbstractType<unknown>, '_item'>

/** Locks are of root types: one deeper in the document is covered by the lock of its root. */
export function rootOf(type: SharedType): string {
  let root = type
  while (root._item !== null) root = root._item.parent as AbstractType<unknown>
  return findRootTypeKey(root as AbstractType<unknown>)
}
