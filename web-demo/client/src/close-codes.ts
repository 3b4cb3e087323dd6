/**
 * The close codes of docs/protocol.md, section 2, in words.
 *
 * Owns only the words, and is imported by nothing of this package: a program that shows none does not carry them.
 */

const WORDS: Record<number, string> = {
  1000: 'Done.',
  1001: 'The other side went away.',
  1006: 'The connection broke.',
  1013: 'The server is overloaded, or this connection reads too slowly.',
  4400: 'The server did not understand a frame of this client.',
  4401: 'The server asks for a token, and did not get one that counts.',
  4403: 'This token is not for this document.',
  4404: 'This is not a document name.',
  4409: 'This session went on in another window.',
  4410: 'This copy belongs to an earlier epoch of the document, which has been restored from a backup, or erased.',
  4411: 'Another client in this document writes under the same Yjs client id. Open it afresh.',
  4412: 'The document was erased by the operator of the server. Open it again for an empty one.',
  4413: 'A frame, or the document, was larger than the server allows.',
  4423: 'An edit came under somebody else’s lock and was set aside.',
  4500: 'The document cannot be served now.',
  4503: 'The server is going away.',
  4504: 'The server cannot find out now who may open this document.',
  4507: 'The server’s store failed: nothing more can be saved there now.',
  4508: 'The server heard nothing from this client for too long.',
}

/** What a close code means, for people. */
export function closeWords(code: number): string {
  return WORDS[code] ?? `The connection ended (${code}).`
}

/** Codes whose reason is one word for programs, such as `expired`. */
const WORD_REASONS = [4401, 4403, 4504]

/** Why a connection ended, for people: what the server said, or what its code means. */
export function endWords({ code, reason }: { code: number; reason: string }): string {
  if (reason === '') return closeWords(code)
  return WORD_REASONS.includes(code) ? `${closeWords(code)} (${reason})` : reason
}
