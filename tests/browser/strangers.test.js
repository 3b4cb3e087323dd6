// What others write into names, colours and cursors: it may be anything, and must do nothing.

import assert from 'node:assert/strict'
import { story, waitFor } from '../node/harness.js'
import { stock } from '../node/stock.js'
import { again, BODY, CHAT, open } from './pages.js'

/** Colours that would load, run or hide something where they were written into a style as they are. */
const HOSTILE = [
  'red;background:url(//stranger.example/x)',
  'url(//stranger.example/y)',
  'expression(alert(1))',
  'red;position:fixed;inset:0;z-index:9999',
  'var(--ink)}*{display:none',
  'image-set("//stranger.example/z" 1x)',
  '"><img src=//stranger.example/i>'
]

/** Everything that the page asks other hosts for. */
function elsewhere (person, server) {
  const asked = []
  person.page.on('request', (request) => {
    const { host, protocol } = new URL(request.url())
    if (host !== server.address && protocol !== 'data:') asked.push(request.url())
  })
  return asked
}

/** The declarations of all style attributes on the page, except those that the page itself computes from numbers. */
const declared = (person) => person.page.evaluate(() =>
  [...document.querySelectorAll('[style]')].map((one) => one.getAttribute('style')).join('\n')
)

const harmless = async (person, asked) => {
  const styles = await declared(person)
  for (const word of ['url', 'stranger', 'expression', 'fixed', 'image-set', 'display']) {
    // CodeMirror's own measures are inline, but none of them is one of these.
    assert.ok(!styles.includes(`${word}(`) && !styles.includes(`: ${word}`) && !styles.includes(`${word}.`), `${word} in:\n${styles}`)
  }
  assert.deepEqual(asked, [])
  assert.equal(await person.page.evaluate(() => document.querySelectorAll('img[src]').length), 0)
}

/** Somebody with a stock client, a colour and a cursor at an index. */
async function stranger (stage, server, { color, colorLight = color, name = 'Stranger', anchor = 0, head = 3 }) {
  const client = stock(stage, server, 'essay')
  await client.synced()
  const text = client.doc.getText(BODY)
  await waitFor('the stranger has the text', () => text.length >= 3)
  // As Y.createRelativePositionFromTypeIndex would make it; the page knows its own items.
  const at = (index) => client.position(text, index)
  client.provider.awareness.setLocalState({ user: { name, color, colorLight }, cursor: { anchor: at(anchor), head: at(head) } })
  return client
}

story('a colour from a stranger never reaches a style of the editor', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const asked = elsewhere(ada, server)
  await ada.write('Some words of Ada')
  for (const color of HOSTILE) await stranger(stage, server, { color })
  const carets = () => ada.page.evaluate(() => document.querySelectorAll('[data-testid=editor] .remote-caret').length)
  await waitFor('all cursors are drawn', async () => await carets() === HOSTILE.length || new Error(`${await carets()} are`))
  await harmless(ada, asked)

  // Larger than the server lets through, and things that are no states at all.
  const odd = [null, 7, 'text', [], { user: null }, { user: 3, cursor: 4 }, { cursor: { anchor: {}, head: {} } },
    { cursor: { anchor: { item: { client: 'x', clock: -1 } }, head: { type: { client: 1, clock: Number.NaN } } } }]
  const took = await ada.page.evaluate((states) => {
    const { awareness } = window.baton.provider
    const long = 'a'.repeat(1 << 20)
    const all = [...states, { user: { name: long, color: long, colorLight: long }, cursor: [...awareness.getStates().values()].find((state) => state.cursor)?.cursor }]
    const ids = all.map((state, i) => {
      awareness.states.set(1000 + i, state)
      return 1000 + i
    })
    const start = performance.now()
    awareness.emit('change', [{ added: ids, updated: [], removed: [] }, 'test'])
    return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - start))))
  }, odd)
  await waitFor('the long one is drawn, too', async () => await carets() === HOSTILE.length + 1)
  assert.ok(took < 2000, `took ${took} ms`)
  assert.ok((await declared(ada)).length < 10_000)
  await harmless(ada, asked)
  await ada.write('and she goes on')
})

