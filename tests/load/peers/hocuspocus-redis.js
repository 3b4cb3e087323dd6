// One of several Hocuspocus servers with its Redis extension: `node hocuspocus-redis.js PORT FOLDER REDIS_PORT`. All have
// the database in FOLDER together, as servers behind a load balancer have one. As it is by default.
import { Redis } from '@hocuspocus/extension-redis'
import { SQLite } from '@hocuspocus/extension-sqlite'
import { Server } from '@hocuspocus/server'

const [port, folder, redis] = process.argv.slice(2)
const server = new Server({
  address: '127.0.0.1',
  port: Number(port),
  quiet: true,
  stopOnSignals: false,
  extensions: [
    new Redis({ host: '127.0.0.1', port: Number(redis) }),
    new SQLite({ database: `${folder}/documents.sqlite` })
  ]
})
await server.listen()
process.on('SIGTERM', async () => {
  await server.destroy()
  process.exit(0)
})
