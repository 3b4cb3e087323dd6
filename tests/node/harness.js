// The real server as a child process, and waiting with a deadline.
//
// Owns each process and folder that it makes: whatever happens in a story, they are gone when it ends. Needs nothing
// but Node itself, so that the browser's stories use it too.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Issuer } from './tokens.js'

/** The server's program. */
export const BINARY = process.env.BATON_BIN ??
  fileURLToPath(new URL('../../target/debug/baton', import.meta.url))

/** With `BATON_PEER=hocuspocus` the stories of that wire meet the server that it was made for: what they expect is what it does. */
const PEER = process.env.BATON_PEER && fileURLToPath(new URL(`../load/peers/${process.env.BATON_PEER}.js`, import.meta.url))

/** What the server prints on its standard output once it answers. */
const READY = /listening on (https?:|unix:)\/+([^\s/]+)(\S*)/

/** How long a server may take to start, in milliseconds. */
const START = 30_000

/** How long a server may take to end after it was asked to, in milliseconds. */
const STOP = 20_000

/** How long a story may take, in milliseconds, if it does not say otherwise. */
const STORY = 120_000

/** How long a witness may take, in milliseconds. */
const TESTIMONY = 5_000

/** How often a condition is looked at, in milliseconds. */
const LOOK = 20

const running = new Set()
// Also when the test runner ends this process in the middle of a story.
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))
process.on('SIGTERM', () => process.exit(143))

/**
 * Waits until the condition returns something true, and returns that.
 *
 * @param {string} what is waited for, for the error
 * @param {() => any} condition may be async; an error of it counts as "not yet"
 * @param {number} within milliseconds
 */
export async function waitFor (what, condition, within = 20_000) {
  const deadline = performance.now() + within
  let last
  for (;;) {
    try {
      last = await condition()
    } catch (error) {
      last = error
    }
    if (last && !(last instanceof Error)) return last
    if (performance.now() > deadline) {
      throw new Error(`not within ${within} ms: ${what}` + (last === undefined ? '' : ` (last: ${last})`))
    }
    await pause(LOOK)
  }
}

/** Lets that much time pass: where a story says that something happens later, or not at all. */
export { pause }

/** One server process on one folder. */
export class Server {
  /** The rest of what it was started with. */
  #more
  #child = null
  #said = []
  #scheme = 'http:'
  /** The base path; empty for `/`. */
  #path = ''

  constructor (data, more) {
    this.data = data
    this.#more = more
    /** `127.0.0.1:PORT`; the port is chosen at the first start and kept. */
    this.address = '127.0.0.1:0'
  }

  /** The address of the page. */
  get page () {
    return `${this.#scheme}//${this.address}${this.#path}/`
  }

  /** What a y-websocket provider is given. */
  get socket () {
    return `${this.#scheme.replace('http', 'ws')}//${this.address}${this.#path}/ws`
  }

  /** What a Hocuspocus provider is given. */
  get hocuspocus () {
    return `${this.#scheme.replace('http', 'ws')}//${this.address}${this.#path}/hocuspocus`
  }

  /** The process, while it runs. */
  get pid () {
    return this.#child?.pid
  }

  /** The exit code or signal of a process that ended without being asked to; null while it runs. */
  get ended () {
    return this.#child === null ? null : this.#child.exitCode ?? this.#child.signalCode
  }

  /** Tells it that its terminal is gone, or that its certificate is another one. */
  hangUp () {
    this.#child.kill('SIGHUP')
  }

  /** Everything that the processes said so far, for a failed story. */
  get log () {
    return this.#said.join('\n')
  }

  async start () {
    if (!PEER && !existsSync(BINARY)) {
      throw new Error(`${BINARY} is not there: cargo build -p baton-server --bin baton, or set BATON_BIN`)
    }
    const listen = this.#more.includes('--listen') ? [] : ['--listen', this.address]
    const command = PEER
      ? [process.execPath, PEER, ...await this.#forPeer()]
      : [BINARY, 'serve', ...listen, '--data', this.data, ...this.#more]
    const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    running.add(child)
    child.once('exit', () => running.delete(child))
    createInterface(child.stderr).on('line', (line) => this.#said.push(line))
    const ready = new Promise((resolve) => {
      createInterface(child.stdout).on('line', (line) => {
        this.#said.push(line)
        const found = READY.exec(line)
        if (found) resolve(found.slice(1))
      })
    })
    const ended = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`the server ended: ${code ?? signal}`)
    })
    ended.catch(() => {})
    const reached = PEER ? this.#reached() : ready
    const late = new AbortController()
    const slow = pause(START, undefined, { signal: late.signal }).then(() => {
      throw new Error(`the server did not answer within ${START} ms`)
    })
    slow.catch(() => {})
    try {
      [this.#scheme, this.address, this.#path] = await Promise.race([reached, ended, slow])
    } finally {
      late.abort()
    }
  }

  /** A peer chooses no port, and prints nothing. */
  async #forPeer () {
    if (this.address.endsWith(':0')) {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      this.address = `127.0.0.1:${server.address().port}`
      server.close()
      await once(server, 'close')
    }
    return [this.address.split(':')[1], this.data]
  }

