/**
 * Copies of the document that hold edits which were set aside: kept by this browser until their parks are decided.
 *
 * Owns one IndexedDB database, or a map where there is none. It never decides when a draft is made or dropped.
 */
import * as Y from 'yjs'

/** One copy, as it was when it diverged. */
export interface Draft {
  /** Names it in its store. */
  readonly key: string
  /** Address of the document, without parameters. */
  readonly document: string
  readonly session: number
  /** Epoch of the document that the parks belong to. */
  readonly epoch: number
  /** The parks that hold its edits on the server. */
  readonly parks: readonly number[]
  /** Milliseconds since 1970, by the clock of this machine. */
  readonly at: number
  /** The whole copy, as a Yjs update. */
  readonly state: Uint8Array
  /** Whether the server has said that it keeps all of it. A copy that is not complete is never dropped by itself. */
  readonly complete: boolean
}

/** The draft as a document of its own, to read and to copy from. */
export function draftDoc(draft: Draft): Y.Doc {
  const doc = new Y.Doc()
  Y.applyUpdate(doc, draft.state)
  return doc
}

/** Where drafts lie. */
export interface DraftStore {
  /** All of one document. */
  all(document: string): Promise<Draft[]>
  /** Adds or replaces. */
  put(draft: Draft): Promise<void>
  drop(key: string): Promise<void>
}

/** Drafts that end with the process. */
export class MemoryDrafts implements DraftStore {
  readonly #drafts = new Map<string, Draft>()

  all(document: string): Promise<Draft[]> {
    return Promise.resolve([...this.#drafts.values()].filter((draft) => draft.document === document))
  }

  put(draft: Draft): Promise<void> {
    this.#drafts.set(draft.key, draft)
    return Promise.resolve()
  }

  drop(key: string): Promise<void> {
    this.#drafts.delete(key)
    return Promise.resolve()
  }
}

const DATABASE = 'baton'
const STORE = 'drafts'

/** Drafts that survive reloads. */
class BrowserDrafts implements DraftStore {
  readonly #open: Promise<IDBDatabase>

  constructor(factory: IDBFactory) {
    const request = factory.open(DATABASE, 1)
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'key' }).createIndex('document', 'document')
    this.#open = settled(request)
    // Whoever uses it is told; nobody may.
    this.#open.catch(() => {})
  }

  async all(document: string): Promise<Draft[]> {
    const store = (await this.#open).transaction(STORE).objectStore(STORE)
    return await settled(store.index('document').getAll(document) as IDBRequest<Draft[]>)
  }

  async put(draft: Draft): Promise<void> {
    await settled((await this.#open).transaction(STORE, 'readwrite').objectStore(STORE).put(draft))
  }

  async drop(key: string): Promise<void> {
    await settled((await this.#open).transaction(STORE, 'readwrite').objectStore(STORE).delete(key))
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((done, fail) => {
    request.onsuccess = () => done(request.result)
    request.onerror = () => fail(request.error)
  })
}

let browsers: DraftStore | null = null

/** The store of this browser; outside one, a map. */
export function defaultDrafts(): DraftStore {
  try {
    if (globalThis.indexedDB) return (browsers ??= new BrowserDrafts(globalThis.indexedDB))
  } catch {
    // Storage is forbidden here.
  }
  return (browsers ??= new MemoryDrafts())
}
