// Builds the package that `npm pack` packs: `dist/*.js` for ES2020, `dist/*.d.ts`.
//
// One file per module, so that bundlers drop a module that nothing imports (`sideEffects: false`). Private names
// (`#name`) become properties: lowered to WeakMaps, as ES2020 would need, they cost 2 KB and a look-up for each access.
// Their new names are short (`a`), since no minifier of a consumer may shorten properties: that is 0.7 KB gzipped.

import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { rolldown, RolldownMagicString } from 'rolldown'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))

/** A private name, which stands after a dot or at the start of a class member; never in a string of this package. */
const PRIVATE = /(^|[\s.?])#[a-z]\w*/gm

/** The letters of a name: `a` to `z`, then `aa`. No class that one of ours extends has such names (`ObservableV2`, `Error`). */
const letters = (index) => (index < 26 ? '' : letters(Math.floor(index / 26) - 1)) + String.fromCharCode(97 + index % 26)

/** Names that are not in a file yet, in any role. */
function * unusedIn (code) {
  const used = new Set(code.match(/\w+/g))
  for (let index = 0; ; index += 1) if (!used.has(letters(index))) yield letters(index)
}

const renamePrivate = {
  name: 'rename-private',
  transform (code, id) {
    if (!id.endsWith('.ts')) return null
    const text = new RolldownMagicString(code)
    const names = new Map()
    const unused = unusedIn(code)
    for (const { index, 0: found, 1: before } of code.matchAll(PRIVATE)) {
      const [from, to] = [index + before.length, index + found.length]
      const name = code.slice(from, to)
      if (!names.has(name)) names.set(name, unused.next().value)
      text.overwrite(from, to, names.get(name))
    }
    return { code: text.toString(), map: text.generateMap({ hires: true, source: id, includeContent: true }).toString() }
  }
}

rmSync(at('dist'), { recursive: true, force: true })

const { exports } = JSON.parse(readFileSync(at('package.json'), 'utf8'))

const bundle = await rolldown({
  input: Object.values(exports).flatMap((entry) => entry['baton-source'] ?? []).map(at),
  // All that is not of this package.
  external: (id) => !id.startsWith('.') && !id.startsWith('/'),
  plugins: [renamePrivate],
  // It is kept (`use client`): each file begins with its own module.
  onLog: (level, log, handle) => log.code === 'MODULE_LEVEL_DIRECTIVE' ? undefined : handle(level, log),
  // The demo's own settings are for a newer target.
  tsconfig: false,
  transform: {
    target: 'es2020',
    assumptions: { setPublicClassFields: true },
    typescript: { removeClassFieldsWithoutInitializer: true }
  }
})
await bundle.write({ dir: at('dist'), format: 'esm', preserveModules: true, preserveModulesRoot: at('src'), sourcemap: true })

const compiler = fileURLToPath(new URL('bin/tsc', import.meta.resolve('typescript/package.json')))
execFileSync(process.execPath, [compiler, '-p', at('.')], { stdio: 'inherit' })
