// What was deleted goes: the server's snapshots and what newcomers get are about as small as Yjs itself would make them,
// and whoever was away meanwhile finds their place in them.

import assert from 'node:assert/strict'
import * as Y from 'yjs'
import { story, waitFor } from './harness.js'
import { converge, stock } from './stock.js'

/** How much larger than Yjs's own encoding, with its garbage collection on, a document may be. */
const FACTOR = 1.5

/** A snapshot is made when the last one has left, soon, and the document leaves memory. */
const EAGER = ['--unload-after', '300ms', '--compact-after', '64KiB']

/** What somebody who keeps everything gets from the server: all that the server still has. */
async function everything (stage, server, name) {
  const keeper = stock(stage, server, name)
  keeper.doc.gc = false
  await keeper.synced()
  const all = Y.encodeStateAsUpdate(keeper.doc)
  keeper.leave()
  return Buffer.from(all)
}

/** Everybody has left: the document is stored, leaves memory, and is opened again by another process. */
async function restart (server) {
  await waitFor('no document is in memory', async () => {
    const metrics = await (await fetch(`http://${server.address}/metrics`)).text()
    return /^baton_documents_open 0$/m.test(metrics)
  })
  await server.stop()
  await server.start()
}

function wear (ada) {
  const { doc, map, text, array, xml } = ada
  for (let i = 0; i < 5_000; i++) map.set('cursor', [i, `SECRET${i}`])
  map.set('cursor', [0, 'kept'])
  text.insert(0, 'kept ')
  for (let i = 0; i < 200; i++) {
    text.insert(5, `SECRET${'x'.repeat(2_000)}😀`)
    text.delete(5, text.length - 5)
  }
  // Shapes that are drawn, dragged, and thrown away but for the last.
  for (let i = 0; i < 60; i++) {
    const shape = new Y.Map(Object.entries({ kind: 'box', x: 0, y: 0, note: i < 59 ? `SECRET${i}` : 'kept' }))
    array.insert(0, [shape])
    for (let at = 0; at < 50; at++) doc.transact(() => { shape.set('x', at); shape.set('y', -at) })
    if (i < 59) array.delete(0, 1)
  }
  // Paragraphs of rich text, written and thrown away.
  for (let i = 0; i < 100; i++) {
    const paragraph = new Y.XmlElement('paragraph')
    const words = new Y.XmlText()
    paragraph.insert(0, [words])
    xml.insert(0, [paragraph])
    for (const word of `SECRET${i} is what he wrote`.split(' ')) words.insert(words.length, word + ' ')
    words.format(0, 6, { bold: true })
    if (i % 10 !== 0) xml.delete(0, 1)
    else words.delete(0, 6)
  }
}

story('what was deleted is gone from the store, which is as small as Yjs makes it', async (stage) => {
  const server = await stage.server(...EAGER)
  const ada = stock(stage, server, 'worn')
  await ada.synced()
  wear(ada)
  const bob = stock(stage, server, 'worn')
  await converge([ada, bob])
  const seen = ada.all()
  const byYjs = Y.encodeStateAsUpdate(ada.doc).length
  bob.leave()
  ada.leave()

  await restart(server)
  const all = await everything(stage, server, 'worn')
  assert.ok(all.length <= FACTOR * byYjs, `${all.length} bytes, by Yjs ${byYjs}`)
  assert.ok(!all.includes('SECRET'), 'something deleted is still there')
  const cleo = stock(stage, server, 'worn')
  await cleo.synced()
  assert.equal(cleo.all(), seen)
})

story('who was away finds the place, beside and inside of what was deleted', async (stage) => {
  const server = await stage.server(...EAGER)
  const ada = stock(stage, server, 'place')
  const bob = stock(stage, server, 'place')
  const eve = stock(stage, server, 'place')
  eve.doc.gc = false
  await Promise.all([ada.synced(), bob.synced(), eve.synced()])
  ada.type('The quick brown fox jumps over the lazy dog.')
  ada.map.set('shape', new Y.Map([['x', 1]]))
  ada.array.push([1, 2, 3, new Y.Text('inside')])
  const paragraph = new Y.XmlElement('paragraph')
  paragraph.insert(0, [new Y.XmlText('words')])
  ada.xml.insert(0, [paragraph])
  await converge([ada, bob, eve])

  // Bob and Eve are away, and write everywhere; Ada deletes under their hands, and thinks better of some of it.
  bob.provider.disconnect()
  eve.provider.disconnect()
  for (const [client, name] of [[bob, 'Bob'], [eve, 'Eve']]) {
    client.text.insert(10, `<${name} 1>`)
    client.text.insert(4, `<${name} 2>`)
    client.text.delete(client.text.length - 5, 3)
    client.map.get('shape').set('x', name)
    client.array.get(3).insert(3, name)
    client.array.insert(2, [name])
    client.xml.get(0).get(0).insert(2, name)
    client.xml.get(0).insert(1, [new Y.XmlElement(name)])
  }
  const undo = new Y.UndoManager([ada.text, ada.map], { captureTimeout: 0 })
  ada.text.delete(4, 20)
  ada.text.delete(10, 10)
  ada.map.delete('shape')
  ada.array.delete(1, 3)
  ada.xml.delete(0, 1)
  undo.undo()
  for (let i = 0; i < 500; i++) ada.map.set('count', i)
  const early = stock(stage, server, 'place')
  await converge([ada, early])
  ada.provider.disconnect()
  early.provider.disconnect()
  // Still away, with what the server is about to drop.
  undo.undo()
  early.text.insert(5, '<early>')

  await restart(server)
  const late = stock(stage, server, 'place')
  await late.synced()
  late.text.insert(6, '<late>')
  for (const client of [bob, ada, early, eve]) client.provider.connect()
  await converge([ada, bob, eve, early, late])
  for (const words of ['<Bob 1>', '<Eve 1>', '<early>', '<late>']) {
    assert.ok(late.text.toString().includes(words), words)
  }
  for (const client of [bob, ada, early, eve, late]) client.provider.disconnect()
  await restart(server)
  ada.provider.connect()
  const last = stock(stage, server, 'place')
  await converge([ada, last])
})

story('what was deleted is gone for newcomers too, while others stay', async (stage) => {
  const server = await stage.server('--compact-after', '64KiB', '--unload-after', '1h')
  const ada = stock(stage, server, 'open')
  await ada.synced()
  // A snapshot is made when the log has grown by as much as the last one held, which may be the text before it was
  // deleted. So she writes and deletes until one comes after a deletion.
  await waitFor('what was deleted is gone', async () => {
    ada.text.insert(0, 'SECRET'.repeat(50_000))
    ada.text.delete(0, ada.text.length)
    const gone = async () => !(await everything(stage, server, 'open')).includes('SECRET')
    return waitFor('the round\'s snapshot', gone, 2_000)
  })
  // She goes on as if nothing had happened.
  ada.text.insert(0, 'and more')
  const bob = stock(stage, server, 'open')
  await converge([ada, bob])
})
