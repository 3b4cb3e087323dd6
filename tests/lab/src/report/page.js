// What the run's data looks like. Draws, and lets one look closer; computes nothing that the verdict does not say.

const $ = id => document.getElementById(id)
const el = (tag, text, cls) => Object.assign(document.createElement(tag), text == null ? {} : { textContent: text }, cls ? { className: cls } : {})
const sec = ms => ms < 1000 ? Math.round(ms) + ' ms' : (ms / 1000).toFixed(ms < 10000 ? 2 : 1) + ' s'
const many = (n, one, more = one + 's') => `${n.toLocaleString('en')} ${n === 1 ? one : more}`
const part = p => p.length ? p.map(path => path.join('/')).join(', ') : 'the document'
const fence = f => `${f.epoch}:${f.position}`
const S = D.scenario, V = D.verdict, P = D.people
const count = (...kinds) => D.moments.reduce((n, m) => n + kinds.includes(m.what), 0)

// ---- the words at the top ----
const findings = D.problems.flatMap((list, i) => list.map(text => ({ document: i, text })))
const kills = count('killed'), blackouts = count('blackout')
document.body.className = D.outcome
document.title = `${{ sound: '✓', finding: '✗', unjudged: '?' }[D.outcome]} ${S.name}, seed ${S.seed}`
$('mark').textContent = { sound: '✓', finding: '✗', unjudged: '?' }[D.outcome]
$('word').textContent = { sound: 'Sound', finding: many(findings.length, 'finding'), unjudged: 'Not everything could be judged' }[D.outcome]
$('sub').textContent = `${many(S.clients, 'client')} in ${many(S.docs, 'document')}, ${S.lasts} of ${S.chaos.join(', ') || 'fair weather'}; all agreed ${sec(Math.max(0, D.millis - D.quiet_from))} after it ended`
if (D.outcome === 'finding') $('sub').textContent = $('sub').textContent.replace(/; all agreed.*/, '')
$('seed').textContent = S.seed
$('again').textContent = 'baton-lab run ' + V.again
$('copy').onclick = async () => {
  // Where a page may not write to the clipboard, what is selected can be copied by hand.
  try { await navigator.clipboard.writeText($('again').textContent); $('copy').textContent = 'copied' } catch { getSelection().selectAllChildren($('again')) }
}
for (const f of findings) {
  const b = el('button'), times = [...f.text.matchAll(/(\d+) ms/g)].map(m => +m[1]), at = Math.max(-1, ...times)
  b.append(el('b', V.documents[f.document].name), f.text)
  if (at >= 0) b.append(el('small', 'show ' + sec(at)))
  b.onclick = () => show(f, at)
  $('findings').append(b)
}
for (const text of V.unjudged) { const b = el('button'); b.append(el('b', 'not judged'), text); $('findings').append(b) }

const LEFT = { released: 'given back', transfer: 'handed over', 'taken-over': 'taken over', moved: 'moved', requested: 'given up on request', idle: 'given up idle' }
let only = null, marked = null
V.documents.forEach((d, i) => {
  const bad = D.problems[i].length, card = el('button', null, bad ? 'card bad' : 'card'), head = el('header'), bar = el('div', null, 'bar'), all = Math.max(1, d.inserted)
  head.append(el('b', d.name), el('span', bad ? many(bad, 'finding') : 'converged'))
  for (const [n, color] of [[d.present, 'good'], [d.deleted, 'drop'], [d.parked + d.discarded, 'park'], [d.drafts + d.unsaved, 'delay'], [d.lost.length + d.duplicated.length, 'bad']]) { const part = el('div'); part.style.cssText = `flex:${n / all} 0 0;background:var(--${color})`; if (n) bar.append(part) }
  const numbers = el('p'), lock = el('p'), put = (to, n, word, cls) => { if (n == null) return; if (to.childNodes.length) to.append(' · '); const s = el('span', null, cls); s.append(el('b', n), ' ' + word); to.append(s) }
  put(numbers, d.present, 'there'); put(numbers, d.deleted, 'taken out'); put(numbers, d.parked || null, 'parked'); put(numbers, d.discarded || null, 'discarded'); put(numbers, d.drafts || null, 'drafts'); put(numbers, d.unsaved || null, 'gone unsaved')
  put(numbers, d.lost.length || null, 'lost', 'x'); put(numbers, d.duplicated.length || null, 'twice', 'x')
  if (D.locks) { put(lock, d.lock.grants, d.lock.grants === 1 ? 'grant' : 'grants'); put(lock, d.lock.parts || null, 'of parts'); for (const how in LEFT) if (how !== 'released') put(lock, d.lock.left[how] || null, LEFT[how]); put(lock, d.merged || null, d.merged === 1 ? 'park merged' : 'parks merged'); if (d.lock.handoff) put(lock, sec(d.lock.handoff[0]), 'to pass on (median)') } else lock.textContent = 'no lock is spoken here'
  card.append(head, bar, numbers, lock); card.setAttribute('aria-pressed', false); card.title = 'only this document'
  card.onclick = () => { only = only === i ? null : i; document.querySelectorAll('.card').forEach((c, k) => c.setAttribute('aria-pressed', k === only)); layout() }
  $('cards').append(card)
})

