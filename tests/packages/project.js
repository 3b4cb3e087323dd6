// Projects that know nothing of this repository: copied to a folder of their own, with `baton-client` from its tarball.

import { execFile } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { basename, extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Stage } from '../node/harness.js'

/** How long one command may take, in milliseconds. */
const COMMAND = 200_000

/** Also what everything is like with the newest versions of all dependencies, as for a person who starts today. */
export const WHOLE = process.env.BATON_WHOLE === '1'

export const CLIENT = fileURLToPath(new URL('../../web-demo/client', import.meta.url))

const STARTERS = fileURLToPath(new URL('../../web-demo/starters', import.meta.url))

/**
 * Runs a program to its end.
 *
 * @returns {Promise<{code: number, output: string}>} what it said on both outputs
 */
export function run (folder, command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const options = { cwd: folder, timeout: COMMAND, maxBuffer: 16 * 1024 * 1024, env: { ...process.env, ...env } }
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') return reject(error)
      resolve({ code: error ? error.code : 0, output: stdout + stderr })
    })
  })
}

/** The same, for a program that must succeed; returns what it said. */
export async function must (folder, command, args, env) {
  const { code, output } = await run(folder, command, args, env)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${code}\n${output}`)
  return output
}


/** The tarball and the installed projects of one file of stories: each is made once, when it is first asked for. */
export class Shelf {
  #stage = new Stage()
  #tarball = null
  #projects = new Map()

  /** The tarball, as `npm pack` makes it. */
  tarball () {
    return (this.#tarball ??= this.#pack())
  }

  async #pack () {
    const folder = this.#stage.folder()
    const output = await must(CLIENT, 'npm', ['pack', '--silent', '--pack-destination', folder])
    return join(folder, output.trim().split('\n').at(-1))
  }

  /** The folder of a project, installed. The stories share it. */
  project (name) {
    return this.#installed(fileURLToPath(new URL(`projects/${name}`, import.meta.url)))
  }

  /** The same, of a starter for a framework. */
  starter (name) {
    return this.#installed(join(STARTERS, name))
  }

  #installed (source) {
    if (!this.#projects.has(source)) this.#projects.set(source, this.#install(source))
    return this.#projects.get(source)
  }

  async #install (source) {
    const folder = this.#stage.folder()
    // A starter may have been tried out where it stands.
    cpSync(source, folder, { recursive: true, filter: (path) => !/^(node_modules|dist|.*\.tgz)$/.test(basename(path)) })
    cpSync(await this.tarball(), join(folder, 'baton-client.tgz'))
    await must(folder, 'npm', ['ci', '--prefer-offline', '--no-fund', '--no-audit'])
    if (WHOLE) {
      const { dependencies, devDependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      const all = Object.keys({ ...dependencies, ...devDependencies }).filter((one) => one !== 'baton-client' && one !== '@types/node')
      await must(folder, 'npm', ['install', '--no-fund', '--no-audit', ...all.map((one) => `${one}@latest`)])
    }
    return folder
  }

  /** Serves a folder's files until the end, and returns the address. */
  serve (folder) {
    return serve(this.#stage, folder)
  }

  clear () {
    return this.#stage.clear()
  }
}

/** Writes a file into a project. */
export const write = (folder, name, text) => writeFileSync(join(folder, name), text)

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' }

async function serve (stage, folder) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost')
    const path = normalize(pathname === '/' ? '/index.html' : pathname)
    try {
      const file = readFileSync(join(folder, path))
      response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' }).end(file)
    } catch {
      response.writeHead(404).end()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stage.later(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${server.address().port}/`
}
