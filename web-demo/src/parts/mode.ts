/** Who may write in this document: told to all, changed by who may. Owns one group of buttons. */
import type { BatonProvider, Mode } from 'baton-client'
import { h, setAttribute, setText } from '../dom'
import { answerWords, MODES } from '../words'
import { panel } from './shell'

const ORDER: readonly Mode[] = ['open', 'exclusive-when-held', 'required']

export function modeSwitch(provider: BatonProvider, say: (words: string) => void): HTMLElement {
  const hint = h('p', { class: 'hint', id: 'mode-hint' })
  const choices = ORDER.map((mode) => {
    const input = h('input', {
      type: 'radio',
      name: 'mode',
      value: mode,
      'data-testid': `mode-${mode}`,
      autocomplete: 'off',
      onchange: () =>
        void provider.setMode(mode).then((answer) => {
          const words = answerWords(answer, 'mode')
          // What was done, the server tells to all; the choice stays until then.
          if (words === null) return
          say(words)
          update()
        }),
    })
    return { mode, input, element: h('label', {}, input, h('span', {}, MODES[mode].label)) }
  })
  const group = h('fieldset', { class: 'segments', 'data-testid': 'mode', 'aria-describedby': 'mode-hint' }, h('legend', { class: 'unseen' }, 'Who may write'), ...choices.map(({ element }) => element))
  const update = (): void => {
    const mode = provider.mode
    setAttribute(group, 'data-mode', mode)
    group.disabled = mode === null || !provider.rights.has('manage') || !provider.wsconnected
    for (const choice of choices) choice.input.checked = choice.mode === mode
    setText(hint, mode === null ? '' : MODES[mode].hint)
  }
  provider.on('mode', update)
  provider.on('welcome', update)
  provider.on('status', update)
  update()
  return panel('Who may write', group, hint)
}
