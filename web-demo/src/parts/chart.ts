/** A small line chart of the newest values, drawn anew at each change. Owns one SVG element. */
import { svg } from '../dom'
import type { Tick } from '../feed'

const HEIGHT = 240
const PAD = { top: 16, right: 14, bottom: 24, left: 46 }

export interface Chart {
  readonly element: HTMLElement
  /** Draws; `late` are the numbers that had to be caught up. */
  draw(ticks: readonly Tick[], late: ReadonlySet<number>): void
}

export function chart(label: string): Chart {
  const root = svg('svg', { height: HEIGHT, width: '100%', role: 'img', 'aria-label': label })
  const element = document.createElement('div')
  element.className = 'chart'
  element.append(root)
  let last: [readonly Tick[], ReadonlySet<number>] = [[], new Set()]
  const draw = (ticks: readonly Tick[], late: ReadonlySet<number>): void => {
    last = [ticks, late]
    const width = Math.max(240, element.clientWidth)
    root.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`)
    root.replaceChildren(...(ticks.length < 2 ? [] : picture(ticks, late, width)))
  }
  new ResizeObserver(() => draw(...last)).observe(element)
  return { element, draw }
}

function picture(ticks: readonly Tick[], late: ReadonlySet<number>, width: number): SVGElement[] {
  const first = ticks[0] as Tick
  const newest = ticks.at(-1) as Tick
  const [low, high] = bounds(ticks)
  const x = (tick: Tick): number => PAD.left + ((tick.n - first.n) / Math.max(1, newest.n - first.n)) * (width - PAD.left - PAD.right)
  const y = (value: number): number => PAD.top + (1 - (value - low) / (high - low)) * (HEIGHT - PAD.top - PAD.bottom)
  const at = (tick: Tick): string => `${x(tick).toFixed(1)},${y(tick.value).toFixed(1)}`
  const line = `M${ticks.map(at).join('L')}`
  const floor = y(low).toFixed(1)
  return [
    ...[low, (low + high) / 2, high].flatMap((value) => rule(value, y(value), width)),
    ...spans(ticks, late).map(([from, to]) =>
      svg('rect', { class: 'chart-late', x: x(from) - 1.5, y: PAD.top, width: x(to) - x(from) + 3, height: HEIGHT - PAD.top - PAD.bottom }),
    ),
    svg('path', { class: 'chart-area', d: `${line}L${x(newest).toFixed(1)},${floor}L${x(first).toFixed(1)},${floor}Z` }),
    svg('path', { class: 'chart-line', d: line }),
    svg('circle', { class: 'chart-now', cx: x(newest), cy: y(newest.value), r: 4 }),
    svg('text', { class: 'chart-text', x: PAD.left, y: HEIGHT - 6 }, `no. ${first.n}`),
    svg('text', { class: 'chart-text', x: width - PAD.right, y: HEIGHT - 6, 'text-anchor': 'end' }, `no. ${newest.n}`),
  ]
}

function rule(value: number, y: number, width: number): SVGElement[] {
  return [
    svg('line', { class: 'chart-rule', x1: PAD.left, x2: width - PAD.right, y1: y, y2: y }),
    svg('text', { class: 'chart-text', x: PAD.left - 8, y: y + 4, 'text-anchor': 'end' }, value.toFixed(1)),
  ]
}

/** A little air above and below, and never a height of nothing. */
function bounds(ticks: readonly Tick[]): [number, number] {
  const values = ticks.map(({ value }) => value)
  const low = Math.min(...values)
  const high = Math.max(...values)
  const air = Math.max((high - low) * 0.12, 0.5)
  return [low - air, high + air]
}

/** Runs of neighbours that were caught up. */
function spans(ticks: readonly Tick[], late: ReadonlySet<number>): [Tick, Tick][] {
  const found: [Tick, Tick][] = []
  let open = false
  for (const tick of ticks) {
    const run = found.at(-1)
    if (!late.has(tick.n)) open = false
    else if (open && run) run[1] = tick
    else {
      found.push([tick, tick])
      open = true
    }
  }
  return found
}
