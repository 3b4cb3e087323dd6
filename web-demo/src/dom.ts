/** Making elements, in one function. Owns no state. */

type Attribute = string | number | boolean | null | undefined | ((event: never) => void)

/**
 * Makes an element. `on...` attributes are listeners, `--...` are custom properties, `true` is an empty attribute;
 * `false`, `null` and `undefined` leave it out. There is no `style`: the page's policy forbids style attributes.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Attribute> = {},
  ...children: (Node | string | null)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2).toLowerCase(), value as unknown as EventListener)
    else if (name.startsWith('--')) element.style.setProperty(name, String(value))
    else setAttribute(element, name, value)
  }
  element.append(...children.filter((child) => child !== null))
  return element
}

/** Sets an attribute only when it changes, so that observers and assistive technology are not woken for nothing. */
export function setAttribute(element: Element, name: string, value: string | number | boolean | null | undefined): void {
  const text = value === true ? '' : value === false || value == null ? null : String(value)
  if (text === null) element.removeAttribute(name)
  else if (element.getAttribute(name) !== text) element.setAttribute(name, text)
}

/** Sets the text only when it changes; see `setAttribute`. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

/** Sets a custom property only when it changes: each write makes the browser look at the styles of all that is inside. */
export function setProperty(element: HTMLElement, name: `--${string}`, value: string): void {
  if (element.style.getPropertyValue(name) !== value) element.style.setProperty(name, value)
}

const SVG = 'http://www.w3.org/2000/svg'

/** Makes an SVG element. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number> = {},
  ...children: (Node | string)[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value))
  element.append(...children)
  return element
}

/** The mark: a baton, slanted as it is handed on. */
export function batonMark(size = 20): SVGSVGElement {
  return svg(
    'svg',
    { viewBox: '0 0 24 24', width: size, height: size, 'aria-hidden': 'true', class: 'baton-mark' },
    svg('rect', { x: 1.5, y: 8.75, width: 21, height: 6.5, rx: 3.25, transform: 'rotate(-32 12 12)', class: 'baton-body' }),
    svg('rect', { x: 6.2, y: 8.75, width: 2.1, height: 6.5, transform: 'rotate(-32 12 12)', class: 'baton-band' }),
    svg('rect', { x: 15.7, y: 8.75, width: 2.1, height: 6.5, transform: 'rotate(-32 12 12)', class: 'baton-band' }),
  )
}