  async #reached () {
    await waitFor('a peer that answers', () => fetch(this.page), START)
    return ['http:', this.address, '']
  }

  /** Asks it to end, and waits. */
  async stop () {
    await this.#end('SIGTERM')
  }

  /** Ends it as a power failure would: it gets to do nothing more. */
  async kill () {
    await this.#end('SIGKILL')
  }

  async #end (signal) {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    const hard = setTimeout(() => child.kill('SIGKILL'), STOP)
    await ended
    clearTimeout(hard)
    if (signal === 'SIGTERM' && child.signalCode === 'SIGKILL') {
      throw new Error(`the server did not end within ${STOP} ms`)
    }
  }
}

/** What a story has on its table; all of it is cleared away at the end, the newest first. */
export class Stage {
  #clearing = []
  #servers = []
  #witnesses = []

  /** To be done at the end. */
  later (clear) {
    this.#clearing.push(clear)
  }

  /** What somebody saw, asked for if the story fails. */
  witness (tell) {
    this.#witnesses.push(tell)
  }

  /** What all of them saw. */
  async testimony () {
    const told = await Promise.all(this.#witnesses.map((tell) => Promise.race([
      Promise.resolve().then(tell).catch((error) => `says nothing: ${error}`),
      pause(TESTIMONY, 'says nothing in time', { ref: false })
    ])))
    return told.join('\n')
  }

  /** An empty folder. */
  folder () {
    const folder = mkdtempSync(join(tmpdir(), 'baton-'))
    this.later(() => rmSync(folder, { recursive: true, force: true }))
    return folder
  }

  /** A running server on an empty folder. */
  async server (...more) {
    return await this.#start((data) => new Server(data, more))
  }

  /** The same, for clients with tokens: `server.issuer` mints them. */
  async guarded (...more) {
    return await this.#start((data) => {
      const issuer = new Issuer(data)
      const server = new Server(data, [...issuer.arguments, ...more])
      server.issuer = issuer
      return server
    })
  }

  async #start (make) {
    const server = make(this.folder())
    this.#servers.push(server)
    this.later(() => server.stop())
    await server.start()
    return server
  }

  get log () {
    return this.#servers.map((server) => server.log).join('\n')
  }

  async clear () {
    const errors = []
    for (const clear of this.#clearing.splice(0).reverse()) {
      try {
        await clear()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}

/**
 * A test that gets a stage, and shows what the servers said if it fails.
 *
 * @param {string} name a sentence
 * @param {(stage: Stage, t: object) => Promise<void>} play
 * @param {{timeout?: number, skip?: string | boolean}} options
 */
export function story (name, play, options = {}) {
  test(name, { timeout: STORY, ...options }, async (t) => {
    const stage = new Stage()
    // A story that takes too long is given up without a word to it: its clients and servers must go all the same.
    t.signal.addEventListener('abort', () => stage.clear().catch(() => {}))
    try {
      await play(stage, t)
    } catch (error) {
      t.diagnostic(`what the server said:\n${stage.log}`)
      t.diagnostic(`what was seen:\n${await stage.testimony()}`)
      // What went wrong first is what is reported.
      await stage.clear().catch(() => {})
      throw error
    }
    await stage.clear()
  })
}

/**
 * A story that each wire's own provider plays.
 *
 * @param {object[]} wires
 * @param {string} name a sentence
 * @param {(stage: Stage, wire: object, t: object) => Promise<void>} play
 * @param {object} options as of a story
 */
export function storyOnEach (wires, name, play, options = {}) {
  for (const wire of wires) story(`${wire.name}: ${name}`, (stage, t) => play(stage, wire, t), options)
}
