// Tokens for the stories: who issues them is the story itself.

import { createHmac, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Mints tokens for a server that is started with its arguments. */
export class Issuer {
  #secret = randomBytes(32).toString('hex')
  #file

  /** Keeps its secret in a file in this folder. */
  constructor (folder) {
    this.#file = join(folder, 'token-secret')
    writeFileSync(this.#file, this.#secret, { mode: 0o600 })
  }

  /** What the server is told. Expiry counts to the second. */
  get arguments () {
    return ['--auth', 'jwt', '--auth-secret-file', this.#file, '--auth-leeway', '0s']
  }

  /** A token with these claims; for everything, and an hour, unless they say otherwise. */
  mint (claims = {}) {
    const now = Math.floor(Date.now() / 1000)
    const all = { sub: 'ada', name: 'Ada', documents: ['*'], permissions: ['write', 'lock'], exp: now + 3600, ...claims }
    const signed = `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded(all)}`
    return `${signed}.${createHmac('sha256', this.#secret).update(signed).digest('base64url')}`
  }
}
