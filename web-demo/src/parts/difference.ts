/** What a park would change, to be read: what it adds and takes away, with a little of what is around. Pure drawing. */
import type { DiffPart, ParkContent } from 'baton-client'
import { h } from '../dom'
import { rootName } from '../regions'
import { capital } from '../words'

const TAGS = { equal: 'span', insert: 'ins', delete: 'del' } as const

export function difference({ parts, truncated }: ParkContent): HTMLElement {
  const roots = [...new Set(parts.map(({ root }) => root))]
  const blocks = roots.map((root) =>
    h(
      'div',
      { class: 'diff-root', 'data-root': root },
      h('h3', {}, capital(rootName(root).replaceAll(/[“”]/g, ''))),
      h('p', { class: 'diff-text' }, ...parts.filter((part) => part.root === root).map(run)),
    ),
  )
  return h(
    'div',
    { class: 'diff' },
    ...(blocks.length === 0 ? [h('p', { class: 'hint' }, 'Adding it would change nothing.')] : blocks),
    truncated ? h('p', { class: 'hint' }, 'There is more than can be shown here.') : null,
  )
}

function run({ kind, text }: DiffPart): HTMLElement {
  return h(TAGS[kind], {}, text)
}
