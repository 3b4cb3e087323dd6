/** Whether all is on the server's disk. Owns one small sign. */
import type { BatonProvider } from '@baton/client'
import { h, setAttribute, setText } from '../dom'

export function saveChip(provider: BatonProvider): HTMLElement {
  const chip = h('span', { class: 'chip', 'data-testid': 'save-state', role: 'status' })
  const update = (): void => {
    const state = provider.saveState
    setAttribute(chip, 'data-state', state)
    setAttribute(chip, 'data-unsaved', provider.hasUnsaved)
    if (state === 'saved') setText(chip, 'Saved')
    else if (state === 'saving') setText(chip, 'Saving…')
    else setText(chip, provider.hasUnsaved ? 'Offline, unsaved edits' : 'Offline')
  }
  provider.on('saved', update)
  provider.on('status', update)
  const follow = (): void => void provider.doc.on('update', update)
  provider.on('doc', follow)
  follow()
  update()
  return chip
}
