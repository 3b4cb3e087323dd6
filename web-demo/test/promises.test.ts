/** Stories of the promises of `BatonProvider`, of its user and its token, against the small server of fake-server.ts. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import WebSocket from 'ws'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { BatonError, BatonProvider, type BatonOptions } from 'baton-client'
import { fakeServer, type FakeServer, type Room } from './fake-server'

/** Short clocks, in the proportions of the real ones. */
const FAST = { beat_every: 100, server_silent_after: 400, offline_after: 400, offer: 200, grace: 1000, client_stop: 280, drain: 300, request: 400 }

let server: FakeServer
const open: BatonProvider[] = []

beforeEach(async () => {
  server = await fakeServer(FAST)
})

afterEach(async () => {
  for (const provider of open.splice(0)) provider.destroy()
  vi.unstubAllGlobals()
  await server.close()
})

function client(options: BatonOptions = {}, doc = new Y.Doc()): BatonProvider {
  const provider = new BatonProvider(server.url, 'story', doc, { WebSocketPolyfill: WebSocket, maxBackoffTime: 60, ...options })
  open.push(provider)
  return provider
}

const room = (): Room => server.room('story')
const breakConnections = (): void => {
  for (const one of room().connections) one.socket.terminate()
}
const type = (provider: BatonProvider, words: string): void => provider.doc.getText('content').insert(0, words)
const heard = (kind: string): number => room().heard.filter((message) => message.type === kind).length

/** The error of a promise that must be broken. */
async function broken(promise: Promise<unknown>): Promise<BatonError> {
  const error: unknown = await promise.then(() => 'kept', (reason: unknown) => reason)
  expect(error).toBeInstanceOf(BatonError)
  return error as BatonError
}

describe('ready', () => {
  it('is kept when the document is in step and the session there', async () => {
    room().doc.getText('content').insert(0, 'before')
    const a = client()
    expect(a.session).toBe(null)
    await a.ready()
    expect([a.synced, a.session !== null, a.doc.getText('content').toString()]).toEqual([true, true, 'before'])
    await a.ready()
  })

  it('waits out failures, and is broken by a refusal, with the code', async () => {
    server.turnAway = 1013
    const a = client()
    const ready = a.ready()
    await vi.waitFor(() => expect(server.turnedAway).toBeGreaterThan(1))
    server.turnAway = 4403
    const error = await broken(ready)
    expect([error.code, error.closeCode]).toEqual(['refused', 4403])
    expect((await broken(a.ready())).code).toBe('refused')
    server.turnAway = null
    a.connect()
    await a.ready()
    expect(a.mayEdit).toBe(true)
  })

  it('is broken by the signal of the caller, with the last failure, and by destroy', async () => {
    server.turnAway = 4500
    const a = client()
    await vi.waitFor(() => expect(server.turnedAway).toBeGreaterThan(0))
    const error = await broken(a.ready({ signal: AbortSignal.timeout(50) }))
    expect([error.code, error.closeCode]).toEqual(['aborted', 4500])
    expect((await broken(a.ready({ signal: AbortSignal.abort() }))).code).toBe('aborted')
    const waiting = a.ready()
    a.destroy()
    expect((await broken(waiting)).code).toBe('destroyed')
    expect((await broken(a.ready())).code).toBe('destroyed')
  })
})

describe('saved', () => {
  it('is kept when what was there is durable, also over a lost connection', async () => {
    const a = client()
    await a.ready()
    room().holdSaves = true
    type(a, 'one')
    let isKept = false
    const saved = a.saved().then(() => (isKept = true))
    await vi.waitFor(() => expect(room().doc.getText('content').toString()).toBe('one'))
    expect(isKept).toBe(false)
    room().holdSaves = false
    breakConnections()
    await saved
    expect(a.hasUnsaved).toBe(false)
  })

  it('is broken when an edit was set aside', async () => {
    const a = client()
    const b = client()
    await Promise.all([a.ready(), b.ready()])
    await a.lock.acquire()
    await vi.waitFor(() => expect([a.lock.state, b.lock.state]).toEqual(['mine', 'theirs']))
    type(b, 'against the lock')
    expect((await broken(b.saved())).code).toBe('parked')
    await vi.waitFor(() => expect(b.doc.getText('content').toString()).toBe(''))
    await b.saved()
  })

  it('is broken for a reader that has edited', async () => {
    room().rights = []
    room().holdSaves = true
    const a = client()
    await a.ready()
    await a.saved({ signal: AbortSignal.timeout(50) }).catch(() => {})
    type(a, 'no')
    expect((await broken(a.saved())).code).toBe('read-only')
  })
})

