/** Addresses of documents. Pure. */

/**
 * The address without its parameters, which may hold secrets. The document's name is escaped; its
 * slashes stay.
 *
 * @throws RangeError for a name with `.` or `..` between slashes: an address with it, however
 * escaped, is that of another document
 */
export function placeOf(serverUrl: string, roomname: string): string {
  const parts = roomname.split('/')
  if (parts.some((part) => part === '.' || part === '..')) throw new RangeError('no part of the name of a document may be "." or ".."')
  return `${serverUrl}/${parts.map(encodeURIComponent).join('/')}`
}

/** The address that a socket is opened to. */
export function urlOf(place: string, params: Record<string, string>): string {
  const query = new URLSearchParams(params).toString()
  return place + (query && `?${query}`)
}
