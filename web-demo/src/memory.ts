/** localStorage and sessionStorage that may be forbidden: then nothing is remembered, and nothing breaks. */

function read(store: () => Storage, key: string): string | null {
  try {
    return store().getItem(key)
  } catch {
    return null
  }
}

function write(store: () => Storage, key: string, value: string): void {
  try {
    store().setItem(key, value)
  } catch {
    // Not remembered.
  }
}

/** What this browser remembers. */
export const recall = (key: string): string | null => read(() => localStorage, key)
export const remember = (key: string, value: string): void => write(() => localStorage, key, value)

/** What this tab remembers. */
export const recallHere = (key: string): string | null => read(() => sessionStorage, key)
export const rememberHere = (key: string, value: string): void => write(() => sessionStorage, key, value)
