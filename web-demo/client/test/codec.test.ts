import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { encodeServerFrame } from '../../test/server-frames'
import { encodeClientMessage } from '../src/channel.js'
import { decodeFrame, encodeFrame } from '../src/codec.js'
import { decodeServerMessage } from '../src/shapes.js'

interface Example {
  line: string
  from: 'client' | 'server'
  bytes: Uint8Array
}

/** The examples of docs/protocol.md for the wire of this package: a direction, hex with or without gaps, then two spaces and a remark. */
function examples(): Example[] {
  const page = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8')
  const [own = ''] = page.split(/^## .*Hocuspocus wire$/m)
  const blocks = own.split('```').filter((_, i) => i % 2 === 1)
  return blocks
    .flatMap((block) => block.split('\n'))
    .filter((line) => /^[<>] [0-9a-f]{2}/.test(line))
    .map((line) => {
      const hex = (line.slice(2).split(/\s{2,}/)[0] ?? '').replaceAll(' ', '')
      return { line, from: line.startsWith('<') ? 'server' : 'client', bytes: new Uint8Array(Buffer.from(hex, 'hex')) } as const
    })
}

describe('the examples of docs/protocol.md', () => {
  it('are there', () => {
    const all = examples()
    expect(all.length).toBeGreaterThanOrEqual(5)
    expect(all.some((e) => e.bytes[0] === 98)).toBe(true)
  })

  it.each(examples().map((e) => [e.line.slice(0, 60), e] as const))('%s is read whole and written the same', (_, example) => {
    const frame = decodeFrame(example.bytes)
    if (frame.kind === 'unknown') throw new Error('a documented frame is unknown')
    expect(Buffer.from(encodeServerFrame(frame)).toString('hex')).toBe(Buffer.from(example.bytes).toString('hex'))
    if (frame.kind === 'baton' && example.from === 'server') expect(decodeServerMessage(frame.json)).not.toBeNull()
  })

  it('hold the hello that this package writes', () => {
    const json = encodeClientMessage({ type: 'hello', version: 1, user: { name: 'Ada' } as never })
    const hello = Buffer.from(encodeFrame({ kind: 'baton', json })).toString('hex')
    expect(examples().map((e) => Buffer.from(e.bytes).toString('hex'))).toContain(hello)
  })
})

describe('frames', () => {
  it('of an unknown type are told apart from broken ones', () => {
    expect(decodeFrame(new Uint8Array([77, 1, 2, 3]))).toEqual({ kind: 'unknown', type: 77 })
    expect(() => decodeFrame(new Uint8Array([0, 2, 9, 1]))).toThrow()
    expect(() => decodeFrame(new Uint8Array([]))).toThrow()
  })

  it('carry the reason of a denial', () => {
    expect(decodeFrame(encodeServerFrame({ kind: 'denied', reason: 'näh' }))).toEqual({ kind: 'denied', reason: 'näh' })
  })
})

describe('messages of the channel', () => {
  it('of a newer type are passed over', () => {
    expect(decodeServerMessage('{"type":"fanfare","fence":{"epoch":1,"position":2}}')).toBeNull()
    expect(decodeServerMessage('{"type":"toString"}')).toBeNull()
  })

  it('may have more fields than this package knows', () => {
    expect(decodeServerMessage('{"type":"beat","n":1,"confirmed":0,"extra":true}')).toMatchObject({ type: 'beat', n: 1 })
  })

  it.each(['7', 'null', '[]', '{', '{"type":"beat","n":-1,"confirmed":0}', '{"type":"granted"}', '{"type":"lost","fence":{"epoch":1},"reason":""}'])(
    'that lack what they must have are refused: %s',
    (json) => expect(() => decodeServerMessage(json)).toThrow(),
  )
})
