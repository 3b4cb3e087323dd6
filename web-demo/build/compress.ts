/** Puts a brotli and a gzip copy beside each file of the build that gets smaller by it; the server picks one. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

const TEXT = /\.(?:html|js|css|svg|json|txt)$/

const CODINGS = {
  br: (bytes: Uint8Array) =>
    brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
  gz: (bytes: Uint8Array) => gzipSync(bytes, { level: 9 }),
}

export function compress(): Plugin {
  return {
    name: 'baton-compress',
    apply: 'build',
    writeBundle: {
      order: 'post',
      handler({ dir }, bundle) {
        if (dir === undefined) throw new Error('the build has no folder')
        for (const name of Object.keys(bundle)) {
          if (!TEXT.test(name)) continue
          const bytes = readFileSync(join(dir, name))
          for (const [ending, squeeze] of Object.entries(CODINGS)) {
            const copy = squeeze(bytes)
            if (copy.length < bytes.length) writeFileSync(join(dir, `${name}.${ending}`), copy)
          }
        }
      },
    },
  }
}