// ---- what is drawn: items with a kind, a client, a beginning and an end ----
const KINDS = { hold: 'has the document', region: 'has a part', pass: 'handoffs', ask: 'requests', edit: 'edits', offer: 'offers', loss: 'losses', park: 'parks', drop: 'away', freeze: 'frozen', part: 'cut off', delay: 'slow line', kill: 'kills' }
const COLOR = { offer: 'pass', ask: 'dim', drain: 'pass', loss: 'bad', kill: 'bad' }
const shown = Object.fromEntries(Object.keys(KINDS).map(k => [k, true]))
Object.defineProperty(shown, 'drain', { get: () => shown.pass })
const guilty = new Set(findings.flatMap(f => f.text.match(/\bc\d+:\d+\b/g) ?? []))
const items = [], down = [], edits = []

// A client may hold several parts at once: each has a lane of its row then.
const byWho = P.map((_, who) => D.holds.filter(h => h.who === who))
for (const holds of byWho) for (const h of holds) {
  const taken = new Set(holds.filter(o => o.lane != null && o.to > h.from && o.from < h.to).map(o => o.lane))
  h.lane = 0; while (taken.has(h.lane)) h.lane++
}
for (const holds of byWho) for (const h of holds) h.lanes = 1 + Math.max(...holds.filter(o => o === h || o.to > h.from && o.from < h.to).map(o => o.lane))
const handed = {}
for (const p of D.handoffs) (handed[p.from] ??= []).push(p)
for (const h of D.holds) {
  const whole = !h.part.length, next = (handed[[h.who, h.to]] ?? []).map(p => `; ${p.left ? LEFT[p.left] : 'lost'}, and ${P[p.to[0]].name} has ${part(p.part)} ${sec(Math.max(0, p.to[1] - p.from[1]))} later`)
  items.push({ k: whole ? 'hold' : 'region', who: h.who, a: h.from, b: h.to, lane: h.lane, lanes: h.lanes, label: whole ? '' : part(h.part), t: `holds ${part(h.part)}`, d: `for ${sec(h.to - h.from)} under fence ${fence(h.fence)}${next.length ? next.join('') : h.left ? '; ' + LEFT[h.left] : ''}` })
}
// Sessions are known by their clients' welcomes.
const sessions = {}
for (const m of D.moments) if (m.what === 'welcome') sessions[P[m.who].document + ':' + m.session] = P[m.who].name
const named = (m, session) => sessions[P[m.who].document + ':' + session] ?? 'somebody'
const SAID = { 'partition-up': 'nothing it sends arrives', 'partition-down': 'nothing reaches it', partition: 'is cut off', delay: 'has a slow line' }
const since = {}, open = (kind, who, at) => { since[kind + who] ??= at }
const close = (k, kind, who, at, t, d) => { const a = since[kind + who]; if (a == null) return; delete since[kind + who]; items.push({ k, who, a, b: at, t, d: `for ${sec(at - a)}${d ?? ''}` }) }
const drains = {}, of = {}
let dead = null
for (const m of D.moments) {
  const put = (k, t, d, b) => items.push({ k, who: m.who, a: m.at, b: b ?? m.at, t, d })
  switch (m.what) {
    case 'insert': put('edit', 'puts in ' + m.element, m.place + (m.regardless ? ', without asking the lock' : '')); edits.push(m.at); if (guilty.has(m.element)) items.at(-1).guilty = true; break
    case 'delete': put('edit', 'takes out ' + m.element); edits.push(m.at); break
    case 'touch': put('edit', 'sets the headline'); edits.push(m.at); break
    case 'offered': put('offer', 'is offered ' + part(m.part), 'fence ' + fence(m.fence)); break
    case 'granted': if (!m.kept) of[fence(m.fence) + m.who] = part(m.part); break
    case 'requested': put('ask', 'is asked for it', 'by ' + named(m, m.by)); break
    case 'taking-over': put('ask', 'sets out to take over ' + part(m.part)); break
    case 'moving-here': put('ask', 'sets out to move here what its last session held', part(m.part)); break
    case 'handing-over': put('ask', 'hands it over', 'to ' + named(m, m.to)); break
    case 'draining': drains[fence(m.fence) + m.who] = { at: m.at, why: LEFT[m.reason] + (m.to == null ? '' : ', to ' + named(m, m.to)) }; break
    case 'lost': { const drain = drains[fence(m.fence) + m.who], what = of[fence(m.fence) + m.who] ?? 'the lock'
      if (drain) items.push({ k: 'drain', who: m.who, a: drain.at, b: m.at, t: `stops in ${what} and sends what it has`, d: `${drain.why}, for ${sec(m.at - drain.at)}` })
      else put('loss', 'loses ' + what, m.reason); break }
    case 'merged': put('park', 'merges a park'); items.at(-1).done = true; break
    case 'discarded': put('park', 'discards a park'); items.at(-1).done = true; break
    case 'recovered': put('park', 'recovers a discarded park'); items.at(-1).done = true; break
    case 'parked': put('park', 'an edit was parked', m.reason + '; goes on with a fresh copy'); break
    case 'refused': put('park', 'was refused', m.reason); break
    case 'missed': put('loss', `the lab missed ${m.events} events`); break
    case 'dropped': put('drop', 'its connection is reset', 'by the lab'); break
    case 'closed': case 'dark': open('away', m.who, m.at); break
    case 'welcome': close('drop', 'away', m.who, m.at, 'was away', m.resumed ? '; its session went on' : '; a new session'); break
    case 'frozen': open('ice', m.who, m.at); break
    case 'thawed': close('freeze', 'ice', m.who, m.at, 'stands still'); break
    case 'disturbed': if (m.who == null) down.push({ a: m.at, b: Math.min(m.at + m.millis, D.quiet_from), what: m.how })
      else if (m.how !== 'freeze') put(m.how === 'delay' ? 'delay' : 'part', SAID[m.how], 'for ' + sec(m.millis), Math.min(m.at + m.millis, D.quiet_from)); break
    case 'killed': case 'blackout': dead = m; break
    case 'started': if (dead) down.push({ a: dead.at, b: m.at, what: dead.what === 'killed' ? 'kill -9' : 'blackout' }); dead = null; break
  }
}
for (const i of items) i.held = i.k === 'edit' && D.holds.some(h => h.who === i.who && h.from <= i.a && h.to >= i.a)
const LAYER = Object.keys({ drop: 0, delay: 0, part: 0, freeze: 0, hold: 0, region: 0, drain: 0, edit: 0, offer: 0, ask: 0, loss: 0, park: 0 })
items.sort((x, y) => LAYER.indexOf(x.k) - LAYER.indexOf(y.k) || x.a - y.a)