story('nor one of the roster, the lock, the queue or the chat', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada')
  const asked = elsewhere(ada, server)
  const eve = await open(stage, server, 'Eve')
  const chat = await again(stage, server, ada, 'Ada 2', { page: CHAT })
  const chatAsked = elsewhere(chat, server)
  await ada.finds('Eve', 'online')
  for (const color of HOSTILE) {
    await eve.page.evaluate((hostile) => { window.baton.provider.user = { name: hostile, color: hostile } }, color)
    await waitFor('Ada is told', () => ada.page.evaluate((hostile) => [...window.baton.provider.roster.values()].some(({ user }) => user.color === hostile), color))
    await eve.takeLock()
    await ada.becomes('lock-button', 'theirs')
    await harmless(ada, asked)
    await eve.at('lock-button').click()
    await ada.becomes('lock-button', 'free')
  }
  await eve.page.evaluate((colors) => window.baton.doc.getArray('messages').push(
    colors.map((color, i) => ({ id: `${i}`, name: color, color, text: `said ${i}`, at: 0 }))
  ), HOSTILE)
  await chat.reads('chat-messages', `said ${HOSTILE.length - 1}`)
  await harmless(chat, chatAsked)
})

story('the policy allows no style and no script that is not the page\'s own', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada', { violates: true })
  const policy = await ada.page.evaluate(() => document.querySelector('meta[http-equiv="Content-Security-Policy"]').content)
  assert.ok(!policy.includes('unsafe'), policy)
  assert.ok(policy.includes("default-src 'none'"), policy)
  // Not through `evaluate` alone, which the policy does not concern: through what an injection would use.
  const ran = await ada.page.evaluate(async () => {
    const blocked = []
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => blocked.push(effectiveDirective))
    const holder = document.createElement('div')
    document.body.append(holder)
    holder.innerHTML = '<p id="inked" style="color: rgb(1, 2, 3)">x</p><style>#inked { color: rgb(4, 5, 6) }</style><img src="x" onerror="window.ran = true">'
    await new Promise((resolve) => setTimeout(resolve, 200))
    return { color: getComputedStyle(document.getElementById('inked')).color, ran: window.ran === true, blocked }
  })
  assert.equal(ran.ran, false)
  assert.ok(!['rgb(1, 2, 3)', 'rgb(4, 5, 6)'].includes(ran.color), ran.color)
  assert.deepEqual([...new Set(ran.blocked)].sort(), ['script-src-attr', 'style-src-attr', 'style-src-elem'])
})

story('the name at a cursor is in sight on the first line and at the right edge', async (stage) => {
  const server = await stage.server()
  const ada = await open(stage, server, 'Ada', { size: { width: 700, height: 800 } })
  const words = 'word '.repeat(60).trim()
  await ada.write(words)
  const inSight = () => ada.page.evaluate(() => {
    const names = [...document.querySelectorAll('[data-testid=editor] .remote-name')]
    const frame = document.querySelector('[data-testid=editor]').closest('.cm-scroller').getBoundingClientRect()
    return names.map((name) => {
      const box = name.getBoundingClientRect()
      return box.height > 8 && box.top >= frame.top && box.bottom <= frame.bottom && box.left >= frame.left && box.right <= frame.right + 1
    })
  })
  const long = 'A name of more than a few letters'
  await stranger(stage, server, { color: '#ff0000', name: long, anchor: 0, head: 0 })
  // At the end of the first row, wherever the font puts that.
  const end = await ada.page.evaluate(() => {
    // Not the first child: that is the cursor, once it is drawn.
    const lines = [...document.querySelector('[data-testid=editor] .cm-line').childNodes].find((node) => node.nodeType === Node.TEXT_NODE)
    const range = document.createRange()
    const top = (i) => (range.setStart(lines, i), range.setEnd(lines, i + 1), range.getBoundingClientRect().top)
    let i = 1
    while (top(i) === top(0)) i += 1
    return i - 2
  })
  await stranger(stage, server, { color: '#ff0000', name: long, anchor: end, head: end })
  await waitFor('both names are in sight', async () => {
    const seen = await inSight()
    return (seen.length === 2 && seen.every(Boolean)) || new Error(JSON.stringify(seen))
  })
})
