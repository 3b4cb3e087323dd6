/**
 * One part of the document: its name, its own small lock, and its editor. Owns the head of the part; what may be
 * edited, the client says.
 */
import type { BatonProvider, LockHandle } from 'baton-client'
import { h, setAttribute, setText } from '../dom'
import { byTheWhole, pathsOf, type Region } from '../regions'
import { capital, colorOf, placeWords } from '../words'
import { editor } from './editor'
import type { LockStrip } from './lock'
import { lockActions } from './lock-actions'
import { refusal } from './refusal'
import { holderOf } from './who'

export interface RegionPart {
  readonly element: HTMLElement
  readonly lock: LockHandle
  readonly region: Region
}

export function regionPart(provider: BatonProvider, region: Region, news: Pick<LockStrip, 'say' | 'takes'>): RegionPart {
  const lock = provider.lockFor(pathsOf(region))
  const suffix = `-${region.id}`
  const actions = lockActions(provider, lock, { suffix, small: true, ...news })
  const state = h('span', { class: 'region-state', 'data-testid': `region-state${suffix}` })
  const surface = h('div', { class: 'surface' })
  const title = `region-${region.id}`
  const element = h(
    'section',
    { class: 'region', 'aria-labelledby': title, 'data-testid': `region${suffix}`, 'data-region': region.id },
    h('header', { class: 'region-head' }, h('h2', { id: title }, region.title), state, actions.element),
    actions.drawer,
    surface,
  )
  const update = (): void => {
    const status = lock.status
    setText(state, words(provider, lock))
    setAttribute(state, 'title', state.textContent)
    setAttribute(element, 'data-state', status.state)
    setAttribute(element, 'data-may-edit', String(lock.mayEdit))
    setAttribute(element, 'data-why', lock.right.why)
    setAttribute(element, 'data-place', status.place)
    const color = status.phase === 'free' || status.peer === null ? null : colorOf(status.peer.user.color)
    if (color) element.style.setProperty('--who', color)
    else element.style.removeProperty('--who')
    actions.update()
  }
  for (const event of ['lock', 'roster', 'may-edit', 'status', 'welcome'] as const) provider.on(event, update)
  const cue = refusal(provider, lock, region.id === 'body' ? '' : suffix, news)
  editor(surface, provider, {
    root: region.root,
    lock,
    label: region.title,
    placeholder: region.placeholder,
    // The body's is the one that was there first.
    testId: region.id === 'body' ? 'editor' : `editor${suffix}`,
    refused: cue.show,
  })
  surface.append(cue.element)
  update()
  return { element, lock, region }
}

function words(provider: BatonProvider, lock: LockHandle): string {
  const status = lock.status
  // The strip says it for the whole document.
  if (byTheWhole(status)) return ''
  const who = holderOf(provider, status) ?? 'somebody'
  switch (status.state) {
    case 'mine':
      return lock.right.why === 'unconfirmed' ? 'Paused: waiting for the server' : 'Yours'
    case 'draining':
      return 'Handing it over'
    case 'waiting':
      if (status.phase === 'free') return ''
      return `${placeWords(status.place, status.queue.length)} · ${capital(who)} has it`
    case 'theirs':
      return status.phase === 'offered' ? `On its way to ${who}` : status.phase === 'draining' ? `${capital(who)} is handing it over` : `${capital(who)} has it`
    case 'offered':
      return 'On its way to you'
    default:
      if (lock.right.why === 'read-only') return 'Only to read'
      return lock.right.why === 'required' ? 'Take the lock to write here' : ''
  }
}
