/** The two switches that make this page fail on purpose. Owns the switches; the client does the failing. */
import type { BatonProvider } from 'baton-client'
import { h } from '../dom'
import { panel } from './shell'


export function experiments(provider: BatonProvider, words: { heartbeat: string; network: string }, note: (text: string) => void): HTMLElement {
  return panel(
    'Experiments',
    h('p', { class: 'hint' }, 'Make this window fail, and watch another one.'),
    toggle('stop-heartbeat', 'Stop my heartbeat', words.heartbeat, (on) => {
      provider.debug.stopHeartbeat(on)
      note(on ? 'Experiment: heartbeats are no longer answered' : 'Experiment over: heartbeats are answered again')
    }),
    toggle('cut-network', 'Cut my network', words.network, (on) => {
      provider.debug.cutNetwork(on)
      note(on ? 'Experiment: the network is cut' : 'Experiment over: the network is back')
    }),
  )
}

function toggle(id: string, label: string, hint: string, set: (on: boolean) => void): HTMLElement {
  const input = h('input', {
    type: 'checkbox',
    role: 'switch',
    id,
    'data-testid': id,
    'aria-describedby': `${id}-hint`,
    autocomplete: 'off',
    onchange: () => set(input.checked),
  })
  return h('div', { class: 'switch' }, input, h('label', { for: id }, label), h('p', { class: 'hint', id: `${id}-hint` }, hint))
}
