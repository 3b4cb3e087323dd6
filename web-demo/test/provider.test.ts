/** Stories of `BatonProvider` over real sockets, against the small server of fake-server.ts. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { BatonProvider, type BatonEvents, type BatonOptions } from '@baton/client'
import { fakeServer, type FakeServer } from './fake-server'

/** Short clocks, in the proportions of the real ones. */
const FAST = { beat_every: 100, server_silent_after: 400, offline_after: 400, offer: 200, grace: 1000, client_stop: 280 }

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

function client(options: BatonOptions = {}, room = 'story', doc = new Y.Doc()): BatonProvider {
  const provider = new BatonProvider(server.url, room, doc, {
    WebSocketPolyfill: WebSocket as never,
    maxBackoffTime: 60,
    user: { name: 'Ada', color: '#c2410c' },
    ...options,
  })
  open.push(provider)
  return provider
}

/** Resolves when `ok` holds, looking whenever the provider says anything. */
function until(provider: BatonProvider, ok: () => boolean, what = ok.toString()): Promise<void> {
  const events: (keyof BatonEvents)[] = ['status', 'sync', 'welcome', 'roster', 'lock', 'may-edit', 'saved', 'parked', 'beat', 'refused', 'connection-error', 'lock-lost']
  return new Promise((done, fail) => {
    const give = setTimeout(() => fail(new Error(`never came true: ${what}`)), 4000)
    const look = (): void => {
      if (!ok()) return
      clearTimeout(give)
      for (const event of events) provider.off(event, look)
      done()
    }
    for (const event of events) provider.on(event, look)
    provider.doc.on('update', look)
    look()
  })
}

const text = (provider: BatonProvider): string => provider.doc.getText('content').toString()
const type = (provider: BatonProvider, words: string): void => provider.doc.getText('content').insert(0, words)

async function holder(options: BatonOptions = {}): Promise<BatonProvider> {
  const provider = client(options)
  await until(provider, () => provider.lock.state === 'free')
  void provider.acquireLock()
  await until(provider, () => provider.lock.state === 'mine')
  return provider
}

describe('a provider like y-websocket’s', () => {
  it('brings two documents in step, and both are told that it is saved', async () => {
    const a = client()
    const b = client()
    await until(a, () => a.synced)
    type(a, 'hello')
    await until(b, () => text(b) === 'hello')
    await until(a, () => a.saveState === 'saved')
    expect(a.wsconnected).toBe(true)
    expect(a.hasUnsaved).toBe(false)
  })

  it('tells connecting, connected and disconnected, and connects only when asked', async () => {
    const a = client({ connect: false })
    const seen: string[] = []
    a.on('status', ({ status }) => seen.push(status))
    expect([a.shouldConnect, a.wsconnected, a.wsconnecting]).toEqual([false, false, false])
    a.connect()
    await until(a, () => a.synced)
    a.disconnect()
    expect(seen).toEqual(['connecting', 'connected', 'disconnected'])
    expect(a.shouldConnect).toBe(false)
  })

  it('escapes the name of the document, and keeps its slashes', () => {
    const a = client({ connect: false, params: { token: 'a b' } }, 'notes/50% über?#.md')
    expect(a.url).toBe(`${server.url}/notes/50%25%20%C3%BCber%3F%23.md?token=a+b`)
    expect(a.roomname).toBe('notes/50% über?#.md')
  })

  it('does not say saved before the server does', async () => {
    server.room('story').holdSaves = true
    const a = client()
    await until(a, () => a.synced)
    type(a, 'x')
    await new Promise((done) => server.room('story').doc.once('update', done))
    expect(a.saveState).toBe('saving')
    expect(a.hasUnsaved).toBe(true)
  })

  it('shows the cursors of others, and takes them away when they leave', async () => {
    const a = client()
    const b = client()
    await until(a, () => a.synced)
    b.awareness.setLocalStateField('user', { name: 'Bo' })
    const seen = (): boolean => a.awareness.getStates().has(b.doc.clientID)
    await vi.waitFor(() => expect(seen()).toBe(true))
    b.destroy()
    await vi.waitFor(() => expect(seen()).toBe(false))
  })

  it('comes back after a broken connection, and brings what was typed meanwhile', async () => {
    const a = client()
    await until(a, () => a.synced)
    for (const one of server.room('story').connections) one.socket.terminate()
    await until(a, () => !a.wsconnected)
    type(a, 'meanwhile')
    expect([a.saveState, a.hasUnsaved]).toEqual(['offline', true])
    await until(a, () => a.saveState === 'saved')
    expect(server.room('story').doc.getText('content').toString()).toBe('meanwhile')
  })

  it('stays away after a final close code, and says why', async () => {
    server.turnAway = 4404
    const refused = new Promise<{ code: number; reason: string }>((done) => client().on('refused', done))
    expect(await refused).toEqual({ code: 4404, reason: 'This is not a document name.' })
    expect([open[0]?.shouldConnect, open[0]?.mayEdit, open[0]?.mayEditWhy]).toEqual([false, false, 'closed'])
  })

  it('comes again after a code that is not final', async () => {
    server.turnAway = 1013
    const a = client()
    await new Promise((done) => a.once('connection-close', done))
    server.turnAway = null
    await until(a, () => a.synced)
  })

  it('starts a new connection when the server sends what is no frame', async () => {
    const a = client()
    await until(a, () => a.synced)
    const complaint = new Promise<{ code: string }>((done) => a.once('channel-error', done))
    for (const one of server.room('story').connections) one.socket.send(new Uint8Array([0, 2, 99]))
    expect((await complaint).code).toBe('protocol')
    await until(a, () => !a.synced)
    await until(a, () => a.synced)
  })
})