describe('a wish for the lock', () => {
  it('that is made before the session is there waits for it', async () => {
    const a = client({ connect: false })
    const answer = a.lock.acquire()
    expect(a.lock.state).toBe('unknown')
    a.connect()
    expect(['done', 'queued']).toContain((await answer).outcome)
    await vi.waitFor(() => expect(a.lock.state).toBe('mine'))
    expect(heard('acquire')).toBe(1)
  })

  it('is answered over the next connection when this one breaks, and asked for once on each', async () => {
    const a = client()
    const b = client()
    await Promise.all([a.ready(), b.ready()])
    await a.lock.acquire()
    await vi.waitFor(() => expect(b.lock.state).toBe('theirs'))
    const before = heard('acquire')
    // Cut off before the answer can come.
    const answer = b.lock.acquire()
    for (const [, session] of room().sessions) if (session.id === b.session) session.connection?.socket.terminate()
    expect((await answer).outcome).toBe('queued')
    expect(heard('acquire') - before).toBeLessThanOrEqual(2)
    expect(room().locks.view().queue.map(({ session }) => session)).toEqual([b.session])
  })

  it('is held when this session has it', async () => {
    const a = client({ connect: false })
    const held = a.lock.hold()
    a.connect()
    await held
    expect([a.lock.state, a.mayEdit]).toEqual(['mine', true])
    await a.lock.hold()
    const b = client()
    const waits = b.lock.hold()
    await vi.waitFor(() => expect(b.lock.place).toBe(1))
    await a.lock.release()
    await waits
    expect(b.lock.state).toBe('mine')
  })

  it('that is refused or given up breaks the promise to hold it, and an abort gives it up', async () => {
    const a = client()
    const b = client()
    await a.lockFor([['title']]).hold()
    await b.lockFor([['body']]).hold()
    expect((await broken(a.lockFor([['body']]).hold())).message).toContain('would-wait')
    await b.lockFor([['body']]).release()
    const given = b.lock.hold()
    await vi.waitFor(() => expect(b.lock.place).toBe(1))
    void b.lock.cancel()
    expect((await broken(given)).code).toBe('not-granted')
    await vi.waitFor(() => expect(room().locks.view().queue).toEqual([]))
    const late = b.lock.hold({ signal: AbortSignal.timeout(100) })
    await vi.waitFor(() => expect(b.lock.place).toBe(1))
    expect((await broken(late)).code).toBe('aborted')
    await vi.waitFor(() => expect(room().locks.view().queue).toEqual([]))
    expect(b.lock.state).toBe('theirs')
  })

  it('is unsent when it is given up, replaced, or the provider destroyed before', async () => {
    const a = client({ connect: false })
    const given = a.lock.acquire()
    await a.lock.cancel()
    expect((await given).outcome).toBe('unsent')
    const replaced = a.lock.acquire()
    const last = a.lockFor([['title']]).acquire()
    expect((await replaced).outcome).toBe('unsent')
    a.destroy()
    expect((await last).outcome).toBe('unsent')
    expect((await a.lock.acquire()).outcome).toBe('unsent')
  })
})

describe('the user', () => {
  it('stands in the awareness state, beside what the program put there', async () => {
    const doc = new Y.Doc()
    const awareness = new Awareness(doc)
    awareness.setLocalState({ user: { colorLight: '#fff' }, cursor: 1 })
    const a = client({ user: { name: 'Ada', color: '#c2410c' }, awareness }, doc)
    expect(awareness.getLocalState()).toEqual({ user: { name: 'Ada', color: '#c2410c', colorLight: '#fff' }, cursor: 1 })
    a.user = { name: 'Bo', color: '#fff' }
    const b = client()
    await vi.waitFor(() => expect(b.awareness.getStates().get(doc.clientID)?.user).toMatchObject({ name: 'Bo', colorLight: '#fff' }))
    expect(b.awareness.getLocalState()).toEqual({})
    awareness.destroy()
  })
})

