import { fileURLToPath } from 'node:url'
import { defaultClientConditions, defaultServerConditions } from 'vite'
import { defineConfig } from 'vitest/config'
import { compress } from './build/compress.ts'
import { frame } from './build/frame.ts'
import { stylesAndPolicy } from './build/policy.ts'

const page = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Where `vite dev` and `vite preview` find the server: `BATON_URL=http://127.0.0.1:9000 npm run dev`. */
const server = process.env.BATON_URL ?? 'http://127.0.0.1:8080'
/** The page takes the sources of `baton-client`, so that it needs no build of the package before its own. */
const SOURCES = 'baton-source'

const proxy = { '/ws': { target: server, ws: true } }

export default defineConfig({
  // Relative addresses: the page works under any path that it is served from.
  base: './',
  appType: 'mpa',
  plugins: [frame(), stylesAndPolicy(), compress()],
  resolve: { conditions: [SOURCES, ...defaultClientConditions] },
  ssr: { resolve: { conditions: [SOURCES, ...defaultServerConditions] } },
  server: { proxy },
  preview: { proxy },
  build: {
    // `light-dark()` stays as it is written.
    cssTarget: ['chrome123', 'firefox128', 'safari18'],
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { index: page('index.html'), chat: page('chat.html'), feed: page('feed.html') },
    },
  },
  test: { include: ['client/test/**/*.test.ts', 'test/**/*.test.ts'] },
})