describe('the lock', () => {
  it('is offered, claimed and held, and others may not edit meanwhile', async () => {
    const a = await holder()
    expect([a.mayEdit, a.mayEditWhy]).toEqual([true, 'holder'])
    expect(a.lock.peer?.user.name).toBe('Ada')
    const b = client()
    await until(b, () => b.lock.state === 'theirs')
    expect([b.mayEdit, b.mayEditWhy]).toEqual([false, 'theirs'])
    expect(await b.tryLock()).toBe('busy')
  })

  it('passes to the next in the queue on release', async () => {
    const a = await holder()
    const b = client()
    await until(b, () => b.lock.state === 'theirs')
    expect(await b.acquireLock()).toBe('queued')
    await until(b, () => b.lock.place === 1)
    void a.releaseLock()
    expect(a.mayEdit).toBe(false)
    await until(b, () => b.lock.state === 'mine')
    await until(a, () => a.lock.state === 'theirs')
  })

  it('is not waited for after a cancel', async () => {
    const a = await holder()
    const b = client()
    await until(b, () => b.lock.state === 'theirs')
    await b.acquireLock()
    await b.cancelLock()
    await until(b, () => b.lock.state === 'theirs' && b.lock.waiting === 0)
    void a.releaseLock()
    await until(b, () => b.lock.state === 'free')
  })

  it('can be declined', async () => {
    const a = client({ claim: () => false })
    await until(a, () => a.lock.state === 'free')
    void a.acquireLock()
    await vi.waitFor(() => expect(server.room('story').heard.some((m) => m.type === 'decline')).toBe(true))
    expect(a.lock.state).not.toBe('mine')
  })

  it('survives a broken connection, with the same fence', async () => {
    const a = await holder()
    const before = a.lock.fence
    const kept = new Promise<{ kept: boolean }>((done) => a.once('lock-granted', done))
    for (const one of server.room('story').connections) one.socket.terminate()
    expect((await kept).kept).toBe(true)
    expect(a.lock.fence).toEqual(before)
  })

  it('passes on when the heartbeat stops, and the old holder has stopped editing before', async () => {
    const a = await holder()
    const b = client()
    await until(b, () => b.lock.state === 'theirs')
    const order: string[] = []
    a.on('may-edit', ({ mayEdit, why }) => order.push(`a ${String(mayEdit)} ${why}`))
    b.on('lock-granted', () => order.push('b granted'))
    const lost = new Promise<{ reason: string | null }>((done) => a.once('lock-lost', done))
    a.debug.stopHeartbeat(true)
    await until(b, () => b.lock.state === 'mine')
    expect((await lost).reason).toMatch(/too long/)
    expect(order.indexOf('a false unconfirmed')).toBeGreaterThanOrEqual(0)
    expect(order.indexOf('a false unconfirmed')).toBeLessThan(order.indexOf('b granted'))
    expect(a.roster.get(a.session ?? -1)?.state).toBe('offline')
  })

  it('is kept by a page that goes on answering', async () => {
    const a = await holder()
    const rights: boolean[] = []
    a.on('may-edit', ({ mayEdit }) => rights.push(mayEdit))
    await new Promise<void>((done) => a.on('beat', ({ n }) => n >= 25 && done()))
    expect(rights).toEqual([])
    expect(a.mayEdit).toBe(true)
  })
})

