/**
 * One part of the document: its name, its own small lock, and its editor. Owns the head of the part; what may be
 * edited, the client says.
 */
import type { BatonProvider, LockHandle } from '@baton/client'
import { h, setAttribute, setText } from '../dom'
import { byTheWhole, pathsOf, type Region } from '../regions'
import { colorOf, nameOf, ordinal } from '../words'
import { editor } from './editor'
import { lockActions } from './lock-actions'

export interface RegionPart {
  readonly element: HTMLElement
  readonly lock: LockHandle
  readonly region: Region
}

export function regionPart(provider: BatonProvider, region: Region, say: (words: string) => void): RegionPart {
  const lock = provider.lockFor(pathsOf(region))
  const suffix = `-${region.id}`
  const actions = lockActions(provider, lock, { suffix, small: true, say })
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
    setText(state, words(lock))
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
  editor(surface, provider, {
    root: region.root,
    lock,
    label: region.title,
    placeholder: region.placeholder,
    // The body's is the one that was there first.
    testId: region.id === 'body' ? 'editor' : `editor${suffix}`,
  })
  update()
  return { element, lock, region }
}

function words(lock: LockHandle): string {
  const status = lock.status
  const who = nameOf(status.peer)
  // The strip says it for the whole document.
  if (byTheWhole(status)) return ''
  switch (status.state) {
    case 'mine':
      return lock.right.why === 'unconfirmed' ? 'yours, unconfirmed' : 'yours'
    case 'draining':
      return 'handing over'
    case 'waiting':
      if (status.phase === 'free') return ''
      return `${who} has it · you are ${status.place === null ? '' : ordinal(status.place)} in line`
    case 'theirs':
      return status.phase === 'offered' ? `is being handed to ${who}` : status.phase === 'draining' ? `${who} is handing it over` : `${who} has it`
    case 'offered':
      return 'being handed to you'
    default:
      return lock.right.why === 'required' ? 'locked: take it to write' : ''
  }
}
