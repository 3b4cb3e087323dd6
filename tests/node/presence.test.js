// Who is here, as a stock client sees it: Yjs awareness.

import { storyOnEach, waitFor } from './harness.js'
import { stock } from './stock.js'
import { played } from './wires.js'

/** Well below the 15 s after which a client says its state again by itself, and the 30 s after which others forget it. */
const SOON = 8_000

const here = (client, names, within = SOON) =>
  waitFor(`${names} here`, () => client.names() === names, within)

storyOnEach(played, 'each sees who is here, and that one left', async (stage, wire) => {
  const server = await stage.server()
  const ada = stock(stage, server, 'room', wire)
  const bob = stock(stage, server, 'room', wire)
  ada.called('Ada')
  bob.called('Bob')
  await Promise.all([here(ada, 'Ada Bob'), here(bob, 'Ada Bob')])

  const cleo = stock(stage, server, 'room', wire)
  cleo.called('Cleo')
  await here(cleo, 'Ada Bob Cleo')
  bob.leave()
  await Promise.all([here(ada, 'Ada Cleo'), here(cleo, 'Ada Cleo')])
})

storyOnEach(played, 'one whose connection broke is gone for the others, and back when it is back', async (stage, wire) => {
  const server = await stage.server()
  const ada = stock(stage, server, 'room', wire)
  const bob = stock(stage, server, 'room', wire)
  ada.called('Ada')
  bob.called('Bob')
  await here(ada, 'Ada Bob')

  // It is away for some 100 ms only: whoever looks now and then might look past that.
  let gone = false
  ada.awareness.on('change', ({ removed }) => { gone ||= removed.includes(bob.doc.clientID) })
  // It repeats its old clock when it comes back: a server that only passes it on leaves it invisible for 15 s.
  bob.breaks()
  await waitFor('Bob gone', () => gone, SOON)
  await here(ada, 'Ada Bob')
  // Its own copy forgot Ada's state but not her clock, so that it waits for her to say it anew: the server asks her.
  await here(bob, 'Ada Bob', 2 * SOON)
})

storyOnEach(played, 'a cursor that moves is seen by the others', async (stage, wire) => {
  const server = await stage.server()
  const ada = stock(stage, server, 'room', wire)
  const bob = stock(stage, server, 'room', wire)
  await Promise.all([ada.synced(), bob.synced()])
  for (let position = 0; position < 50; position++) {
    ada.awareness.setLocalStateField('cursor', { position })
  }
  await waitFor('the last place of the cursor', () =>
    bob.awareness.getStates().get(ada.doc.clientID)?.cursor?.position === 49, SOON)
})
