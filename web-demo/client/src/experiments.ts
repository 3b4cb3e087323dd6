/** Failures on demand, for a demo or a test. Owns no state: the session is mute, the link is cut. */
import type { Experiments } from './events.js'
import type { Link } from './link.js'
import type { Session } from './session.js'

export function experiments(link: Link, session: Session): Experiments {
  return {
    stopHeartbeat: (on) => (session.mute = on),
    cutNetwork: (on) => link.cut(on),
    get heartbeatStopped() {
      return session.mute
    },
    get networkCut() {
      return link.isCut
    },
  }
}
