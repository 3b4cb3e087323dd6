/** The sentences of the page, one for each reason, without words of the machinery. */
import { describe, expect, it } from 'vitest'
import type { EditReason, Mode, Outcome, PeerState } from 'baton-client'
import { contrastWithWhite, readable } from '../src/colors'
import { cameOf, lossOf, type Came, type Loss } from '../src/passing'
import { partName, rootName } from '../src/regions'
import { answerWords, asideWords, cameWords, CHAT, cleanName, colorOf, decidedWords, editWords, lasting, lostWords, MODES, nameOf, parkWords, placeWords, refusedWords, STATE_WORDS, TEXT, turnedAwayWords } from '../src/words'

/** Words of the machinery. */
const JARGON = /\b(session|grant|fence|lease|epoch|merge|discard|park|CRDT|drain|shaky|unconfirmed|exclusive|content|messages|ticks)\b/i

const what = 'the lock'

describe('a lock that went', () => {
  // As crates/baton-room/src/outcomes.rs says them.
  const SAID: Record<string, Loss> = {
    'you were silent for too long, and another session could take it': 'silent',
    'your connection was gone for too long, and another session could take it': 'dropped',
    'you did not come back in time after your server was lost': 'restart',
    // Of an older server.
    'you did not come back in time after the server\'s start': 'restart',
    'you came back and did not name it among your fences': 'outdated',
    'you were asked to stop, and did not say in time that you had': 'late',
    'you said in time that you had stopped, but did not send the edits that the server asked you for (answer its Step1)': 'late',
    'you said in time that you had stopped, but edits that you had sent before still waited for another holder': 'late',
    'it was taken over, or moved to another session of its user, while you could not be reached': 'taken-away',
    'it ended while you were away (given back, passed on or taken), or was never yours': 'dropped',
    'you handed it over': 'transfer',
    'it was taken over': 'taken-over',
    'it was moved to another session of yours': 'moved',
    'it was requested, and the time for that was over': 'requested',
    'you had no input for long, and another session waited': 'idle',
    // The client's own, before the server says more.
    'it passed on while this page was out of reach': 'dropped',
  }

  it.each(Object.entries(SAID))('“%s” is %s', (reason, loss) => expect(lossOf(reason, null)).toBe(loss))

  it('is told by the reason that the page had to stop for, not by its being late', () => {
    expect(lossOf('you were asked to stop, and did not say in time that you had', 'taken-over')).toBe('taken-over')
    expect(lossOf(null, 'idle')).toBe('idle')
    expect(lossOf('your connection was gone for too long, and another session could take it', 'idle')).toBe('dropped')
  })

  it('shows a reason that is newer than this page as the server said it', () => {
    expect(lossOf('the moon was full', null)).toBe('unknown')
    expect(lostWords('unknown', { what, who: 'Bob', reason: 'the moon was full' })).toBe('You no longer have the lock: the moon was full.')
  })

  const ALL: [Loss, string][] = [
    ['transfer', 'You handed the lock to Bob.'],
    ['taken-over', 'Bob took over the lock.'],
    ['moved', 'The lock moved to your other tab.'],
    ['requested', 'You were asked for the lock, and the time was up: it went to Bob.'],
    ['idle', 'You did not write for a while, so the lock went to Bob.'],
    ['silent', 'The server heard nothing from this page for 10 seconds, so the lock went to Bob.'],
    ['dropped', 'Your connection dropped for 10 seconds, so the lock went to Bob.'],
    ['restart', 'This page lost its server and was not back in time: the lock went to Bob.'],
    ['taken-away', 'Bob took the lock while you were offline.'],
    ['late', 'The lock went to Bob: this page did not finish in time.'],
    ['outdated', 'This page was not up to date about the lock, and gave it up.'],
    ['unknown', 'The lock went to Bob.'],
  ]
  it.each(ALL)('%s: %s', (loss, words) => {
    expect(lostWords(loss, { what, who: 'Bob', away: 10_000 })).toBe(words)
    const unnamed = lostWords(loss, { what, who: null })
    expect(unnamed).toMatch(/^[A-Z].*\.$/)
    expect(unnamed).not.toMatch(/null|undefined|Bob/)
    expect(`${words} ${unnamed}`).not.toMatch(JARGON)
  })
})

