/** A change that an editor did not take: what is told of it, and its words. Pure. */
import type { Peer } from '../channel.js'
import type { EditReason } from '../rights.js'

/** One change that was refused. Nothing of it is in the document. */
export interface Refusal {
  /** Why nothing may be written there. */
  readonly why: EditReason
  /** Who holds the lock or a part of it, or is offered that. */
  readonly peer: Peer | null
  /** What would have been added; `null` where it was no text, or cannot be known. */
  readonly text: string | null
  /** It had been shown in this editor, and was taken out again. */
  readonly takenBack: boolean
}

/** UTF-16 units of refused text that the sentence quotes. */
const QUOTED = 60

/** An English sentence for a refusal, or two. */
export function refusalWords({ why, peer, text }: Refusal): string {
  const reason = reasonWords(why, peer?.user.name.trim() || 'Somebody')
  if (text === null || text.trim() === '') return reason
  const quoted = text.length > QUOTED ? `…${text.slice(-QUOTED)}` : text
  return `${reason} “${quoted.trim()}” was not added.`
}

function reasonWords(why: EditReason, name: string): string {
  switch (why) {
    case 'theirs':
      return `${name} is writing here.`
    case 'offered':
      return 'The lock is on its way to you.'
    case 'draining':
    case 'releasing':
      return 'The lock is passing on.'
    case 'required':
      return 'Take the lock to write here.'
    case 'unconfirmed':
      return 'The server has not confirmed your lock for too long.'
    case 'connecting':
      return 'There is no connection yet.'
    case 'read-only':
      return 'You may only read this.'
    default:
      return 'This copy can no longer be edited.'
  }
}
