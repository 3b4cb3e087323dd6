// The server of y-websocket: `node y-websocket.js PORT`. In memory, as it is by default.
import http from 'node:http'
import { setupWSConnection } from '@y/websocket-server/utils'
import { WebSocketServer } from 'ws'

const [port] = process.argv.slice(2)
const server = http.createServer((_request, response) => response.end())
const sockets = new WebSocketServer({ server })
sockets.on('connection', (socket, request) => {
  // Its clients connect to `/ws/NAME`, and so do ours.
  setupWSConnection(socket, request, { docName: request.url.slice('/ws/'.length) })
})
server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 })
process.on('SIGTERM', () => process.exit(0))
