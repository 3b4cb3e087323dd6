/** Turns what the client tells into lines of the event list. Owns the words for it and the memory of the last locks. */
import { closeWords, type BatonProvider, type GrantView, type Mode, type ParkView, type Peer } from '@baton/client'
import { lockName, partName, scopeIn } from '../regions'
import { count, nameOf } from '../words'
import type { EventLog } from './events'

/** Starts to write; ends with the provider. */
export function narrate(provider: BatonProvider, log: EventLog): void {
  connection(provider, log)
  people(provider, log)
  lockOfOthers(provider, log)
  lockOfMine(provider, log)
  parks(provider, log)
}

function connection(provider: BatonProvider, log: EventLog): void {
  let failing = false
  provider.on('welcome', ({ session, resumed }) => {
    failing = false
    log.add(resumed ? `Connected; session ${session} goes on` : `Connected as session ${session}`, 'good')
  })
  provider.on('connection-close', ({ code, reason }) => {
    if (provider.shouldConnect) log.add(`Connection lost: ${reason || closeWords(code)}`, 'bad')
  })
  provider.on('connection-error', () => {
    // One line for a run of failed attempts, not one for each.
    if (!failing) log.add('The server cannot be reached; trying again', 'bad')
    failing = true
  })
  provider.on('refused', ({ reason }) => log.add(`Turned away for good: ${reason}`, 'bad'))
  provider.on('channel-error', ({ message }) => log.add(`The server complains: ${message}`, 'bad'))
}

const COMINGS: Record<Peer['state'], string> = {
  online: 'is back',
  shaky: 'missed a heartbeat',
  offline: 'is offline',
  gone: 'left',
}

function people(provider: BatonProvider, log: EventLog): void {
  provider.on('roster', (_, change) => {
    if (change === null) return
    const { peer, before } = change
    const who = peer.session === provider.session ? null : nameOf(peer)
    if (before === null) {
      if (who && peer.state !== 'gone') log.add(`${who} joined`)
    } else if (before.state !== peer.state) {
      log.add(who ? `${who} ${COMINGS[peer.state]}` : `The server sees you as ${peer.state}`, peer.state === 'online' ? 'good' : 'plain')
    } else if (before.user.name !== peer.user.name && who) {
      log.add(`${nameOf(before)} is now ${who}`)
    }
  })
}

function lockOfOthers(provider: BatonProvider, log: EventLog): void {
  /** By the fence of the grant. */
  let before: Map<string, GrantView> | null = null
  provider.on('lock', () => {
    const grants = provider.locks?.grants
    if (!grants) return
    const last = before
    const present = new Map(grants.map((grant) => [`${grant.fence.epoch}.${grant.fence.position}`, grant]))
    before = present
    for (const [fence, grant] of present) {
      const known = last?.get(fence)
      const words = grant.session === provider.session || known?.state === grant.state ? null : news(provider, grant, known)
      if (words !== null) log.add(words)
    }
    // The first sight of a free lock is no news.
    if (last !== null && last.size > 0 && present.size === 0) log.add('The lock is free')
  })
}

function news(provider: BatonProvider, grant: GrantView, before: GrantView | undefined): string {
  const who = nameOf(provider.roster.get(grant.session))
  const part = partName(scopeIn(grant))
  const what = part ?? 'the lock'
  switch (grant.state) {
    case 'offered':
      return part === null ? `The lock is offered to ${who}` : `${part} is offered to ${who}`
    case 'suspect':
      return `${who} has ${what} and lost the connection; a few seconds to come back`
    case 'recovering':
      return `The server started again and waits for ${who}, who had ${what}`
    case 'draining':
      return grant.to === undefined ? `${who} is handing ${what} over` : `${who} is handing ${what} to ${grant.to === provider.session ? 'you' : nameOf(provider.roster.get(grant.to))}`
    case 'held':
      return before?.state === 'suspect' ? `${who} came back and kept ${what}` : `${who} has ${what}`
  }
}

function lockOfMine(provider: BatonProvider, log: EventLog): void {
  provider.on('lock-granted', ({ scope, kept }) => log.add(kept ? `You kept ${lockName(scope)}` : `You have ${partName(scope) ?? 'the lock'}`, 'good'))
  provider.on('lock-lost', ({ fence, scope, reason }) =>
    log.add(`You lost ${lockName(scope)}${reason ? `: ${reason}` : ''}`, 'bad', `lost-${fence.epoch}-${fence.position}`),
  )
  provider.on('lock-handed-over', ({ scope, to }) => log.add(`You handed ${lockName(scope)} ${to === null ? 'on' : `to ${nameOf(provider.roster.get(to))}`}`))
  provider.on('requested', ({ scope, by, note }) => log.add(`${nameOf(provider.roster.get(by))} asks for ${lockName(scope)}${note ? `: ${note}` : ''}`))
  provider.on('request-over', ({ scope }) => log.add(`Nobody asks for ${lockName(scope)} any more`))
  provider.on('offer-ended', ({ reason }) => log.add(`The offer of the lock ended: ${reason}`))
  provider.on('may-edit', ({ why }) => {
    if (why === 'unconfirmed') log.add('Editing is paused: the server does not confirm that you still hold the lock', 'bad')
  })
  let last: Mode | null = null
  provider.on('mode', (mode) => {
    if (last !== null) log.add(`Locking is now: ${MODES[mode]}`)
    last = mode
  })
}

const MODES: Record<Mode, string> = {
  open: 'open, locks are advice',
  'exclusive-when-held': 'exclusive where a lock is held',
  required: 'a lock is required to write',
}

function parks(provider: BatonProvider, log: EventLog): void {
  provider.on('park', (_, change) => {
    if (change === null) return
    const { park, before } = change
    const whose = park.session === provider.session ? 'yours' : park.user.name || 'somebody'
    if (park.state === before?.state) return log.add(aside(park, whose), 'bad', `park-${park.id}`)
    if (park.state === 'open') log.add(before === null ? aside(park, whose) : `Edits of ${whose} were recovered`, 'bad', before === null ? `park-${park.id}` : undefined)
    else log.add(`Edits of ${whose} were ${park.state}`, park.state === 'merged' ? 'good' : 'plain')
  })
}

const aside = (park: ParkView, whose: string): string => `${count(park.edits, 'edit')} of ${whose} ${park.edits === 1 ? 'was' : 'were'} set aside`
