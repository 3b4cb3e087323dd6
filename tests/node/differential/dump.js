// A canonical text of everything that a document shows, whatever the types of its roots.
//
// Reads the item lists themselves: a root that arrived in an update has no type yet, and JSON cannot show a BigInt,
// a negative zero or an undefined. Two documents with the same text show the same to every reader.

import * as Y from 'yjs'

/** A value of lib0's `any`, written so that no two different values look alike. Objects keep their order of keys. */
export function value (any) {
  switch (typeof any) {
    case 'bigint': return `${any}n`
    case 'number': return Object.is(any, -0) ? '-0' : String(any)
    case 'string': return JSON.stringify(any)
    case 'object': break
    default: return String(any)
  }
  if (any === null) return 'null'
  if (any instanceof Uint8Array) return `bytes(${Buffer.from(any).toString('hex')})`
  if (Array.isArray(any)) return `[${any.map(value).join(',')}]`
  return `{${Object.entries(any).map(([key, inner]) => `${JSON.stringify(key)}:${value(inner)}`).join(',')}}`
}

/** The visible content of all roots, in the order of their names. */
export function dump (doc) {
  return [...doc.share.entries()]
    .map(([name, type]) => [name, inside(type)])
    // A root that shows nothing is as good as one that was never named.
    .filter(([, shown]) => shown !== '<>')
    .sort(([one], [other]) => one < other ? -1 : 1)
    .map(([name, shown]) => `${JSON.stringify(name)}${shown}`)
    .join('\n')
}

function inside (type) {
  const shown = []
  let text = ''
  const flush = () => {
    if (text !== '') shown.push(JSON.stringify(text))
    text = ''
  }
  for (let item = type._start; item !== null; item = item.right) {
    if (item.deleted) continue
    if (item.content instanceof Y.ContentString) {
      text += item.content.str
    } else {
      flush()
      shown.push(...content(item.content))
    }
  }
  flush()
  for (const [key, item] of [...type._map.entries()].sort(([one], [other]) => one < other ? -1 : 1)) {
    // The last unit of the last item is the value of the key.
    if (!item.deleted) shown.push(`${JSON.stringify(key)}=${content(item.content).at(-1)}`)
  }
  return `<${shown.join(' ')}>`
}

function content (of) {
  if (of instanceof Y.ContentAny) return of.arr.map(value)
  if (of instanceof Y.ContentJSON) return of.arr.map((any) => `json(${value(any)})`)
  if (of instanceof Y.ContentBinary) return [value(of.content)]
  if (of instanceof Y.ContentString) return [...of.str].map((char) => JSON.stringify(char))
  if (of instanceof Y.ContentEmbed) return [`embed(${value(of.embed)})`]
  if (of instanceof Y.ContentFormat) return [`format(${JSON.stringify(of.key)},${value(of.value)})`]
  if (of instanceof Y.ContentDoc) return [`doc(${JSON.stringify(of.doc.guid)},${value(of.opts)})`]
  if (of instanceof Y.ContentType) {
    const name = of.type.nodeName ?? of.type.hookName ?? ''
    return [`${of.type.constructor.name}(${name})${inside(of.type)}`]
  }
  throw new Error(`content of a kind that is not known: ${of.constructor.name}`)
}