describe('a lock that came', () => {
  const before = { holder: 'online' as PeerState }
  const WAYS: [string, Parameters<typeof cameOf>, Came | null][] = [
    ['nobody had it', [null, 1, null], null],
    ['nobody had it, though it was asked for out of turn', [null, 1, 'taken'], null],
    ['it was taken over', [{ ...before, state: 'draining', reason: 'taken-over', to: 1 }, 1, 'taken'], 'taken'],
    ['it was taken over, by what the server says alone', [{ ...before, state: 'draining', reason: 'taken-over', to: 1 }, 1, null], 'taken'],
    ['it was taken from who was not there', [{ state: 'suspect', holder: 'offline' }, 1, 'taken'], 'taken'],
    ['it was moved', [{ ...before, state: 'draining', reason: 'moved', to: 1 }, 1, null], 'moved'],
    ['it was handed over by name', [{ ...before, state: 'draining', reason: 'transfer', to: 1 }, 1, null], 'handed'],
    ['it was handed to somebody who did not want it', [{ ...before, state: 'draining', reason: 'transfer', to: 2 }, 1, null], 'let-go'],
    ['its time was up', [{ ...before, state: 'draining', reason: 'requested' }, 1, null], 'requested'],
    ['its holder was away', [{ ...before, state: 'draining', reason: 'idle' }, 1, null], 'idle'],
    ['its holder lost the connection', [{ state: 'suspect', holder: 'offline' }, 1, null], 'dropped'],
    ['its holder closed the page', [{ state: 'suspect', holder: 'gone' }, 1, null], 'left'],
    ['its holder lost the server', [{ state: 'recovering', holder: 'offline' }, 1, null], 'restart'],
    ['its holder was silent', [{ state: 'held', holder: 'offline' }, 1, null], 'silent'],
    ['its holder left', [{ state: 'held', holder: 'gone' }, 1, null], 'left'],
    ['its holder gave it back', [{ state: 'held', holder: 'online' }, 1, null], 'let-go'],
    ['it was offered to somebody first', [{ ...before, state: 'offered' }, 1, null], 'let-go'],
    ['an older server does not say why it drains', [{ ...before, state: 'draining' }, 1, null], 'let-go'],
  ]
  it.each(WAYS)('%s', (_, given, came) => expect(cameOf(...given)).toBe(came))

  const ALL: Came[] = ['kept', 'taken', 'moved', 'handed', 'requested', 'idle', 'dropped', 'silent', 'left', 'restart', 'let-go']
  it.each(ALL)('%s has words of its own', (came) => {
    const words = cameWords(came, { what, who: 'Bob' }, true)
    expect(words).toMatch(/^[A-Z].*\.$/)
    expect(words).not.toMatch(JARGON)
    expect(new Set(ALL.map((one) => cameWords(one, { what, who: 'Bob' }, false))).size).toBe(ALL.length)
  })
})

describe('why one may write', () => {
  const REASONS: EditReason[] = ['open', 'draining', 'required', 'connecting', 'free', 'free-offline', 'holder', 'unconfirmed', 'offered', 'releasing', 'theirs', 'diverged', 'closed']
  it.each(REASONS)('%s', (why) => {
    for (const holder of ['Bob', null]) {
      expect(editWords(why, holder)).toMatch(/^[A-Z“]/)
      expect(editWords(why, holder)).not.toMatch(JARGON)
      expect(editWords(why, holder)).not.toMatch(/null|undefined|somebody has the lock/)
    }
  })

  it('says that it waits for the server', () => expect(editWords('unconfirmed', null)).toBe('Paused: waiting for the server'))

  it('names what an input method had to take back', () => {
    expect(refusedWords('theirs', 'Bob', 'にほん')).toBe('“にほん” was not added. Only Bob can write now')
    expect(refusedWords('theirs', 'Bob')).toBe('Only Bob can write now')
  })

  it('has a name for each of the three ways', () => {
    expect((['open', 'exclusive-when-held', 'required'] as Mode[]).map((mode) => MODES[mode].label)).toEqual(['Anyone', 'One at a time, if locked', 'Only with the lock'])
  })

  it('says who is slow', () => expect(STATE_WORDS.shaky).toBe('is slow to answer'))
})

describe('what is not in the text yet', () => {
  const park = (inserted: number, deleted = 0, state: 'open' | 'discarded' = 'open') => ({ inserted, deleted, state })
  it('is counted in characters, and named', () => {
    expect(parkWords(park(37), 'Bob', TEXT)).toBe('Bob wrote 37 characters that are not in the text yet')
    expect(parkWords(park(1), 'you', TEXT)).toBe('You wrote 1 character that is not in the text yet')
    expect(parkWords(park(2, 5), 'Bob', TEXT)).toBe('Bob wrote 2 characters and removed 5: that is not in the text yet')
    expect(parkWords(park(0, 5), 'Bob', TEXT)).toBe('Bob removed 5 characters that are still in the text')
    expect(parkWords(park(0, 0), 'Bob', TEXT)).toBe('Bob changed something that is not in the text yet')
    expect(parkWords(park(1), 'Bob', CHAT)).toBe('Bob wrote 1 message that is not in the chat yet')
    expect(parkWords(park(37, 0, 'discarded'), 'Bob', TEXT)).toBe('Bob wrote 37 characters, which were left out')
  })

  it('is told to its author at once', () => {
    expect(asideWords('Bob', true, null)).toBe('Bob took the lock while you were offline. What you wrote is safe; you or Bob can add it.')
    expect(asideWords('Bob', false, null)).toBe('Bob had the lock when you wrote. What you wrote is safe; you or Bob can add it.')
    expect(asideWords(null, false, 'required')).toBe('Only who has the lock may write here. What you wrote is safe: take the lock, and it is added.')
    expect(asideWords(null, false, 'exclusive-when-held')).not.toMatch(/null/)
  })

  it('has its end told to its author, and to who decided', () => {
    expect(decidedWords('merged', 'Bob', 'you', TEXT)).toBe('Bob added what you wrote to the text.')
    expect(decidedWords('discarded', 'Bob', 'you', TEXT)).toBe('Bob left out what you wrote.')
    expect(decidedWords('open', 'Bob', 'you', TEXT)).toBe('Bob brought back what you wrote: it can be added again.')
    expect(decidedWords('discarded', 'you', 'Ada', TEXT)).toBe('You left out what Ada wrote.')
    expect(decidedWords('merged', null, 'you', CHAT)).toBe('What you wrote is in the chat now.')
  })
})

