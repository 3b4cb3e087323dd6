/** Files that import one another in a circle can only be read all at once; imports of types count. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/** Files that a file imports or exports from, types included, by paths without an extension. */
type Imports = ReadonlyMap<string, readonly string[]>

/** Imports, and exports from another file; a type that is written as `import('./file')`; imports for their effects. */
const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)'(\.[^']+)'/g

function importsBelow(folder: string): Imports {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.tsx?$/.test(name))
  return new Map(files.map((name) => {
    const text = readFileSync(join(folder, name), 'utf8')
    const imported = [...text.matchAll(IMPORT)].map(([, path]) => join(dirname(name), path ?? '').replace(/\.js$/, ''))
    return [name.replace(/\.tsx?$/, ''), imported]
  }))
}

/** Returns all that a file imports, directly or through others. */
function reach(imports: Imports, from: string): Set<string> {
  const found = new Set<string>()
  const open = [...(imports.get(from) ?? [])]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (!found.has(next)) open.push(...(imports.get(next) ?? []))
    found.add(next)
  }
  return found
}

/** Returns the files that import themselves, through others. */
const inCircles = (imports: Imports): string[] => [...imports.keys()].filter((file) => reach(imports, file).has(file)).sort()

for (const folder of ['../client/src', '../src']) {
  test(`no files in ${relative('..', folder)} import one another in a circle`, () => {
    const imports = importsBelow(fileURLToPath(new URL(folder, import.meta.url)))
    // The pattern sees the imports of this code.
    expect([...imports.values()].flat().filter((file) => imports.has(file)).length).toBeGreaterThan(imports.size)
    expect(inCircles(imports)).toEqual([])
  })
}

test('a circle is found through other files, and what leads to it is not part of it', () => {
  const imports = new Map([['a', ['b']], ['b', ['c', 'e']], ['c', ['d']], ['d', ['b']], ['e', []]])
  expect(inCircles(imports)).toEqual(['b', 'c', 'd'])
})
