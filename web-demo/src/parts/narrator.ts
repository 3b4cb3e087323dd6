/** Turns what the client tells into lines of the event list. Owns the words for it and the memory of the last locks. */
import { endWords, type BatonProvider, type DrainReason, type GrantView, type Mode, type ParkView } from 'baton-client'
import { lossOf } from '../passing'
import { lockName, partName, scopeIn } from '../regions'
import { capital, cleanName, COMINGS, decidedWords, DRAIN_WORDS, lostWords, MODES, nameOf, OWN_STATE, parkWords, turnedAwayWords, type Matter } from '../words'
import type { EventLog } from './events'
import { isOwnPark } from './parks'
import { whoIs } from './who'

/** Starts to write; ends with the provider. */
export function narrate(provider: BatonProvider, log: EventLog, matter: Matter): void {
  connection(provider, log)
  people(provider, log)
  lockOfOthers(provider, log)
  lockOfMine(provider, log)
  parks(provider, log, matter)
}

function connection(provider: BatonProvider, log: EventLog): void {
  let failing = false
  let isFirst = true
  provider.on('welcome', () => {
    failing = false
    log.add(isFirst ? 'Connected' : 'Connected again', 'good')
    isFirst = false
  })
  provider.on('connection-close', ({ code, reason }) => {
    if (provider.shouldConnect) log.add(`Connection lost: ${endWords({ code, reason })}`, 'bad')
  })
  provider.on('connection-error', () => {
    // One line for a run of failed attempts, not one for each.
    if (!failing) log.add('The server cannot be reached; trying again', 'bad')
    failing = true
  })
  provider.on('closed', (closed) => log.add(`The server turned this page away: ${turnedAwayWords(closed.code, endWords(closed))}`, 'bad'))
  provider.on('channel-error', ({ message }) => log.add(`The server says: ${message}`, 'bad'))
}

function people(provider: BatonProvider, log: EventLog): void {
  provider.on('roster', (_, change) => {
    if (change === null) return
    const { peer, before } = change
    const who = peer.session === provider.session ? null : nameOf(peer)
    if (before === null) {
      if (who && peer.state !== 'gone') log.add(`${who} joined`)
    } else if (before.state !== peer.state) {
      log.add(who ? `${who} ${COMINGS[peer.state]}` : OWN_STATE[peer.state], peer.state === 'online' ? 'good' : 'plain')
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
  const who = capital(whoIs(provider, grant.session))
  const part = partName(scopeIn(grant))
  const what = part ?? 'the lock'
  switch (grant.state) {
    case 'offered':
      return `${capital(what)} is on its way to ${whoIs(provider, grant.session)}`
    case 'suspect':
      return `${who} has ${what} and lost the connection; a few seconds to come back`
    case 'recovering':
      return `${who} has ${what} and lost the server; a few seconds to come back`
    case 'draining':
      if (grant.reason === 'taken-over' && grant.to !== undefined) return `${capital(whoIs(provider, grant.to))} ${grant.to === provider.session ? 'are taking' : 'is taking'} ${what} over from ${whoIs(provider, grant.session)}`
      return `${capital(what)} passes on: ${who} ${DRAIN_WORDS[grant.reason ?? 'transfer']}${grant.to === undefined ? '' : `, to ${whoIs(provider, grant.to)}`}`
    case 'held':
      return before?.state === 'suspect' ? `${who} came back and kept ${what}` : `${who} has ${what}`
  }
}

function lockOfMine(provider: BatonProvider, log: EventLog): void {
  provider.on('lock-granted', ({ scope, kept }) => log.add(kept ? `You kept ${lockName(scope)}` : `You have ${partName(scope) ?? 'the lock'}`, 'good'))
  const drains = new Map<string, DrainReason>()
  provider.on('draining', ({ fence, reason }) => drains.set(`${fence.epoch}-${fence.position}`, reason))
  provider.on('lock-lost', ({ fence, scope, reason }) => {
    const key = `${fence.epoch}-${fence.position}`
    const loss = lossOf(reason, drains.get(key) ?? null)
    log.add(lostWords(loss, { what: lockName(scope), who: null, reason }), 'bad', `lost-${key}`)
  })
  provider.on('lock-handed-over', ({ scope, reason, to }) =>
    log.add(lostWords(reason ?? 'unknown', { what: lockName(scope), who: to === null ? null : whoIs(provider, to) })),
  )
  provider.on('requested', ({ scope, by, note }) => log.add(`${nameOf(provider.roster.get(by))} asks for ${lockName(scope)}${note ? `: ${note}` : ''}`))
  provider.on('request-over', ({ scope }) => log.add(`Nobody asks for ${lockName(scope)} any more`))
  provider.on('offer-ended', ({ reason }) => log.add(`The lock was on its way to you, and is no more: ${reason}`))
  provider.on('may-edit', ({ why }) => {
    if (why === 'unconfirmed') log.add('Paused: waiting for the server', 'bad')
  })
  let last: Mode | null = null
  provider.on('mode', (mode) => {
    if (last !== null) log.add(MODES[mode].news)
    last = mode
  })
}

function parks(provider: BatonProvider, log: EventLog, matter: Matter): void {
  provider.on('park', (_, change) => {
    if (change === null) return
    const { park, before } = change
    if (before === null || before.state === park.state) return log.add(aside(provider, park, matter), 'bad', `park-${park.id}`)
    const { state, by } = park
    const who = by === undefined ? null : whoIs(provider, by)
    const whose = isOwnPark(provider, park) ? 'you' : cleanName(park.user.name) || 'somebody'
    log.add(decidedWords(state, who, whose, matter).replace(/\.$/, ''), state === 'merged' ? 'good' : 'plain')
  })
}

const aside = (provider: BatonProvider, park: ParkView, matter: Matter): string =>
  parkWords(park, isOwnPark(provider, park) ? 'you' : cleanName(park.user.name) || 'somebody', matter)
