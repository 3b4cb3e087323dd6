// Hocuspocus with its SQLite extension: `node hocuspocus.js PORT FOLDER`. As it is by default, but for the time after which
// it stores a document: the loads restart it, and what it had not stored by then would be missing.
import { SQLite } from '@hocuspocus/extension-sqlite'
import { Server } from '@hocuspocus/server'

const [port, folder] = process.argv.slice(2)
const server = new Server({
  address: '127.0.0.1',
  port: Number(port),
  quiet: true,
  stopOnSignals: false,
  extensions: [new SQLite({ database: `${folder}/documents.sqlite` })],
})
await server.listen()
process.on('SIGTERM', async () => {
  await server.destroy()
  process.exit(0)
})
