/**
 * CodeMirror's styles under a policy that forbids inline styles.
 *
 * CodeMirror writes its rules into a `<style>` element, which needs 'unsafe-inline' or a nonce; a page that is built
 * once has no nonce that an attacker could not read. So the rules go into a constructed style sheet, which a policy
 * does not concern. They stand in a layer: as with the element, which CodeMirror puts first, the page's own rules win.
 */
import { StyleModule } from 'style-mod'

/** Replaces, for the whole page, how style modules are mounted. Has to be called before the first editor is made. */
export function mountStylesWithoutElements(): void {
  StyleModule.mount = mount
}

interface Mounted {
  readonly sheet: CSSStyleSheet
  modules: StyleModule[]
}

const mounted = new WeakMap<Document | ShadowRoot, Mounted>()

/** Later modules win over earlier ones, also over those of an earlier call, as `StyleModule.mount` promises. */
function mount(root: Document | ShadowRoot | DocumentOrShadowRoot, modules: StyleModule | readonly StyleModule[]): void {
  const place = root as Document
  const asked = Array.isArray(modules) ? (modules as readonly StyleModule[]) : [modules as StyleModule]
  const known = mounted.get(place)
  if (known && isInOrder(known.modules, asked)) return
  const own = known ?? { sheet: new CSSStyleSheet(), modules: [] }
  own.modules = [...own.modules.filter((one) => !asked.includes(one)), ...asked]
  own.sheet.replaceSync(`@layer editor {\n${own.modules.map((one) => one.getRules()).join('\n')}\n}`)
  if (known) return
  mounted.set(place, own)
  place.adoptedStyleSheets = [own.sheet, ...place.adoptedStyleSheets]
}

/** Whether all of them are mounted, in that order. */
function isInOrder(present: readonly StyleModule[], asked: readonly StyleModule[]): boolean {
  const places = asked.map((one) => present.indexOf(one))
  return places.every((place, i) => place >= 0 && (i === 0 || place > (places[i - 1] as number)))
}
