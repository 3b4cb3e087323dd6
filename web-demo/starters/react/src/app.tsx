import { endWords, type BatonProvider } from 'baton-client'
import { useBaton, useLock, usePresence, useSaved } from 'baton-client/react'
import { useEffect, useRef, useState } from 'react'
import { note, server, user } from './settings'
import { bindTextArea } from './text-area'

export function App() {
  const [isOpen, setOpen] = useState(true)
  return (
    <main>
      <button onClick={() => setOpen(!isOpen)}>{isOpen ? 'Close the note' : 'Open the note'}</button>
      {isOpen && <Note />}
    </main>
  )
}

/** The note is open for as long as this is mounted. */
function Note() {
  const { provider, closed } = useBaton(server, note, { user })
  if (closed) return <p role="alert">{endWords(closed)}</p>
  return (
    <>
      <People provider={provider} />
      <Lock provider={provider} />
      <Text provider={provider} />
      <Saved provider={provider} />
    </>
  )
}

interface Props {
  provider: BatonProvider | null
}

function People({ provider }: Props) {
  const people = usePresence(provider)
  return (
    <ul aria-label="People">
      {people.map(({ session, user, state, self }) => (
        <li key={session} style={{ color: user.color }}>
          {user.name}
          {self && ' (you)'}: {state}
        </li>
      ))}
    </ul>
  )
}

function Lock({ provider }: Props) {
  const { state, handle, peer, place } = useLock(provider)
  const isWanted = state === 'mine' || state === 'waiting'
  const change = () => void (state === 'mine' ? handle?.release() : isWanted ? handle?.cancel() : handle?.acquire())
  return (
    <p>
      <button onClick={change}>{state === 'mine' ? 'Give the lock back' : isWanted ? 'Wait no more' : 'Take the lock'}</button>{' '}
      <output aria-label="Lock">{state}</output>
      {peer && ` (${peer.user.name})`}
      {place !== null && `, place ${place} in the queue`}
    </p>
  )
}

function Text({ provider }: Props) {
  const { mayEdit } = useLock(provider)
  const area = useRef<HTMLTextAreaElement>(null)
  const doc = provider?.doc
  useEffect(() => {
    if (!area.current || !provider || !doc) return
    return bindTextArea(area.current, doc.getText('content'), () => provider.mayEdit)
  }, [provider, doc])
  return <textarea aria-label="Note" ref={area} readOnly={!mayEdit} />
}

function Saved({ provider }: Props) {
  const { state, unsaved } = useSaved(provider)
  return (
    <output aria-label="Saved">
      {state}
      {unsaved && state === 'offline' && ', with unsaved changes'}
    </output>
  )
}
