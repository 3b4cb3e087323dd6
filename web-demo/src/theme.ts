/** Light or dark: the system's choice until the reader makes one. Owns one localStorage key and one button. */
import { h, setAttribute, setText } from './dom'
import { recall, remember } from './memory'
import { THEME_KEY } from './theme-choice'

const CHOICES = ['auto', 'light', 'dark'] as const
type Choice = (typeof CHOICES)[number]

const LABELS: Record<Choice, string> = { auto: 'Auto', light: 'Light', dark: 'Dark' }

function current(): Choice {
  const kept = recall(THEME_KEY)
  return CHOICES.find((choice) => choice === kept) ?? 'auto'
}

function apply(choice: Choice): void {
  setAttribute(document.documentElement, 'data-theme', choice === 'auto' ? null : choice)
}

apply(current())

/** A button that goes through auto, light and dark. */
export function themeButton(): HTMLButtonElement {
  const label = h('span', {}, LABELS[current()])
  const button = h(
    'button',
    {
      type: 'button',
      class: 'quiet theme',
      'data-testid': 'theme',
      onclick: () => {
        const next = CHOICES[(CHOICES.indexOf(current()) + 1) % CHOICES.length] ?? 'auto'
        remember(THEME_KEY, next)
        apply(next)
        show(next)
      },
    },
    h('span', { class: 'theme-dot', 'aria-hidden': 'true' }),
    label,
  )
  const show = (choice: Choice): void => {
    setText(label, LABELS[choice])
    button.title = `Colours: ${LABELS[choice].toLowerCase()}`
    button.setAttribute('aria-label', `Colours: ${LABELS[choice].toLowerCase()}. Change`)
  }
  show(current())
  return button
}
