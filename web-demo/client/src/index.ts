/** The front page of `@baton/client`: what a program may use. See README.md. */
export { BatonProvider } from './provider'
export type { BatonEvents, BatonLock, BatonOptions, Experiments, Offer } from './events'
export type { Fence, LockView, Outcome, Peer, PeerState, Timings, User } from './channel'
export type { EditReason, EditRight, LockState, LockStatus } from './lock'
export type { Answer } from './requests'
export type { SaveState } from './saves'
export { closeWords } from './close-codes'
