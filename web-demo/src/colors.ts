/** Colours that others send: checked, and fit to stand behind white letters. Pure. */

/** In place of a colour that is none. */
const GREY = '#64748b'

/** Contrast that white letters need, as WCAG counts it. */
const READABLE = 4.5

type Rgb = readonly [number, number, number]

/**
 * A person's colour as `#rrggbb`, darkened until white letters can be read on it; grey for anything
 * that is no colour in hex digits. Nothing else ever reaches a style.
 */
export function readable(color: unknown): string {
  const rgb = typeof color === 'string' ? parse(color) : null
  if (rgb === null) return GREY
  let fit = rgb
  // Twenty steps take any colour to nearly black.
  for (let i = 0; i < 20 && contrastWithWhite(fit) < READABLE; i++) fit = fit.map((part) => part * 0.9) as unknown as Rgb
  return `#${fit.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`
}

/** `#rgb`, `#rgba`, `#rrggbb` and `#rrggbbaa`; how opaque it is, is not for others to say. */
function parse(color: string): Rgb | null {
  const digits = /^#([0-9a-f]{3,8})$/i.exec(color.trim())?.[1]
  if (digits === undefined || digits.length === 5 || digits.length === 7) return null
  const wide = digits.length < 6 ? [...digits].map((digit) => digit + digit).join('') : digits
  return [0, 2, 4].map((at) => Number.parseInt(wide.slice(at, at + 2), 16)) as unknown as Rgb
}

/** Contrast of white with a colour, from 1 to 21. */
export function contrastWithWhite([red, green, blue]: Rgb): number {
  const linear = (part: number): number => {
    const share = part / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  }
  return 1.05 / (0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue) + 0.05)
}
