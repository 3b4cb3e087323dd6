// Three nodes over three engines, and HAProxy in front of them.
//
// Owns the engines and HAProxy of a test file: `cluster-lab engines` starts them, as the operator's page configures
// them. The nodes are a story's own, on the same three ports and under a name of their own in the engines, so that no
// story finds a document of another one.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { waitFor } from '../../node/harness.js'

const LAB = process.env.BATON_CLUSTER_LAB ??
  fileURLToPath(new URL('../../../target/debug/cluster-lab', import.meta.url))

const NODES = 3

/** How long engines may take to elect a leader, and HAProxy to find a node, in milliseconds. */
const START = 60_000

async function freePorts (count) {
  // All are open at once, so that they differ.
  const probes = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(probes.map((probe) => once(probe, 'listening')))
  const ports = probes.map((probe) => probe.address().port)
  await Promise.all(probes.map((probe) => once(probe.close(), 'close')))
  return ports
}

/** The engines and HAProxy; see above. */
class Lab {
  #child
  #said = []

  async start () {
    if (!existsSync(LAB)) throw new Error(`${LAB} is not there: cargo build -p baton-cluster-tests --bin cluster-lab, or set BATON_CLUSTER_LAB`)
    this.addresses = (await freePorts(NODES)).map((port) => `127.0.0.1:${port}`)
    const nodes = this.addresses.flatMap((address) => ['--node', address])
    // It ends with its input: also when this process is killed.
    this.#child = spawn(LAB, ['engines', ...nodes], { stdio: ['pipe', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      createInterface(stream).on('line', (line) => this.#said.push(line))
    }
    this.engines = await this.#says('cluster: ')
    return this
  }

  /** The page of whichever node HAProxy chooses, once it has found one. */
  async balanced () {
    return await this.#says('all nodes: ')
  }

  async #says (what) {
    const line = () => this.#said.find((line) => line.startsWith(what))?.slice(what.length)
    return await waitFor(`the lab says ${what}`, () => line() ?? this.#ended(), START)
  }

  #ended () {
    return this.#child.exitCode === null ? null : new Error(`it ended: ${this.#said.join('\n')}`)
  }

  async stop () {
    if (this.#child.exitCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.stdin.end()
    await ended
  }
}

let started = null
const lab = () => (started ??= new Lab().start())
after(async () => (await started)?.stop())

let clusters = 0

/**
 * Three nodes with these further arguments, and the address of all of them.
 *
 * @param {import('../../node/harness.js').Stage} stage
 * @returns {Promise<{nodes: import('../../node/harness.js').Server[], all: {page: string}}>}
 */
export async function cluster (stage, ...more) {
  const { engines, addresses } = await lab()
  const name = `story-${++clusters}`
  const start = (address, index) => stage.server(
    '--cluster', engines, '--cluster-name', name, '--cluster-node', `node-${index + 1}`,
    // A story has one document, and streams take their time to make.
    '--cluster-streams', '1', '--trusted-proxies', '127.0.0.1', '--listen', address, ...more
  )
  const nodes = await Promise.all(addresses.map(start))
  return { nodes, all: { page: await (await lab()).balanced() } }
}

/** The number of clients that have a connection to this node; 0 when it does not answer. */
export async function connections (node) {
  const answer = await fetch(`${node.page}metrics`).catch(() => null)
  const found = /^baton_connections (\d+)$/m.exec(await answer?.text() ?? '')
  return Number(found?.[1] ?? 0)
}

/** The one node that has a client, and the others. */
export async function serving (nodes) {
  const counts = await Promise.all(nodes.map(connections))
  const own = nodes.filter((_, index) => counts[index] > 0)
  if (own.length !== 1) throw new Error(`not one node has clients: ${counts}`)
  return { own: own[0], others: nodes.filter((node) => node !== own[0]) }
}
