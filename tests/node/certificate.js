// A certificate for the names of this machine and of the documentation, which signs for itself.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import WebSocket from 'ws'

const NAMES = 'subjectAltName=DNS:collab.example.org,DNS:localhost,IP:127.0.0.1,IP:::1'

/** Writes a new certificate and its key into a folder; a file with both, too, as HAProxy wants it. */
export function certificate (folder) {
  const [cert, key, both] = ['fullchain.pem', 'privkey.pem', 'collab.pem'].map((name) => join(folder, name))
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30',
    '-subj', '/CN=collab.example.org', '-addext', NAMES, '-keyout', key, '-out', cert
  ], { stdio: 'pipe' })
  const pem = readFileSync(cert, 'utf8')
  writeFileSync(both, pem + readFileSync(key, 'utf8'), { mode: 0o600 })
  return { cert, key, both, pem }
}

/** The class of sockets that believe in this certificate, with these further options of `ws` and of TLS. */
export function believing ({ pem }, options = {}) {
  return class extends WebSocket {
    constructor (url, protocols) {
      super(url, protocols, { ca: pem, ...options })
    }
  }
}
