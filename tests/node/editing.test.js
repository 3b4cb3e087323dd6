// Two people in one document, through the provider that they already have.

import assert from 'node:assert/strict'
import * as Y from 'yjs'
import { storyOnEach } from './harness.js'
import { converge, stock } from './stock.js'
import { played } from './wires.js'

storyOnEach(played, 'two clients write text, a map, an array and XML, and hold the same', async (stage, wire) => {
  const server = await stage.server()
  const ada = stock(stage, server, 'essay', wire)
  const bob = stock(stage, server, 'essay', wire)
  await Promise.all([ada.synced(), bob.synced()])

  ada.type('Ada writes, ')
  bob.type('Bob writes, ')
  ada.text.format(0, 3, { bold: true })
  ada.map.set('title', 'Essay')
  bob.map.set('pages', 3)
  bob.map.set('nested', new Y.Map([['deep', true]]))
  ada.array.push([1, 'two', { three: 3 }])
  bob.array.insert(0, [null])
  const heading = new Y.XmlElement('heading')
  heading.setAttribute('level', '1')
  heading.insert(0, [new Y.XmlText('A title')])
  ada.xml.insert(0, [heading])
  bob.xml.insert(0, [new Y.XmlElement('rule')])
  await converge([ada, bob])

  // And again on what the other wrote.
  ada.text.delete(0, 4)
  bob.array.delete(0, 1)
  bob.map.delete('title')
  ada.xml.delete(0, 1)
  await converge([ada, bob])
  assert.equal(bob.map.get('pages'), 3)
  assert.equal(ada.map.get('nested').get('deep'), true)
  assert.equal(ada.map.has('title'), false)
  assert.equal(ada.array.length, 3)
  assert.equal(ada.xml.length, 1)
  assert.equal(bob.text.length, 'Ada writes, Bob writes, '.length - 4)
})

storyOnEach(played, 'two clients that type at the same place at the same time hold the same', async (stage, wire) => {
  const server = await stage.server()
  const ada = stock(stage, server, 'race', wire)
  const bob = stock(stage, server, 'race', wire)
  await Promise.all([ada.synced(), bob.synced()])
  for (let i = 0; i < 200; i++) {
    ada.text.insert(0, 'a')
    bob.text.insert(0, 'b')
    if (i % 10 === 0) {
      // Let frames in between, so that the two are really in each other's way.
      await new Promise(setImmediate)
    }
  }
  await converge([ada, bob])
  assert.equal(ada.text.length, 400)
})

storyOnEach(played, 'a newcomer gets everything that was there before', async (stage, wire) => {
  const server = await stage.server()
  const ada = stock(stage, server, 'long', wire)
  await ada.synced()
  for (let i = 0; i < 500; i++) ada.type(`line ${i}\n`)
  ada.text.delete(0, 7)
  ada.map.set('count', 500)
  const bob = stock(stage, server, 'long', wire)
  await bob.synced()
  await converge([ada, bob])
  const before = ada.all()
  ada.leave()
  bob.leave()

  // Nobody is there who could have sent it.
  const cleo = stock(stage, server, 'long', wire)
  await cleo.synced()
  assert.equal(cleo.all(), before)
})

storyOnEach(played, 'what both wrote while they were apart is merged when they are back', async (stage, wire) => {
  const server = await stage.server()
  const ada = stock(stage, server, 'trip', wire)
  const bob = stock(stage, server, 'trip', wire)
  await Promise.all([ada.synced(), bob.synced()])
  ada.type('common ')
  await bob.sees('common ')

  await Promise.all([ada.disconnect(), bob.disconnect()])
  ada.type('from the train ')
  ada.map.set('ada', 1)
  bob.type('from the plane ')
  bob.map.set('bob', 2)
  ada.connect()
  bob.connect()
  await Promise.all([ada.sees('from the plane'), bob.sees('from the train')])
  await converge([ada, bob])
  assert.deepEqual(ada.map.toJSON(), { ada: 1, bob: 2 })

  const cleo = stock(stage, server, 'trip', wire)
  await cleo.synced()
  await converge([ada, bob, cleo])
})
