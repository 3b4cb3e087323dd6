/** Turns what the client tells into lines of the event list. Owns the words for it and the memory of the last lock. */
import { closeWords, type BatonLock, type BatonProvider, type Peer } from '@baton/client'
import { nameOf } from '../words'
import type { EventLog } from './events'

/** Starts to write; ends with the provider. */
export function narrate(provider: BatonProvider, log: EventLog): void {
  connection(provider, log)
  people(provider, log)
  lockOfOthers(provider, log)
  lockOfMine(provider, log)
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
  provider.on('parked', ({ id, reason }) => log.add(`An edit of yours was set aside as park ${id}: ${reason}`, 'bad', `park-${id}`))
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
  let before: BatonLock | null = null
  provider.on('lock', (lock) => {
    const last = before
    before = lock
    if (last === null || lock.phase === null || (last.phase === lock.phase && last.holder === lock.holder)) return
    // The first sight of a free lock is no news.
    if (last.phase === null && lock.phase === 'free') return
    const who = lock.holder === provider.session ? null : nameOf(lock.peer)
    if (lock.phase === 'free') log.add('The lock is free')
    else if (who === null) return
    else if (lock.phase === 'offered') log.add(`The lock is offered to ${who}`)
    else if (lock.phase === 'suspect') log.add(`${who} has the lock and lost the connection; a few seconds to come back`)
    else if (lock.phase === 'recovering') log.add(`The server started again and waits for ${who}, who had the lock`)
    else log.add(last.holder === lock.holder && last.phase === 'suspect' ? `${who} came back and kept the lock` : `${who} has the lock`)
  })
}

function lockOfMine(provider: BatonProvider, log: EventLog): void {
  provider.on('lock-granted', ({ kept }) => log.add(kept ? 'You kept the lock' : 'You have the lock', 'good'))
  provider.on('lock-lost', ({ fence, reason }) => log.add(`You lost the lock${reason ? `: ${reason}` : ''}`, 'bad', `lost-${fence.epoch}-${fence.position}`))
  provider.on('offer-ended', ({ reason }) => log.add(`The offer of the lock ended: ${reason}`))
  provider.on('may-edit', ({ why }) => {
    if (why === 'unconfirmed') log.add('Editing is paused: the server does not confirm that you still hold the lock', 'bad')
  })
}
