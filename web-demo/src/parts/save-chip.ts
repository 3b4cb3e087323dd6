/** A sign that says if all is on the server's disk. Owns one small sign; it is spoken once it has settled. */
import type { BatonProvider } from 'baton-client'
import { announcer } from '../announcer'
import { h, setAttribute, setText } from '../dom'
import { oncePerFrame } from '../frame-batch'

export function saveChip(provider: BatonProvider): HTMLElement {
  const chip = h('span', { class: 'chip', 'data-testid': 'save-state' })
  const update = (): void => {
    const state = provider.saveState
    setAttribute(chip, 'data-state', state)
    setAttribute(chip, 'data-unsaved', provider.hasUnsaved)
    if (state === 'saved') setText(chip, 'Saved')
    else if (state === 'saving') setText(chip, 'Saving…')
    else setText(chip, provider.hasUnsaved ? 'Offline, unsaved edits' : 'Offline')
    // Each word that is typed is saved in its turn: that is no news. Being cut off is, and so is its end.
    if (state !== 'saving') announcer.state('saved', state === 'offline' ? (chip.textContent ?? '') : 'All is saved')
  }
  const soon = oncePerFrame(update)
  provider.on('saved', update)
  provider.on('status', update)
  const follow = (): void => void provider.doc.on('update', soon)
  provider.on('doc', follow)
  follow()
  update()
  return chip
}
