/** The token in the address of a page. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { endWords } from 'baton-client'
import { splitToken, takeToken } from '../src/token'

afterEach(() => vi.unstubAllGlobals())

/** A browser's address, history and memory, as far as the page uses them. */
function browser(hash: string, kept: Record<string, string> = {}): { replaced: string[]; kept: Record<string, string> } {
  const replaced: string[] = []
  vi.stubGlobal('location', { hash, pathname: '/', search: '?doc=notes' })
  vi.stubGlobal('history', { state: null, replaceState: (_: unknown, __: string, url: string) => replaced.push(url) })
  vi.stubGlobal('sessionStorage', { getItem: (key: string) => kept[key] ?? null, setItem: (key: string, value: string) => (kept[key] = value) })
  return { replaced, kept }
}

describe('the token of an address', () => {
  it('leaves the address and its history, and nothing else does', () => {
    const { replaced } = browser('#part&token=a.b%2Bc&x=1')
    expect(takeToken()).toBe('a.b+c')
    expect(replaced).toEqual(['/?doc=notes#part&x=1'])
  })

  it('is remembered by the tab, until another or an empty one comes', () => {
    const first = browser('#token=one')
    expect(takeToken()).toBe('one')
    const reloaded = browser('', first.kept)
    expect(takeToken()).toBe('one')
    expect(reloaded.replaced).toEqual([])
    browser('#token=two', first.kept)
    expect(takeToken()).toBe('two')
    browser('#token=', first.kept)
    expect(takeToken()).toBeNull()
    browser('', first.kept)
    expect(takeToken()).toBeNull()
  })

  it('is what stands there when it is no escaped text', () => {
    expect(splitToken('#token=50%')).toEqual({ token: '50%', rest: '' })
    expect(splitToken('#nottoken=x')).toEqual({ token: null, rest: '#nottoken=x' })
  })
})

describe('the end of a connection in words', () => {
  it('is what the server said, with the meaning of a reason that is one word', () => {
    expect(endWords({ code: 4401, reason: 'expired' })).toBe('The server asks for a token, and did not get one that counts. (expired)')
    expect(endWords({ code: 4400, reason: 'a frame was cut' })).toBe('a frame was cut')
    expect(endWords({ code: 1006, reason: '' })).toBe('The connection broke.')
  })
})