for (const k in KINDS) {
  if (!D.locks && ['hold', 'region', 'pass', 'ask', 'offer', 'loss', 'park'].includes(k)) continue
  if (k === 'kill' && !down.length || !['pass', 'kill'].includes(k) && !items.some(i => i.k === k)) continue
  const b = el('button'), i = el('i')
  i.style.background = `var(--${COLOR[k] ?? k})`; b.append(i, KINDS[k]); b.setAttribute('aria-pressed', true)
  b.onclick = () => { shown[k] = !shown[k]; b.setAttribute('aria-pressed', shown[k]); draw() }
  $('legend').append(b)
}

// ---- drawing ----
const canvas = $('rows'), g = canvas.getContext('2d'), over = $('over'), o = over.getContext('2d')
const EDGE = 62, TOP = 26, RIGHT = 14, HEAD = 25, ROW = P.length > 60 ? 15 : P.length > 30 ? 18 : 22
let rows = [], top_ = {}, width = 0, view = [0, D.millis], C = {}, cross = null
function palette () {
  const probe = document.body.appendChild(el('i'))
  for (const name of ['bg', 'card', 'ink', 'dim', 'line', 'row', 'good', 'bad', 'hold', 'region', 'pass', 'freeze', 'part', 'delay', 'drop', 'park', 'edit', 'dark', 'onhold']) { probe.style.color = `var(--${name})`; C[name] = getComputedStyle(probe).color }
  probe.remove()
}
const X = t => EDGE + (t - view[0]) / (view[1] - view[0]) * (width - EDGE - RIGHT)
const T = x => view[0] + (x - EDGE) / (width - EDGE - RIGHT) * (view[1] - view[0])
function fit (canvas, context, height) {
  const r = devicePixelRatio || 1
  canvas.style.height = height + 'px'; width = canvas.clientWidth
  canvas.width = width * r; canvas.height = height * r; context.setTransform(r, 0, 0, r, 0, 0)
}
function layout () {
  rows = []; top_ = {}; let y = TOP
  V.documents.forEach((d, i) => {
    if (only != null && only !== i) return
    rows.push({ head: d.name, bad: D.problems[i].length, y }); y += HEAD
    P.forEach((p, who) => { if (p.document === i) { top_[who] = y; rows.push({ who, name: p.name, y }); y += ROW } })
  })
  fit(over, o, 46); fit(canvas, g, y + 10); palette(); draw()
}
function line (c, x1, y1, x2, y2) { c.beginPath(); c.moveTo(x1, y1); c.lineTo(x2, y2); c.stroke() }
function draw () { overview(); backdrop(); g.save(); g.beginPath(); g.rect(EDGE - 5, 0, width - EDGE - RIGHT + 10, canvas.clientHeight); g.clip(); weather(); for (const i of items) if (i.k !== 'edit' && shown[i.k] && top_[i.who] != null && i.b >= view[0] && i.a <= view[1]) mark(i, top_[i.who]); ticks(); names(); handoffs(); g.restore(); cursor() }
function overview () {
  const bins = 240, n = new Array(bins).fill(0), at = t => EDGE + t / D.millis * (width - EDGE - RIGHT), w = (width - EDGE - RIGHT) / bins
  for (const t of edits) n[Math.min(bins - 1, Math.floor(t / D.millis * bins))]++
  const most = Math.max(1, ...n)
  o.clearRect(0, 0, width, 46); o.font = '11px system-ui,sans-serif'; o.textBaseline = 'middle'; o.fillStyle = C.dim; o.fillText('edits', 16, 26)
  o.fillStyle = C.ink; o.globalAlpha = .5; n.forEach((v, i) => o.fillRect(EDGE + i * w, 42 - v / most * 34, Math.max(1, w - .7), v / most * 34)); o.globalAlpha = 1
  for (const d of down) { o.fillStyle = d.what === 'blackout' ? C.dark : C.bad; o.globalAlpha = .55; o.fillRect(at(d.a), 4, Math.max(1.5, at(d.b) - at(d.a)), 38); o.globalAlpha = 1 }
  o.fillStyle = C.hold; o.globalAlpha = .16; if (view[1] - view[0] < D.millis) o.fillRect(at(view[0]), 2, at(view[1]) - at(view[0]), 42); o.globalAlpha = 1
}
function backdrop () {
  const height = canvas.clientHeight; let n = 0
  g.clearRect(0, 0, width, height); g.textBaseline = 'middle'
  for (const r of rows) {
    if (r.head != null) { n = 0; g.fillStyle = r.bad ? C.bad : C.good; g.font = '700 12.5px system-ui,sans-serif'; g.fillText(r.bad ? '✗' : '✓', 14, r.y + HEAD / 2 + 1); g.fillStyle = C.ink; g.font = '600 12.5px system-ui,sans-serif'; g.fillText(r.head, 29, r.y + HEAD / 2 + 1); continue }
    if (n++ % 2 === 0) { g.fillStyle = C.row; g.fillRect(0, r.y, width, ROW) }
    if (marked?.names.includes(r.name)) { g.fillStyle = C.bad; g.globalAlpha = .09; g.fillRect(0, r.y, width, ROW); g.globalAlpha = 1 }
    g.fillStyle = marked?.names.includes(r.name) ? C.bad : C.dim; g.font = '11.5px system-ui,sans-serif'; g.fillText(r.name, 29, r.y + ROW / 2 + .5)
  }
  const span = view[1] - view[0], step = [20, 50, 100, 250, 500, 1000, 2000, 5000, 10000, 30000, 60000, 300000].find(s => span / s < 14) ?? 600000
  g.textAlign = 'center'; g.font = '11px system-ui,sans-serif'; g.lineWidth = 1
  for (let t = Math.ceil(view[0] / step) * step; t <= view[1]; t += step) { g.strokeStyle = C.line; line(g, X(t), TOP - 4, X(t), height); g.fillStyle = C.dim; g.fillText(+(t / 1000).toFixed(2) + ' s', X(t), 13) }
  g.textAlign = 'left'
}
function weather () {
  const height = canvas.clientHeight, q = X(D.quiet_from)
  g.fillStyle = C.good; g.globalAlpha = .1; g.fillRect(q, TOP - 4, width, height); g.globalAlpha = 1
  if (shown.kill) for (const d of down) {
    const x = X(d.a), w = Math.max(2, X(d.b) - x), color = d.what === 'blackout' ? C.dark : C.bad
    g.fillStyle = color; g.globalAlpha = d.what === 'blackout' ? .45 : .14; g.fillRect(x, TOP - 4, w, height); g.globalAlpha = 1; g.fillRect(x, TOP - 4, 1.5, height)
    g.fillStyle = d.what === 'blackout' ? C.ink : C.bad; g.font = '700 10.5px system-ui,sans-serif'; g.fillText(d.what, x + 6, TOP + 5)
  }
}
function mark (i, y) {
  const x = X(i.a), w = Math.max(2, X(i.b) - x), m = y + ROW / 2, tall = ROW - 4
  g.fillStyle = g.strokeStyle = C[COLOR[i.k] ?? i.k]
  switch (i.k) {
    case 'drop': g.lineWidth = 1.4; if (i.b > i.a) { g.setLineDash([2, 3]); line(g, x, m, x + w, m); g.setLineDash([]) } line(g, x - 2.5, m - 2.5, x + 2.5, m + 2.5); line(g, x + 2.5, m - 2.5, x - 2.5, m + 2.5); break
    case 'delay': g.fillRect(x, y + ROW - 3, w, 1.8); break
    case 'freeze': g.globalAlpha = .26; g.beginPath(); g.roundRect(x, y + 2, w, tall, 2); g.fill(); g.globalAlpha = 1; g.fillRect(x, y + 2, 1.8, tall); g.fillRect(x + w - 1.8, y + 2, 1.8, tall); break
    case 'part': g.globalAlpha = .1; g.fillRect(x, y + 2, w, tall); g.globalAlpha = .55; g.save(); g.beginPath(); g.rect(x, y + 2, w, tall); g.clip(); g.lineWidth = 1; g.beginPath(); for (let s = x - ROW; s < x + w; s += 6) { g.moveTo(s, y + ROW); g.lineTo(s + ROW, y) } g.stroke(); g.restore(); g.globalAlpha = 1; break
    case 'hold': case 'region': {
      const h = (ROW - 6) / i.lanes, top = y + 3 + i.lane * h
      g.beginPath(); g.roundRect(x, top, w, h - (i.lanes > 1 ? 1 : 0), 3); g.fill(); break }
    case 'drain': g.fillRect(x, y + ROW - 4, w, 2.5); break
    case 'ask': g.beginPath(); g.arc(x, y + 4, 2.3, 0, 7); g.lineWidth = 1.3; g.fillStyle = C.card; g.fill(); g.stroke(); break
    case 'offer': g.beginPath(); g.moveTo(x - 3.5, y + 1.5); g.lineTo(x + 3.5, y + 1.5); g.lineTo(x, y + 7); g.fill(); break
    case 'loss': g.beginPath(); g.arc(x, m, 4.3, 0, 7); g.fill(); g.fillStyle = C.card; g.fillRect(x - 2.5, m - .7, 5, 1.5); break
    case 'park': g.beginPath(); g.moveTo(x, m - 5.5); g.lineTo(x + 5.5, m); g.lineTo(x, m + 5.5); g.lineTo(x - 5.5, m); g.closePath(); if (i.done) { g.fillStyle = C.card; g.fill(); g.lineWidth = 1.6; g.stroke(); break } g.fill(); g.strokeStyle = C.card; g.lineWidth = 1; g.stroke(); break
  }
}
// From where one held it to where the next one does: solid when it was given back, heavier when it was handed over, given
// up or taken, dashed when it was lost.
function handoffs () {
  if (!shown.pass) return
  g.strokeStyle = g.fillStyle = C.pass
  for (const { from: [who, end], to: [next, begin], left } of D.handoffs) {
    const y1 = top_[who], y2 = top_[next]
    if (y1 == null || y2 == null || begin < view[0] || end > view[1]) continue
    const a = X(end), b = X(begin), m1 = y1 + ROW / 2, m2 = y2 + ROW / 2, bend = Math.max(12, Math.min(70, (b - a) / 2))
    g.lineWidth = left && left !== 'released' ? 2.8 : 1.4
    g.setLineDash(left ? [] : [4, 3]); g.beginPath(); g.moveTo(a, m1); g.bezierCurveTo(a + bend, m1, b - bend, m2, b, m2); g.stroke(); g.setLineDash([])
    g.beginPath(); g.arc(b, m2, 3, 0, 7); g.fill()
  }
}
function ticks () {
  if (!shown.edit) return
  for (const i of items) {
    if (i.k !== 'edit' || top_[i.who] == null || i.a < view[0] || i.a > view[1]) continue
    const wide = i.guilty ? 3 : 1.2
    g.fillStyle = i.guilty ? C.bad : i.held ? C.onhold : C.edit; g.globalAlpha = i.guilty ? 1 : .62
    g.fillRect(X(i.a) - wide / 2, top_[i.who] + ROW * (i.guilty ? .12 : .28), wide, ROW * (i.guilty ? .76 : .44))
  }
  g.globalAlpha = 1
}
// The names of parts, where there is room for them, over what was edited there.
function names () {
  if (!shown.region) return
  g.font = '600 9.5px system-ui,sans-serif'
  for (const i of items) {
    const tall = (ROW - 6) / i.lanes
    if (!i.label || !(tall > 8) || top_[i.who] == null || i.b < view[0] || i.a > view[1]) continue
    const x = Math.max(X(i.a), EDGE), wide = g.measureText(i.label).width
    if (wide + 8 > X(i.b) - x) continue
    const y = top_[i.who] + 3 + i.lane * tall
    g.fillStyle = C.region; g.beginPath(); g.roundRect(x, y, wide + 8, tall - (i.lanes > 1 ? 1 : 0), 3); g.fill()
    g.fillStyle = C.onhold; g.fillText(i.label, x + 4, y + tall / 2 + .5)
  }
}
function cursor () {
  const height = canvas.clientHeight
  if (marked?.at >= view[0] && marked.at <= view[1]) { g.strokeStyle = C.bad; g.lineWidth = 1.5; g.setLineDash([5, 4]); line(g, X(marked.at), TOP - 4, X(marked.at), height); g.setLineDash([]) }
  if (cross != null) { g.strokeStyle = C.dim; g.lineWidth = 1; g.globalAlpha = .5; line(g, cross, TOP - 4, cross, height); g.globalAlpha = 1 }
}

