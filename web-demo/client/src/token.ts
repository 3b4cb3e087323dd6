/**
 * The token that this client shows to a server that asks for one: a fixed one, or a function that is asked for it.
 *
 * Owns the one at hand, and whether a refused token may still be replaced; never sends.
 */

/** A token, or a function that returns one or promises one; `null` for none. */
export type Token = string | (() => string | null | Promise<string | null>)

/** Close code for a token that is missing, wrong, expired or revoked. */
const BAD_TOKEN = 4401

export class TokenSource {
  readonly #token: Token | undefined
  #current: string | null = null
  /** A token was refused, and none has been taken since. */
  #refused = false

  constructor(token: Token | undefined) {
    this.#token = token
    if (typeof token === 'string') this.#current = token
  }

  /** The token for the next hello. */
  get current(): string | null {
    return this.#current
  }

  /** Asks for a token, where there is a function to ask. It fails as the function does. */
  refresh(): Promise<void> | undefined {
    return typeof this.#token === 'function' ? this.#ask(this.#token) : undefined
  }

  async #ask(token: () => string | null | Promise<string | null>): Promise<void> {
    this.#current = await token()
  }

  /** The server has taken the token. */
  welcomed(): void {
    this.#refused = false
  }

  /** True for a close because of a token that another one may replace. Two refusals in a row are final. */
  isWorthAnother(code: number): boolean {
    if (code !== BAD_TOKEN || typeof this.#token !== 'function' || this.#refused) return false
    this.#refused = true
    return true
  }
}
