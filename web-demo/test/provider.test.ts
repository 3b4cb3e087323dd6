/** Stories of `BatonProvider` over real sockets, against the small server of fake-server.ts. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { BatonProvider, draftDoc, MemoryDrafts, type BatonEvents, type BatonOptions, type Draft } from 'baton-client'
import { fakeServer, type FakeServer } from './fake-server'

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

function client(options: BatonOptions = {}, room = 'story', doc = new Y.Doc()): BatonProvider {
  const provider = new BatonProvider(server.url, room, doc, {
    WebSocketPolyfill: WebSocket,
    maxBackoffTime: 60,
    user: { name: 'Ada', color: '#c2410c' },
    ...options,
  })
  open.push(provider)
  return provider
}

/** Resolves when `ok` holds, looking whenever the provider says anything. */
function until(provider: BatonProvider, ok: () => boolean, what = ok.toString()): Promise<void> {
  const events: (keyof BatonEvents)[] = ['status', 'sync', 'welcome', 'roster', 'lock', 'may-edit', 'saved', 'parked', 'beat', 'closed', 'connection-error', 'lock-lost', 'requested', 'request-over', 'mode', 'park', 'drafts', 'doc']
  return new Promise((done, fail) => {
    const give = setTimeout(() => fail(new Error(`never came true: ${what}`)), 4000)
    const look = (): void => {
      if (!ok()) return
      clearTimeout(give)
      for (const event of events) provider.off(event, look)
      done()
    }
    for (const event of events) provider.on(event, look)
    const follow = (doc: Y.Doc): unknown => doc.on('update', look)
    follow(provider.doc)
    provider.on('doc', follow)
    look()
  })
}

const text = (provider: BatonProvider): string => provider.doc.getText('content').toString()
const type = (provider: BatonProvider, words: string): void => provider.doc.getText('content').insert(0, words)

