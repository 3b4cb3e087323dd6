// Builds the package that `npm pack` packs: `dist/*.js` for ES2020, `dist/*.d.ts`.
//
// One file per module, so that bundlers drop a module that nothing imports (`sideEffects: false`). Private names
// (`#name`) become `_name`: lowered to WeakMaps, as ES2020 would need, they cost 2 KB and a look-up for each access.

import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))

/** A private name, which stands after a dot or at the start of a class member; never in a string of this package. */
const PRIVATE = /(^|[\s.?])#(?=[a-z])/gm

const renamePrivate = {
  name: 'rename-private',
  transform (code, id) {
    // Of the same length, so that the source map stays true without one of its own.
    return id.endsWith('.ts') ? { code: code.replace(PRIVATE, '$1_'), map: null } : null
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
