/**
 * "May this page edit here, now?" for one root type or for the whole document: the rule of docs/protocol.md, as the
 * server applies it to each edit. Pure.
 */
import type { GrantView, Mode } from './channel.js'
import { reaches, rootsOf, type Scope } from './scope.js'

/** Why this page may or may not edit. */
export type EditReason =
  | 'connecting'
  /** Locks are advice in this document. */
  | 'open'
  | 'free'
  | 'free-offline'
  | 'holder'
  | 'unconfirmed'
  | 'offered'
  | 'releasing'
  /** The lock passes on: what is still to be sent is being sent. */
  | 'draining'
  | 'theirs'
  /** Only holders may edit in this document, and this page holds nothing here. */
  | 'required'
  /** This session has no right to edit. */
  | 'read-only'
  | 'diverged'
  /** The server has turned this client away, or the provider was destroyed. */
  | 'closed'

/** Whether this page may edit, and why. */
export interface EditRight {
  readonly mayEdit: boolean
  readonly why: EditReason
}

/** A grant of this session, as far as editing is concerned. */
export interface Hold {
  readonly scope: Scope
  /** `unconfirmed`: the server has not said for too long that it is still so. */
  readonly phase: 'held' | 'unconfirmed' | 'draining' | 'releasing'
}

/** What the answer depends on. */
export interface Situation {
  readonly mode: Mode
  readonly connected: boolean
  readonly holds: readonly Hold[]
  /** Offers to this session. */
  readonly offers: readonly Scope[]
  /** Grants of others. */
  readonly others: readonly (GrantView & { readonly scope: Scope })[]
}

const yes = (why: EditReason): EditRight => ({ mayEdit: true, why })
const no = (why: EditReason): EditRight => ({ mayEdit: false, why })

/** The phases of this session's grants: the first that one of them is in decides. */
const PHASES = ['held', 'unconfirmed', 'draining', 'releasing'] as const

/** The right to edit in all the roots of the scope; the first that refuses decides. */
export function rightIn(scope: Scope, situation: Situation): EditRight {
  const named = rootsOf(scope)
  const rights = (named ?? rootsOfAll(situation)).map((root) => rightUnder((one) => reaches(one, root), situation))
  // The whole document is also every root that nobody has named.
  if (named === null) rights.push(rightUnder((one) => one === null, situation))
  return rights.find((right) => !right.mayEdit) ?? rights.find(({ why }) => why !== 'holder') ?? yes('holder')
}

function rootsOfAll({ holds, offers, others }: Situation): string[] {
  const scopes = [...holds.map(({ scope }) => scope), ...offers, ...others.map(({ scope }) => scope)]
  return [...new Set(scopes.flatMap((scope) => rootsOf(scope) ?? []))]
}

/** The right to edit where the grants and offers apply whose scope is there. */
function rightUnder(isThere: (scope: Scope) => boolean, { mode, connected, holds, offers, others }: Situation): EditRight {
  if (mode === 'open') return yes('open')
  const own = PHASES.find((phase) => holds.some((hold) => hold.phase === phase && isThere(hold.scope)))
  if (own !== undefined) return own === 'held' ? yes('holder') : no(own)
  if (offers.some(isThere)) return no('offered')
  if (others.some(({ scope }) => isThere(scope))) return no('theirs')
  if (mode === 'required') return no('required')
  return yes(connected ? 'free' : 'free-offline')
}