async function holder(options: BatonOptions = {}): Promise<BatonProvider> {
  const provider = client(options)
  await until(provider, () => provider.lock.state === 'free')
  void provider.lock.acquire()
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
    const refused = new Promise<{ code: number; reason: string }>((done) => client().on('closed', done))
    expect(await refused).toEqual({ code: 4404, reason: '' })
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
    expect((await b.lock.try()).outcome).toBe('busy')
  })

  it('passes to the next in the queue on release', async () => {
    const a = await holder()
    const b = client()
    await until(b, () => b.lock.state === 'theirs')
    expect((await b.lock.acquire()).outcome).toBe('queued')
    await until(b, () => b.lock.place === 1)
    void a.lock.release()
    expect(a.mayEdit).toBe(false)
    await until(b, () => b.lock.state === 'mine')
    await until(a, () => a.lock.state === 'theirs')
  })

  it('is not waited for after a cancel', async () => {
    const a = await holder()
    const b = client()
    await until(b, () => b.lock.state === 'theirs')
    await b.lock.acquire()
    await b.lock.cancel()
    await until(b, () => b.lock.state === 'theirs' && b.lock.status.waiting === 0)
    void a.lock.release()
    await until(b, () => b.lock.state === 'free')
  })

  it('can be declined', async () => {
    const a = client({ claim: () => false })
    await until(a, () => a.lock.state === 'free')
    void a.lock.acquire()
    await vi.waitFor(() => expect(server.room('story').heard.some((m) => m.type === 'decline')).toBe(true))
    expect(a.lock.state).not.toBe('mine')
    await until(a, () => a.lock.state === 'free')
  })

  it('can be declined for now', async () => {
    const a = client({ claim: () => 'later' })
    await until(a, () => a.lock.state === 'free')
    void a.lock.acquire()
    await vi.waitFor(() => expect(server.room('story').heard.some((m) => m.type === 'decline' && m.later)).toBe(true))
    await until(a, () => a.lock.state === 'waiting')
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
    void b.lock.release()
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

describe('a lock that is handed over', () => {
  const drained = (): boolean => server.room('story').heard.some(({ type }) => type === 'drained')

  async function two(): Promise<[BatonProvider, BatonProvider]> {
    const a = await holder()
    const b = client({ user: { name: 'Bo', color: '#047857' } })
    await until(b, () => b.lock.state === 'theirs')
    return [a, b]
  }

  it('goes to a named peer who never asked, and the holder has stopped before', async () => {
    const [a, b] = await two()
    const order: string[] = []
    a.on('may-edit', ({ why }) => order.push(why))
    a.on('draining', ({ reason, to }) => order.push(`${reason} to ${to === b.session ? 'b' : 'nobody'}`))
    b.on('lock-granted', () => order.push('b granted'))
    const over = new Promise<{ to: number | null }>((done) => a.once('lock-handed-over', done))
    a.on('lock-lost', () => order.push('lost'))
    expect((await a.lock.transfer(b.session ?? 0)).outcome).toBe('done')
    await until(b, () => b.lock.state === 'mine')
    expect((await over).to).toBe(b.session)
    expect(order.slice(0, 2)).toEqual(['draining', 'transfer to b'])
    expect(order).toContain('b granted')
    expect(order).not.toContain('lost')
    expect(server.room('story').parks.size).toBe(0)
  })

  it('waits for what the application still has to write', async () => {
    const [a, b] = await two()
    a.on('draining', ({ waitUntil }) =>
      waitUntil(
        new Promise((done) => setTimeout(done, 50)).then(() => {
          expect(drained()).toBe(false)
          type(a, 'last words')
        }),
      ),
    )
    void a.lock.transfer(b.session ?? 0)
    await until(b, () => b.lock.state === 'mine')
    expect(drained()).toBe(true)
    await until(b, () => text(b) === 'last words')
    expect(server.room('story').parks.size).toBe(0)
  })

  it('is asked for with a note, and passes when the holder lets the time run out', async () => {
    const [a, b] = await two()
    const asked = new Promise<{ by: number; note: string }>((done) => a.once('requested', done))
    expect((await b.lock.request('two minutes, please')).outcome).toBe('queued')
    expect(await asked).toMatchObject({ by: b.session, note: 'two minutes, please' })
    expect(a.lock.status.request?.note).toBe('two minutes, please')
    expect(b.lock.state).toBe('waiting')
    await until(b, () => b.lock.status.requestedBy === b.session)
    await until(b, () => b.lock.state === 'mine')
    expect(a.lock.status.request).toBeNull()
  })

  it('is not asked for any more when the asker gives up', async () => {
    const [a, b] = await two()
    await b.lock.request()
    await until(a, () => a.lock.status.request !== null)
    await b.lock.cancel()
    await until(a, () => a.lock.status.request === null)
    expect(a.lock.state).toBe('mine')
  })

  it('is not asked for with a note that is too long', async () => {
    const a = client()
    await until(a, () => a.synced)
    await expect(a.lock.request('ü'.repeat(257))).rejects.toThrow(RangeError)
    expect(a.lock.state).toBe('free')
  })

  it('is taken over with the right to, and not without', async () => {
    const [, b] = await two()
    server.room('story').rights = ['write', 'lock']
    expect((await b.lock.takeOver()).outcome).toBe('not-allowed')
    server.room('story').rights = ['write', 'lock', 'take-over']
    expect((await b.lock.takeOver()).outcome).toBe('done')
    await until(b, () => b.lock.state === 'mine')
  })

  it('is kept from a page whose rights end, which says so and edits again when they come back', async () => {
    const [a] = await two()
    const session = a.session ?? 0
    const told: string[][] = []
    a.on('rights', (rights) => told.push([...rights]))
    server.room('story').tell(session, { type: 'rights', rights: [] })
    await until(a, () => a.mayEditWhy === 'read-only')
    expect(a.mayEdit).toBe(false)
    expect(a.rights.size).toBe(0)
    server.room('story').tell(session, { type: 'rights', rights: ['write', 'lock'] })
    await until(a, () => a.mayEdit)
    expect(told).toEqual([[], ['write', 'lock']])
  })

  it('is no matter for a page that may write again: it brings its unsaved edits over a new connection', async () => {
    const a = client()
    await until(a, () => a.synced)
    server.room('story').holdSaves = true
    a.doc.getText('text').insert(0, 'typed before the news came')
    server.room('story').tell(a.session ?? 0, { type: 'rights', rights: [] })
    await until(a, () => a.mayEditWhy === 'read-only')
    const again = new Promise<{ resumed: boolean }>((done) => a.once('welcome', done))
    server.room('story').tell(a.session ?? 0, { type: 'rights', rights: ['write', 'lock'] })
    expect((await again).resumed).toBe(true)
    server.room('story').holdSaves = false
    a.doc.getText('text').insert(0, 'and on ')
    await until(a, () => a.saveState === 'saved')
  })

  it('is not waited for by a page that may not hold it', async () => {
    const [, b] = await two()
    await b.lock.acquire()
    await until(b, () => b.lock.state === 'waiting')
    server.room('story').tell(b.session ?? 0, { type: 'rights', rights: ['write'] })
    await until(b, () => b.lock.state !== 'waiting')
    expect(b.mayEditWhy).toBe('theirs')
  })

  it('is no matter for a reader, whose suggestion leaves its copy as it is', async () => {
    const [, b] = await two()
    const copy = b.doc
    server.room('story').tell(b.session ?? 0, { type: 'rights', rights: [] })
    await until(b, () => b.mayEditWhy === 'read-only')
    const parked = new Promise<{ id: number }>((done) => b.once('parked', done))
    server.room('story').tell(b.session ?? 0, { type: 'parked', id: 7, reason: 'you may only read here' })
    expect((await parked).id).toBe(7)
    expect(b.mayEditWhy).toBe('read-only')
    expect(b.doc).toBe(copy)
  })

  it('warns a holder without input, by its scope', async () => {
    const [a] = await two()
    const warned = new Promise<{ left_ms: number }>((done) => a.once('idle-warning', done))
    server.room('story').tell(a.session ?? 0, { type: 'idle-warning', fence: a.lock.fence ?? { epoch: 0, position: 0 }, left_ms: 900 })
    expect((await warned).left_ms).toBe(900)
  })
})

describe('parts of a document', () => {
  it('are locked apart, and a third is kept out of both', async () => {
    const [a, b, c] = [client(), client(), client()]
    await until(c, () => c.synced && a.synced && b.synced)
    const [title, body] = [[['title']], [['body']]]
    void a.lockFor(title).acquire()
    void b.lockFor(body).acquire()
    await until(a, () => a.lockFor(title).state === 'mine')
    await until(b, () => b.lockFor(body).state === 'mine')
    a.doc.getText('title').insert(0, 'from a')
    b.doc.getText('body').insert(0, 'from b')
    await until(c, () => c.doc.getText('title').toString() === 'from a' && c.doc.getText('body').toString() === 'from b')
    expect([c.lockFor(title).mayEdit, c.lockFor(body).mayEdit, c.lockFor([['notes']]).mayEdit, c.mayEdit]).toEqual([false, false, true, false])
    expect([a.lockFor(body).right.why, a.lockFor(title).right.why]).toEqual(['theirs', 'holder'])
    expect((await a.lockFor(body).acquire()).outcome).toBe('would-wait')
    expect(a.lockFor(body).state).toBe('theirs')
    expect(server.room('story').parks.size).toBe(0)
  })

  it('have one handle each, however they are named', () => {
    const a = client({ connect: false })
    expect(a.lockFor([['b'], ['a']])).toBe(a.lockFor([['a'], ['b'], ['a', 'x']]))
    expect(a.lockFor()).toBe(a.lock)
  })

  it('tell of a change that leaves the whole document as it was', async () => {
    const a = client()
    const title = a.lockFor([['title']])
    await until(a, () => a.synced)
    void a.lockFor([['body']]).acquire()
    const changed = new Promise((done) => a.once('may-edit', done))
    await until(a, () => a.lockFor([['body']]).state === 'mine')
    await changed
    expect([title.mayEdit, a.mayEdit]).toEqual([true, true])
  })
})

describe('the mode of a document', () => {
  it('changes for all at once', async () => {
    const a = await holder()
    const b = client()
    await until(b, () => b.lock.state === 'theirs')
    expect((await a.setMode('open')).outcome).toBe('done')
    await until(b, () => b.mode === 'open')
    expect([b.mayEdit, b.mayEditWhy, b.lock.state]).toEqual([true, 'open', 'theirs'])
    await a.setMode('required')
    void a.lock.release()
    await until(b, () => b.mayEditWhy === 'required')
  })
})

describe('an edit under somebody else’s lock', () => {
  const drafts = new MemoryDrafts()

  async function diverged(): Promise<{ a: BatonProvider; b: BatonProvider; park: number; old: Y.Doc }> {
    const a = await holder()
    const b = client({ drafts })
    await until(b, () => b.lock.state === 'theirs' && b.synced)
    b.awareness.setLocalStateField('user', { name: 'Bo' })
    const old = b.doc
    const left = new Promise<{ park: number }>((done) => b.once('diverged', done))
    type(b, 'out of turn')
    expect(b.hasUnsaved).toBe(true)
    const { park } = await left
    await until(b, () => b.synced)
    return { a, b, park, old }
  }

  it('is parked; the copy is kept as a draft, and the same session goes on with a fresh one', async () => {
    const swaps: [Y.Doc, Y.Doc][] = []
    const a = await holder()
    const b = client({ drafts })
    await until(b, () => b.lock.state === 'theirs' && b.synced)
    b.awareness.setLocalStateField('user', { name: 'Bo' })
    const { session, doc: old } = b
    b.on('doc', (doc, before) => swaps.push([doc, before]))
    const told: string[] = []
    b.on('parked', ({ reason }) => told.push(reason))
    b.on('may-edit', ({ why }) => told.push(why))
    const left = new Promise<{ park: number; draft: Draft }>((done) => b.once('diverged', done))
    type(b, 'out of turn')
    const { park, draft } = await left
    expect(told[0]).toBe('diverged')
    expect(told).toContain('somebody else holds the lock')
    expect(swaps).toEqual([[b.doc, old]])
    expect(b.doc.clientID).not.toBe(old.clientID)
    await until(b, () => b.saveState === 'saved' && b.synced)
    expect([b.session, text(b), b.hasUnsaved, b.mayEditWhy]).toEqual([session, '', false, 'theirs'])
    expect([draft.complete, draft.parks, b.drafts.get(park) === draft]).toEqual([true, [park], true])
    expect(draftDoc(draft).getText('content').toString()).toBe('out of turn')
    expect(b.parks.get(park)).toMatchObject({ state: 'open', session })
    await vi.waitFor(() => expect(a.awareness.getStates().get(b.doc.clientID)).toEqual({ user: { name: 'Bo' } }))
    expect(a.awareness.getStates().has(old.clientID)).toBe(false)
    type(a, 'in turn')
    await until(b, () => text(b) === 'in turn')
  })

  it('waits with the fresh copy until the server has all of the old one', async () => {
    const a = await holder()
    const b = client({ drafts })
    await until(b, () => b.saveState === 'saved' && b.lock.state === 'theirs')
    server.room('story').holdSaves = true
    const parked = new Promise((done) => b.once('parked', done))
    type(b, 'one ')
    type(b, 'two ')
    await parked
    expect(b.mayEditWhy).toBe('diverged')
    const old = b.doc
    // The connection breaks before the server has said that it keeps them: they are sent again.
    server.room('story').holdSaves = false
    for (const one of server.room('story').connections) if (one.session?.id === b.session) one.socket.terminate()
    await until(b, () => b.doc !== old)
    await until(b, () => b.synced)
    expect([...b.drafts.values()].map((draft) => draft.complete)).toEqual([true])
    const [park] = b.drafts.keys()
    expect((await a.mergePark(park ?? 0)).outcome).toBe('done')
    await until(b, () => text(b) === 'two one ')
    expect(b.drafts.size).toBe(0)
  })

  it('is merged by the holder, and its draft is dropped', async () => {
    const { a, b, park } = await diverged()
    const shown = await a.showPark(park)
    expect(shown.content?.parts).toEqual([{ root: 'content', kind: 'insert', text: 'parked' }])
    expect(await a.showPark(999)).toMatchObject({ outcome: 'unknown', content: null })
    expect((await a.mergePark(park)).outcome).toBe('done')
    await until(b, () => text(b) === 'out of turn')
    expect(text(a)).toBe('out of turn')
    await vi.waitFor(async () => expect([b.drafts.size, (await drafts.all(b.url)).length]).toEqual([0, 0]))
  })

  it('costs its author no lock on another part, even where a lost connection would', async () => {
    await server.close()
    server = await fakeServer({ ...FAST, grace: 0 })
    const [a, b] = [client(), client({ drafts })]
    await until(a, () => a.synced)
    await until(b, () => b.synced)
    const [title, body] = [[['title']], [['content']]]
    void a.lockFor(body).acquire()
    void b.lockFor(title).acquire()
    await until(a, () => a.lockFor(body).state === 'mine')
    await until(b, () => b.lockFor(title).state === 'mine' && b.lockFor(body).state === 'theirs')
    const { fence } = b.lockFor(title)
    const seen: string[] = []
    a.on('roster', (_, change) => change && seen.push(change.peer.state))
    const left = new Promise((done) => b.once('diverged', done))
    type(b, 'out of turn')
    await left
    await until(b, () => b.synced && b.lockFor(title).mayEdit)
    expect(b.lockFor(title).fence).toEqual(fence)
    expect(seen).not.toContain('offline')
    b.doc.getText('title').insert(0, 'still mine')
    await until(a, () => a.doc.getText('title').toString() === 'still mine')
  })

  it('merges by itself when its author gets the lock', async () => {
    const { a, b } = await diverged()
    void b.lock.acquire()
    await until(b, () => b.lock.place === 1)
    void a.lock.release()
    await until(b, () => text(b) === 'out of turn')
    await until(a, () => text(a) === 'out of turn')
  })

  it('keeps its draft over a reload', async () => {
    const { b, park } = await diverged()
    b.disconnect()
    const again = client({ drafts })
    await until(again, () => again.drafts.has(park) && again.synced)
    const draft = again.drafts.get(park) as Draft
    expect(draftDoc(draft).getText('content').toString()).toBe('out of turn')
    void again.discardPark(park)
    await until(again, () => again.drafts.size === 0)
    expect((await again.recoverPark(park)).outcome).toBe('done')
    expect(again.parks.get(park)?.state).toBe('open')
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

  it('is known to the server, and to the other tabs of its browser, as the same person’s', async () => {
    const kept = new Map<string, string>()
    vi.stubGlobal('localStorage', { getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => kept.set(k, v) })
    const one = client()
    await until(one, () => one.session !== null)
    const two = client()
    await until(two, () => two.session !== null)
    const stranger = client({ userKey: null })
    await until(stranger, () => stranger.session !== null)
    const keys = server.room('story').heard.flatMap((m) => (m.type === 'hello' ? [m.user_key] : []))
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/)
    expect(keys).toEqual([keys[0], keys[0], undefined])
    expect([two.isOwn(one.session ?? 0), two.isOwn(999)]).toEqual([true, false])
    void one.lock.acquire()
    await until(one, () => one.lock.state === 'mine')
    await until(two, () => two.lock.state === 'theirs')
    void two.lock.moveHere()
    await until(two, () => two.lock.state === 'mine')
    await until(one, () => one.lock.state === 'theirs')
  })

  it('leaves for good by destroy, and the lock passes at once', async () => {
    const a = await holder()
    const b = client()
    await until(b, () => b.lock.state === 'theirs')
    void b.lock.acquire()
    await until(b, () => b.lock.place === 1)
    a.destroy()
    await until(b, () => b.lock.state === 'mine')
    expect(b.roster.size).toBe(1)
  })

  it('takes no edits any more after destroy: nobody would get them', async () => {
    const a = client()
    await until(a, () => a.mayEdit)
    a.destroy()
    expect([a.mayEdit, a.mayEditWhy]).toEqual([false, 'closed'])
  })
})

describe('a token', () => {
  it('is in the first message of each connection, fresh each time, and never in an address', async () => {
    let asked = 0
    const a = client({ token: () => `token-${++asked}` })
    await until(a, () => a.lock.state === 'free')
    expect(a.url).not.toContain('token')
    const shown = (): (string | undefined)[] => server.room('story').heard.flatMap((m) => (m.type === 'hello' ? [m.token] : []))
    expect(shown()).toEqual(['token-1'])
    a.disconnect()
    a.connect()
    await until(a, () => shown().length === 2)
    expect(shown()).toEqual(['token-1', 'token-2'])
  })
})
