/**
 * The HTML that is the same before and after the program starts: head, header, heading and a skeleton of what comes.
 *
 * It is painted as soon as it arrives; `src/parts/shell.ts` finds it and fills it. Owns the list of pages.
 */
import type { Plugin } from 'vite'
import { EARLY_THEME } from '../src/theme-choice.ts'

interface PageText {
  readonly file: string
  readonly link: string
  readonly href: string
  readonly title: string
  readonly heading: string
  readonly lead: string
  /** Heights of the blocks in the wide column while the program loads, in pixels. */
  readonly blocks: readonly number[]
}

const PAGES: readonly PageText[] = [
  {
    file: 'index.html',
    link: 'Editor',
    href: './',
    title: 'Baton: write together, one at a time',
    heading: 'Write together, one at a time',
    lead: 'Write together, or take the lock and write alone: all of it, or one part. It passes on when you give it back, hand it over, or go offline.',
    blocks: [166, 420],
  },
  {
    file: 'chat.html',
    link: 'Chat',
    href: './chat.html',
    title: 'Baton: chat',
    heading: 'Chat',
    lead: 'Everybody who answers heartbeats is online. Who falls silent is slow to answer first, and off the list after ten seconds.',
    blocks: [460],
  },
  {
    file: 'feed.html',
    link: 'Live data',
    href: './feed.html',
    title: 'Baton: live data',
    heading: 'Live data',
    lead: 'A program writes a number each second. If the server falls silent, this page notices within ten seconds, comes back, and misses nothing.',
    blocks: [420],
  },
]

/** Puts the frame around the script of each page, in development and in the build. */
export function frame(): Plugin {
  return {
    name: 'baton-frame',
    transformIndexHtml: {
      order: 'pre',
      handler(html, { path }) {
        const page = PAGES.find(({ file }) => path.endsWith(file))
        if (!page) throw new Error(`${path} has no entry in build/frame.ts`)
        return html.replace('<!--head-->', () => head(page)).replace('<!--frame-->', () => body(page))
      },
    },
  }
}

function head({ title }: PageText): string {
  return `<meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <meta name="description" content="Collaborative editing with an edit lock that passes to the next live peer." />
    <title>${title}</title>
    <link rel="icon" href="./src/style/icon.svg" type="image/svg+xml" />
    <script>${EARLY_THEME}</script>`
}

function body(page: PageText): string {
  const links = PAGES.map(({ link, href, file }) => `<li><a href="${href}"${file === page.file ? ' aria-current="page"' : ''}>${link}</a></li>`)
  const blocks = page.blocks.map((height) => `<svg class="ghost" height="${height}" aria-hidden="true"></svg>`)
  return `<a href="#main" class="skip">Skip to the content</a>
    <header class="top">
      <a href="./" class="brand" aria-label="Baton, start page">${mark(22)}<span>Baton</span></a>
      <nav aria-label="Demos"><ul>${links.join('')}</ul></nav>
      <form class="doc" method="get" title="Another name opens another document">
        <label for="doc">Document</label>
        <input id="doc" name="doc" required maxlength="200" autocomplete="off" spellcheck="false" data-testid="doc-input" />
      </form>
    </header>
    <div class="page">
      <main class="main" id="main" tabindex="-1">
        <div class="intro"><h1>${page.heading}</h1><p class="lead">${page.lead}</p></div>
        <div id="content" class="column"><p class="unseen">Loading</p>${blocks.join('')}</div>
        <noscript><p>This page is a program: it needs JavaScript.</p></noscript>
      </main>
      <aside class="side" id="side" aria-label="People and controls">${'<svg class="ghost" height="120" aria-hidden="true"></svg>'.repeat(2)}</aside>
    </div>
    <p class="unseen" role="status" id="spoken"></p>`
}

/** The mark of `src/dom.ts`, as text. */
function mark(size: number): string {
  const band = (x: number): string => `<rect x="${x}" y="8.75" width="2.1" height="6.5" transform="rotate(-32 12 12)" class="baton-band"/>`
  return (
    `<svg viewBox="0 0 24 24" width="${size}" height="${size}" aria-hidden="true" class="baton-mark">` +
    `<rect x="1.5" y="8.75" width="21" height="6.5" rx="3.25" transform="rotate(-32 12 12)" class="baton-body"/>${band(6.2)}${band(15.7)}</svg>`
  )
}
