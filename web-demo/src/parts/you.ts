/** Name and colour of the person at this page, to edit. Owns the fields; `profile.ts` remembers. */
import type { BatonProvider } from 'baton-client'
import { h } from '../dom'
import { COLORS, saveProfile } from '../profile'
import { showCursorAs } from '../session'
import { panel } from './shell'

/** Typing pauses this long before the others are told, in milliseconds. */
const PAUSE = 250

export function you(provider: BatonProvider): HTMLElement {
  let pause: ReturnType<typeof setTimeout> | undefined
  const tell = (): void => {
    const name = input.value.trim().slice(0, 40)
    const color = colors.querySelector<HTMLInputElement>('input:checked')?.value ?? provider.user.color
    if (name === '' || (name === provider.user.name && color === provider.user.color)) return
    provider.user = { name, color }
    saveProfile(provider.user)
    showCursorAs(provider)
  }
  const input = h('input', {
    id: 'name',
    'data-testid': 'name-input',
    maxlength: 40,
    autocomplete: 'nickname',
    spellcheck: 'false',
    value: provider.user.name,
    oninput: () => {
      clearTimeout(pause)
      pause = setTimeout(tell, PAUSE)
    },
    onchange: tell,
  })
  const swatches = COLORS.map(({ value, name }) =>
    h(
      'label',
      { class: 'swatch', '--who': value, title: name },
      h('input', { type: 'radio', name: 'color', value, checked: value === provider.user.color, 'aria-label': name, onchange: tell }),
    ),
  )
  const colors = h('fieldset', { class: 'swatches', 'data-testid': 'colors' }, h('legend', {}, 'Colour'), ...swatches)
  provider.on('welcome', () => {
    // The name may have had to give way to somebody who was here first; but not what is being typed.
    if (document.activeElement !== input) input.value = provider.user.name
    const own = colors.querySelector<HTMLInputElement>(`input[value="${provider.user.color}"]`)
    if (own) own.checked = true
  })
  return panel('You', h('div', { class: 'field' }, h('label', { for: 'name' }, 'Name'), input), colors)
}