describe('a cut network', () => {
  it('is noticed by both ends, and healed without loss', async () => {
    const a = await holder()
    const b = client()
    await until(b, () => b.synced)
    a.debug.cutNetwork(true)
    type(a, 'typed into the void')
    expect(a.wsconnected).toBe(true)
    await until(b, () => b.lock.state === 'mine')
    await until(a, () => !a.wsconnected)
    await new Promise((done) => a.once('connection-error', done))
    void b.releaseLock()
    await until(b, () => b.lock.state === 'free')
    type(b, 'from b. ')
    a.debug.cutNetwork(false)
    await until(a, () => a.saveState === 'saved')
    await vi.waitFor(() => expect(text(a)).toBe(text(b)))
    expect(text(b)).toContain('typed into the void')
    expect(a.lock.state).not.toBe('mine')
  })

  it('does not let the far side see a close', async () => {
    const a = client()
    await until(a, () => a.synced)
    const closes: number[] = []
    for (const one of server.room('story').connections) one.socket.on('close', (code: number) => closes.push(code))
    a.debug.cutNetwork(true)
    await until(a, () => !a.wsconnected)
    expect(closes).toEqual([])
    a.debug.cutNetwork(false)
    await until(a, () => a.synced)
    await vi.waitFor(() => expect(closes.length).toBe(1))
    expect(closes[0]).not.toBe(1000)
  })

  it('that is plugged in again soon starts a new connection, since frames were lost', async () => {
    const a = client()
    const b = client()
    await until(a, () => a.synced && b.synced)
    a.debug.cutNetwork(true)
    type(b, 'missed')
    await vi.waitFor(() => expect(server.room('story').doc.getText('content').length).toBe(6))
    a.debug.cutNetwork(false)
    await until(a, () => text(a) === 'missed')
  })
})

describe('an edit under somebody else’s lock', () => {
  it('is parked; the copy says so, stops editing and sends nothing more', async () => {
    await holder()
    const b = client()
    await until(b, () => b.lock.state === 'theirs')
    const parked = new Promise<{ id: number }>((done) => b.once('parked', done))
    type(b, 'out of turn')
    expect((await parked).id).toBeGreaterThan(0)
    await until(b, () => b.mayEditWhy === 'diverged')
    type(b, 'more ')
    for (const one of server.room('story').connections) if (one.session?.id === b.session) one.socket.terminate()
    await until(b, () => !b.wsconnected)
    await until(b, () => b.synced)
    const a = open[0] as BatonProvider
    type(a, 'in turn')
    await until(b, () => text(b).includes('in turn'))
    expect(server.room('story').doc.getText('content').toString()).toBe('in turn')
  })
})

describe('a tab', () => {
  /** A page with nothing but what the client listens to, and a sessionStorage. */
  function page(storage = new Map<string, string>()): { hide(): void; storage: Map<string, string> } {
    const target = new EventTarget()
    vi.stubGlobal('window', target)
    vi.stubGlobal('document', Object.assign(new EventTarget(), { visibilityState: 'visible' }))
    vi.stubGlobal('addEventListener', () => {})
    vi.stubGlobal('sessionStorage', {
      getItem: (k: string) => storage.get(k) ?? null,
      setItem: (k: string, v: string) => storage.set(k, v),
      removeItem: (k: string) => storage.delete(k),
    })
    return { hide: () => target.dispatchEvent(new Event('pagehide')), storage }
  }

  it('that is reloaded goes on with its session and the lock', async () => {
    const { hide, storage } = page()
    const before = await holder()
    hide()
    for (const one of server.room('story').connections) one.socket.terminate()
    before.disconnect()
    page(storage)
    const after = client()
    await until(after, () => after.lock.state === 'mine')
    expect(after.session).toBe(before.session)
    expect(after.lock.fence).toEqual(before.lock.fence)
    expect(after.mayEdit).toBe(true)
    expect(storage.size).toBe(0)
  })

  it('that is duplicated while it lives is a session of its own', async () => {
    const { storage } = page()
    const one = await holder()
    page(new Map(storage))
    const two = client()
    await until(two, () => two.session !== null)
    expect(two.session).not.toBe(one.session)
    expect(one.lock.state).toBe('mine')
  })

  it('whose token was used already is a new session and holds nothing', async () => {
    const { hide, storage } = page()
    const before = await holder()
    hide()
    const stolen = new Map(storage)
    before.disconnect()
    page(storage)
    const after = client()
    await until(after, () => after.session === before.session)
    page(stolen)
    const copy = client()
    await until(copy, () => copy.session !== null)
    expect(copy.session).not.toBe(after.session)
    expect(copy.mayEdit).toBe(false)
  })

  it('leaves for good by destroy, and the lock passes at once', async () => {
    const a = await holder()
    const b = client()
    await until(b, () => b.lock.state === 'theirs')
    void b.acquireLock()
    await until(b, () => b.lock.place === 1)
    a.destroy()
    await until(b, () => b.lock.state === 'mine')
    expect(b.roster.size).toBe(1)
  })
})