describe('a token', () => {
  const shown = (): (string | undefined)[] => room().heard.flatMap((message) => (message.type === 'hello' ? [message.token] : []))

  it('may come late, and is asked for before each attempt', async () => {
    let asked = 0
    const a = client({ token: async () => (await Promise.resolve(), `token-${++asked}`) })
    await a.ready()
    breakConnections()
    await vi.waitFor(() => expect(shown()).toEqual(['token-1', 'token-2']))
  })

  it('that cannot be had is an attempt that failed', async () => {
    let asked = 0
    const a = client({ token: () => (++asked < 3 ? Promise.reject(new Error('no network')) : Promise.resolve('late')) })
    const failed = new Promise<{ reason: string }>((done) => a.once('connection-error', done))
    expect((await failed).reason).toContain('no network')
    await a.ready()
    expect(shown()).toEqual(['late'])
  })

  it('that comes after the provider has left opens nothing', async () => {
    let give = (_: string): void => {}
    const a = client({ token: () => new Promise((done) => (give = done)) })
    const late = give
    a.disconnect()
    late('late')
    await new Promise((done) => setTimeout(done, 50))
    expect([a.wsconnecting, a.ws, shown()]).toEqual([false, null, []])
    a.connect()
    late('late')
    a.disconnect()
    a.connect()
    const second = give
    a.disconnect()
    a.connect()
    second('late')
    await new Promise((done) => setTimeout(done, 50))
    expect([a.ws, shown()]).toEqual([null, []])
    give('in time')
    await a.ready()
    expect(shown()).toEqual(['in time'])
  })

  it('is replaced before it expires', async () => {
    let asked = 0
    const a = client({ token: () => Promise.resolve(`token-${++asked}`) })
    await a.ready()
    room().tell(a.session ?? -1, { type: 'token-expiring', left_ms: 30_000 })
    await vi.waitFor(() => expect(room().heard).toContainEqual({ type: 'token', token: 'token-2' }))
  })

  it('that is fixed is not shown again when it expires', async () => {
    const a = client({ token: 'fixed' })
    await a.ready()
    room().tell(a.session ?? -1, { type: 'token-expiring', left_ms: 30_000 })
    // The answer comes behind that word.
    await a.lock.try()
    await a.lock.release()
    expect(room().heard.filter(({ type }) => type === 'token')).toEqual([])
  })

  it('that was refused is asked for once more; two refusals are final', async () => {
    let asked = 0
    const a = client({ token: () => `token-${++asked}` })
    await a.ready()
    const session = a.session
    server.turnAway = 4401
    breakConnections()
    const error = await broken(new Promise((_, fail) => a.once('closed', () => a.ready().catch(fail))))
    expect([error.closeCode, server.turnedAway, asked]).toEqual([4401, 2, 3])
    expect(session).not.toBe(null)
  })

  it('that is fixed is final when it is refused', async () => {
    server.turnAway = 4401
    const a = client({ token: 'fixed' })
    expect((await broken(a.ready())).code).toBe('refused')
    expect(server.turnedAway).toBe(1)
  })
})

describe('without a WebSocket', () => {
  it('a provider that shall connect is an error that says what to do; one that shall not is none', () => {
    vi.stubGlobal('WebSocket', undefined)
    expect(() => new BatonProvider(server.url, 'story', new Y.Doc())).toThrow(/WebSocketPolyfill/)
    const a = client({ connect: false, WebSocketPolyfill: undefined as never })
    expect(() => a.connect()).toThrow(/WebSocketPolyfill/)
    expect(a.shouldConnect).toBe(false)
  })
})

it('comes again after a final code when the program says so', async () => {
  server.turnAway = 4404
  const codes: number[] = []
  const a = client({ shouldReconnect: ({ code }, provider) => codes.push(code) < 3 && provider === open[0] })
  await new Promise((done) => a.once('closed', done))
  expect([codes, server.turnedAway]).toEqual([[4404, 4404, 4404], 3])
})
