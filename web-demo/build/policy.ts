/**
 * Styles into the page, and the content security policy over all of it.
 *
 * The style sheet is put into the HTML: a page with 6 KB of styles is painted a whole round trip earlier. What
 * stands in the HTML is allowed by its hash; nothing else that is inline is, be it a style or a script.
 */
import { createHash } from 'node:crypto'
import type { Plugin } from 'vite'

const LINK = /<link rel="stylesheet"[^>]*href="\.\/([^"]+\.css)"[^>]*>/g

const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** Everything inline between these tags, as its hashes. */
function hashes(html: string, tag: 'script' | 'style'): string[] {
  const inline = html.matchAll(new RegExp(`<${tag}(?![^>]*\\ssrc=)[^>]*>([^]*?)</${tag}>`, 'g'))
  return [...inline].map(([, text]) => hash(text as string))
}

/** The policy for a page. Names, colours and texts come from other people: nothing that they send may fetch or run. */
export function policy(scripts: readonly string[], styles: readonly string[]): string {
  return [
    "default-src 'none'",
    ["script-src 'self'", ...scripts].join(' '),
    ["style-src 'self'", ...styles].join(' '),
    "img-src 'self' data:",
    // The socket, too: it is on the page's own host.
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
  ].join('; ')
}

/** Inlines the styles and writes the policy; in development, where Vite itself writes styles, with looser styles. */
export function stylesAndPolicy(): Plugin {
  const inlined = new Set<string>()
  return {
    name: 'baton-policy',
    transformIndexHtml: {
      order: 'post',
      handler(html, { bundle }) {
        const whole = html.replace(LINK, (link, file: string) => {
          const sheet = bundle?.[file]
          if (sheet?.type !== 'asset') throw new Error(`${link} names no style sheet of this build`)
          inlined.add(file)
          return `<style>${text(sheet.source).trim()}</style>`
        })
        const styles = bundle ? hashes(whole, 'style') : ["'unsafe-inline'"]
        const scripts = bundle ? hashes(whole, 'script') : ["'unsafe-inline'"]
        const meta = `<meta http-equiv="Content-Security-Policy" content="${policy(scripts, styles)}" />`
        // Before all that it is to decide about.
        return whole.replace('<meta charset="utf-8" />', (charset) => `${charset}\n    ${meta}`)
      },
    },
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        for (const file of inlined) delete bundle[file]
      },
    },
  }
}

const text = (source: string | Uint8Array): string => (typeof source === 'string' ? source : new TextDecoder().decode(source))
