/** A first sync that comes compressed, and a server that does so badly. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { BatonProvider } from 'baton-client'
import { inflate } from '../client/src/inflate'
import { Inflow, type Taken } from '../client/src/inflow'
import { compressed, fakeServer, type FakeServer } from './fake-server'

const PROSE = 'all work and no play makes a document easy to compress; '.repeat(200)

function update(words: string): Uint8Array {
  const doc = new Y.Doc()
  doc.getText('content').insert(0, words)
  return Y.encodeStateAsUpdate(doc)
}

describe('inflating', () => {
  it('returns the update, also one of many slices', async () => {
    const noise = Array.from({ length: 40_000 }, (_, i) => String.fromCharCode(0x4e00 + ((i * 7919) % 20_000))).join('')
    for (const words of [PROSE, noise]) {
      const whole = update(words)
      expect(Buffer.compare(await inflate(compressed(whole)), whole)).toBe(0)
    }
  })

  it('refuses a bomb by what it states, and keeps no more of it than that', async () => {
    const bomb = new Uint8Array(1 << 20)
    await expect(inflate(compressed(bomb), (1 << 20) - 1)).rejects.toThrow('states 1048576 bytes, more than 1048575')
    await expect(inflate(compressed(randomBytes(70_000), 64 * 1024 * 1024 + 1))).rejects.toThrow('more than 67108864')
    for (const length of [0, 10, 100_000, (1 << 20) - 1]) {
      await expect(inflate(compressed(bomb, length))).rejects.toThrow(`not the ${length} bytes`)
    }
  })

  it('refuses a statement that cannot be true without allocating for it', async () => {
    await expect(inflate(compressed(new Uint8Array(4), 1 << 20))).rejects.toThrow(/states 1048576 bytes, more than \d{4}$/)
  })

  it('refuses what is truncated, damaged, or shorter than it states', async () => {
    const whole = update(PROSE)
    const sound = compressed(whole)
    for (const end of [0, 1, 2, 10, sound.length - 1]) await expect(inflate(sound.subarray(0, end))).rejects.toThrow()
    await expect(inflate(compressed(whole, whole.length + 1))).rejects.toThrow('that it states')
    const damaged = sound.slice()
    damaged.fill(0xff, 4, 12)
    await expect(inflate(damaged)).rejects.toThrow()
  })
})

describe('the frames behind a compressed one', () => {
  const update1 = update('one'.repeat(500))
  const update2 = update('two'.repeat(500))

  it('wait for it, and are taken in the order of their coming', async () => {
    const taken: string[] = []
    const inflow = new Inflow({ take: (frame) => void taken.push(frame.kind), failed: (error) => void taken.push(String(error)) })
    inflow.add({ kind: 'baton', json: '{}' })
    inflow.add({ kind: 'compressed', step: 'update', payload: compressed(update1) })
    inflow.add({ kind: 'query-awareness' })
    inflow.add({ kind: 'compressed', step: 'step2', payload: compressed(update2) })
    inflow.add({ kind: 'denied', reason: '' })
    expect(taken).toEqual(['baton'])
    await vi.waitFor(() => expect(taken).toEqual(['baton', 'update', 'query-awareness', 'step2', 'denied']))
    inflow.add({ kind: 'baton', json: '{}' })
    expect(taken.length).toBe(6)
  })

  it('are not taken when it is damaged, or when its connection is over', async () => {
    const taken: unknown[] = []
    const take = (frame: Taken): unknown => taken.push(frame.kind)
    const inflow: Inflow = new Inflow({
      take,
      failed: () => {
        taken.push('failed')
        inflow.closed()
      },
    })
    inflow.add({ kind: 'compressed', step: 'update', payload: compressed(update1, 3) })
    inflow.add({ kind: 'query-awareness' })
    await vi.waitFor(() => expect(taken).toEqual(['failed']))
    inflow.add({ kind: 'compressed', step: 'update', payload: compressed(update1) })
    inflow.add({ kind: 'query-awareness' })
    inflow.closed()
    inflow.add({ kind: 'compressed', step: 'step2', payload: compressed(update2) })
    await vi.waitFor(() => expect(taken).toEqual(['failed', 'step2']))
  })
})

describe('a provider', () => {
  let server: FakeServer
  let provider: BatonProvider | null = null

  beforeEach(async () => {
    server = await fakeServer()
  })

  afterEach(async () => {
    provider?.destroy()
    provider = null
    await server.close()
  })

  const join = (): BatonProvider => (provider = new BatonProvider(server.url, 'story', new Y.Doc(), { WebSocketPolyfill: WebSocket, maxBackoffTime: 60 }))
  const text = (): string | undefined => provider?.doc.getText('content').toString()

  it('asks for a compressed first sync and takes it', async () => {
    const room = server.room('story')
    room.doc.getText('content').insert(0, PROSE)
    let sent = 0
    room.spoil = (payload) => {
      sent = payload.length
      return payload
    }
    join()
    await vi.waitFor(() => expect(provider?.synced).toBe(true))
    expect(text()).toBe(PROSE)
    expect(sent).toBeGreaterThan(0)
    expect(sent).toBeLessThan(PROSE.length / 10)
    provider?.doc.getText('content').insert(0, 'and goes on: ')
    await vi.waitFor(() => expect(provider?.saveState).toBe('saved'))
    expect(room.doc.getText('content').toString()).toBe(`and goes on: ${PROSE}`)
  })

  it('closes the connection of a server that sends a bomb, says why, applies nothing, and comes again', async () => {
    const room = server.room('story')
    room.doc.getText('content').insert(0, PROSE)
    room.spoil = () => compressed(new Uint8Array(1 << 20), 1 << 16)
    const errors: string[] = []
    const closed: string[] = []
    join()
    provider?.on('channel-error', ({ message }) => errors.push(message))
    provider?.on('connection-close', ({ reason }) => closed.push(reason))
    await vi.waitFor(() => expect(closed.length).toBeGreaterThan(1))
    expect(errors[0]).toContain('not the 65536 bytes that it states')
    expect(closed[0]).toBe('a frame of the server was not understood')
    expect([text(), provider?.synced]).toEqual(['', false])
    room.spoil = (payload) => payload
    await vi.waitFor(() => expect(provider?.synced).toBe(true))
    expect(text()).toBe(PROSE)
  })
})