// ---- looking closer ----
const tip = $('tip'); let drag = null
function look (a, b) { const span = Math.min(D.millis, Math.max(100, b - a)); a = Math.max(0, Math.min(D.millis - span, a)); view = [a, a + span]; draw() }
function show (finding, at) {
  marked = { at, names: finding.text.match(/\bc\d+\b/g) ?? [] }
  if (only != null && only !== finding.document) { only = null; document.querySelectorAll('.card').forEach(c => c.setAttribute('aria-pressed', false)); layout() }
  if (at >= 0) look(at - 4000, at + 4000); else draw()
  const row = rows.find(r => marked.names.includes(r.name)); if (row) scrollTo({ top: canvas.getBoundingClientRect().top + scrollY + row.y - innerHeight / 2, behavior: 'smooth' })
}
canvas.onpointerdown = e => { drag = [e.offsetX, ...view]; canvas.setPointerCapture(e.pointerId) }
canvas.onpointerup = over.onpointerup = () => { drag = null }
canvas.onpointerleave = () => { tip.style.display = 'none'; cross = null; draw() }
canvas.ondblclick = over.ondblclick = () => { marked = null; look(0, D.millis) }
canvas.addEventListener('wheel', e => { if (e.shiftKey) return; e.preventDefault(); const t = T(e.offsetX), f = Math.exp(e.deltaY * .0016); look(t - (t - view[0]) * f, t + (view[1] - t) * f) }, { passive: false })
canvas.onkeydown = e => { const s = (view[1] - view[0]) / 5, t = (view[0] + view[1]) / 2; const to = { ArrowLeft: [view[0] - s, view[1] - s], ArrowRight: [view[0] + s, view[1] + s], '+': [t - s * 1.5, t + s * 1.5], '-': [t - s * 4, t + s * 4] }[e.key]; if (to) look(...to) }
const whole = x => Math.max(0, Math.min(1, (x - EDGE) / (width - EDGE - RIGHT))) * D.millis
over.onpointerdown = e => { drag = [whole(e.offsetX)]; over.setPointerCapture(e.pointerId) }
over.onpointermove = e => { if (drag) { const t = whole(e.offsetX); if (Math.abs(t - drag[0]) > 150) look(Math.min(t, drag[0]), Math.max(t, drag[0])) } }
canvas.onpointermove = e => {
  cross = e.offsetX > EDGE - 5 ? e.offsetX : null
  if (drag) { const d = (e.offsetX - drag[0]) / (width - EDGE - RIGHT) * (drag[2] - drag[1]); look(drag[1] - d, drag[2] - d) } else draw()
  const r = rows.find(r => r.who != null && e.offsetY >= r.y && e.offsetY < r.y + ROW)
  const near = i => i.who === r.who && shown[i.k] && X(i.a) - 5 <= e.offsetX && Math.max(X(i.b), X(i.a)) + 5 >= e.offsetX
  const hits = r && cross != null ? items.filter(near).sort((p, q) => (p.b - p.a) - (q.b - q.a)).slice(0, 7) : []
  tip.replaceChildren()
  if (r && cross != null) tip.append(el('b', `${r.name} · ${(T(e.offsetX) / 1000).toFixed(2)} s`))
  for (const i of hits) { const d = el('div'), dot = el('i'), words = el('div'); dot.style.background = `var(--${COLOR[i.k] ?? i.k})`; words.style.display = 'block'; words.append(`${i.t} `, el('span', `${i.d ? i.d + ' · ' : ''}at ${sec(i.a)}`)); d.append(dot, words); tip.append(d) }
  tip.style.display = hits.length ? 'block' : 'none'
  const left = e.clientX + 16 + tip.offsetWidth > innerWidth ? e.clientX - 16 - tip.offsetWidth : e.clientX + 16
  tip.style.left = Math.max(4, left) + 'px'; tip.style.top = Math.min(e.clientY + 16, innerHeight - tip.offsetHeight - 6) + 'px'
}
$('theme').onclick = () => { const dark = getComputedStyle($('mark')).colorScheme, is = dark === 'dark' || (dark !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches); document.documentElement.style.colorScheme = is ? 'light' : 'dark'; layout() }
addEventListener('resize', layout); matchMedia('(prefers-color-scheme: dark)').addEventListener('change', layout); layout()

const grants = V.documents.reduce((n, d) => n + d.lock.grants, 0)
$('foot').textContent = [many(edits.length, 'edit'), D.locks && many(grants, 'grant'), D.locks && many(count('parked'), 'park') + ' told', many(count('dropped', 'disturbed'), 'disturbance'), kills && many(kills, 'kill'), blackouts && many(blackouts, 'blackout')].filter(Boolean).join(' · ') +
  '. Wheel: zoom; drag: move; double click: all of it. The seed decides who does what, and what goes wrong when; sockets and time are real, so it repeats the play, not the performance.' + (D.locks ? '' : ' This server speaks no lock: what documents hold is judged, and nothing else.')
