/** Addresses of documents. Pure. */

/** The address without its parameters, which may hold secrets. The document's name is escaped; its slashes stay. */
export function placeOf(serverUrl: string, roomname: string): string {
  return `${serverUrl}/${roomname.split('/').map(encodeURIComponent).join('/')}`
}

/** The address that a socket is opened to. */
export function urlOf(place: string, params: Record<string, string>): string {
  const query = new URLSearchParams(params).toString()
  return place + (query === '' ? '' : `?${query}`)
}
