// A page that renders the hooks on a server first, and lets a test change what they are given: ?server=ws://...
import { useBaton, useLock, usePresence, useSaved, type BatonView } from 'baton-client/react'
import { StrictMode, useEffect, useState } from 'react'
import { hydrateRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'

const server = new URLSearchParams(location.search).get('server')

function Probe() {
  const [note, setNote] = useState('one')
  const [url, setUrl] = useState(server)
  const [name, setName] = useState('Ada')
  const [draws, setDraws] = useState(0)
  const baton = useBaton(url, note, { user: { name, color: '#c2410c' } })
  const lock = useLock(baton.provider, [['title']])
  const people = usePresence(baton.provider)
  const saved = useSaved(baton.provider)
  useEffect(() => {
    window.probe = { baton, lock, people, saved, setNote, setUrl, setName, draw: () => setDraws(draws + 1), draws }
  })
  return (
    <p>
      {note} {baton.status} {lock.state} {people.length} {saved.state}
    </p>
  )
}

export interface Seen {
  readonly baton: BatonView
  readonly lock: ReturnType<typeof useLock>
  readonly people: ReturnType<typeof usePresence>
  readonly saved: ReturnType<typeof useSaved>
  readonly setNote: (name: string) => void
  readonly setUrl: (url: string | null) => void
  readonly setName: (name: string) => void
  readonly draw: () => void
  readonly draws: number
}
declare global {
  interface Window {
    probe?: Seen
    html?: string
    complaints?: string[]
  }
}

const app = (
  <StrictMode>
    <Probe />
  </StrictMode>
)
const root = document.querySelector('#app')
if (!root) throw new Error('the page has no #app')
window.complaints = []
window.html = root.innerHTML = renderToString(app)
hydrateRoot(root, app, { onRecoverableError: (error) => window.complaints?.push(String(error)) })