describe('why something was not done', () => {
  const OUTCOMES: (Outcome | 'unsent')[] = ['invalid', 'busy', 'stale', 'forbidden', 'would-wait', 'not-allowed', 'cooldown', 'unknown', 'full', 'unsent']
  it.each(OUTCOMES)('%s, for a lock, for words set aside, and for the rule', (outcome) => {
    for (const wanted of ['lock', 'park', 'mode'] as const) {
      const words = answerWords({ outcome, message: outcome === 'full' ? null : 'this is for who holds the locks of all that it touches (content, summary)' }, wanted)
      expect(words).toMatch(/^[A-Z].*\.$/)
      expect(words).not.toMatch(JARGON)
    }
  })

  it('is nothing to say when it was done', () => {
    expect(answerWords({ outcome: 'done', message: null })).toBeNull()
    expect(answerWords({ outcome: 'queued', message: null })).toBeNull()
  })

  it('does not name somebody else where there is nobody', () => {
    const message = 'this session was silent and counts as offline until it answers a beat, or another offer went first: try again in a moment'
    expect(answerWords({ outcome: 'busy', message })).toBe('The server did not hear this page for a moment: try again.')
  })

  it('names the limit, which only the server knows', () => {
    expect(answerWords({ outcome: 'full', message: 'max_parks is 100' })).toBe('Max_parks is 100.')
  })

  it.each([4404, 4409, 4410, 4413])('and why the server turned the page away: %i', (code) => {
    expect(turnedAwayWords(code, 'epoch 3 is over')).not.toMatch(JARGON)
  })
})

describe('names and colours that others send', () => {
  const peer = (name: string) => ({ session: 7, user: { name, color: '' }, state: 'online' as const, lock: true })
  it.each(['', '   ', '\u200b\u200b', '\u202e', '\u2800\u3164', '\n\t'])('a blank name is replaced: %j', (name) => {
    expect(nameOf(peer(name))).toBe('Guest 7')
  })

  it('keeps what can be seen, without what turns the line around', () => {
    expect(nameOf(peer('  Ada \u202e Lovelace\u200b '))).toBe('Ada Lovelace')
    expect(cleanName('x'.repeat(200))).toHaveLength(40)
    expect(cleanName('👩‍🚀'.repeat(3))).not.toBe('')
    expect(cleanName(12)).toBe('')
  })

  it.each(['#fff', '#ffffff', '#ffff00', '#fff0', '#ffffff00', '#9f9', '#c2410c', '#30bced'])('a colour is made fit to be read: %s', (color) => {
    const fit = readable(color)
    expect(fit).toMatch(/^#[0-9a-f]{6}$/)
    const parts = [1, 3, 5].map((at) => Number.parseInt(fit.slice(at, at + 2), 16)) as [number, number, number]
    expect(contrastWithWhite(parts)).toBeGreaterThanOrEqual(4.45)
  })

  it('leaves one alone that can be read', () => expect(readable('#C2410C')).toBe('#c2410c'))

  it.each(['', 'red; background: url(//x)', 'transparent', 'url(x)', '#12345', 'var(--ink)', null, 7])('what is no colour is grey: %j', (color) => {
    expect(colorOf(color)).toBe('#64748b')
  })
})

describe('parts and places', () => {
  it('never shows a raw name', () => {
    expect(rootName('content')).toBe('“Body”')
    expect(rootName('messages')).toBe('the chat')
    expect(rootName('prosemirror')).toBe('another part')
    expect(partName([['content', 'p', '7'], ['content', 'q']])).toBe('“Body”')
    expect(partName([['toString']])).toBe('another part')
  })

  it('says where one stands', () => {
    expect(placeWords(1, 1)).toBe('You are next')
    expect(placeWords(8, 8)).toBe('You are 8th of 8 in line')
    expect(placeWords(null, 130)).toBe('You are in line')
  })

  it('says how long it lasted', () => {
    expect(lasting(400)).toBe('1 second')
    expect(lasting(10_200)).toBe('10 seconds')
    expect(lasting(180_000)).toBe('3 minutes')
  })
})

