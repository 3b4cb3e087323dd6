const query = new URLSearchParams(location.search)

/** Address for sockets: `?server=wss://example.org/ws`. */
export const server = query.get('server') ?? 'ws://127.0.0.1:8080/ws'

/** Name of the note: `?note=shopping`. */
export const note = query.get('note') ?? 'note'

/** The person at this page: `?name=Bo`. */
export const user = { name: query.get('name') ?? 'Ada', color: '#c2410c' }
