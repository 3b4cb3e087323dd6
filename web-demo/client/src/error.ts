/** Why a promise of this package was broken. */

/**
 * `refused`: the server turned this client away for good. `destroyed`: the provider is. `parked`: an edit was set aside, and
 * is in a park and not in the document. `read-only`: this session may not write, so its edits are not taken. `not-granted`:
 * the lock that was asked for is not to be had. `aborted`: by the signal of the caller.
 */
export type BatonErrorCode = 'refused' | 'destroyed' | 'parked' | 'read-only' | 'not-granted' | 'aborted'

export class BatonError extends Error {
  override readonly name = 'BatonError'
  readonly code: BatonErrorCode
  /** Close code of the last connection that ended or failed; `null` when none did. */
  readonly closeCode: number | null

  constructor(code: BatonErrorCode, message: string, closeCode: number | null = null) {
    super(message)
    this.code = code
    this.closeCode = closeCode
  }
}
