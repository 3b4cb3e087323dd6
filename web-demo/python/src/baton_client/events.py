"""Events of a client. `Client.subscribe` and `Client.events` give them in their order."""

from __future__ import annotations

from dataclasses import dataclass

from ._scope import Scope
from .types import Fence, LockView, Park, Peer


@dataclass(frozen=True)
class Connected:
    """A connection has a session. `resumed`: it is the session of before, with its locks."""

    session: int
    resumed: bool


@dataclass(frozen=True)
class Disconnected:
    """The connection ended; the client comes again by itself unless `final`."""

    code: int
    reason: str
    final: bool


@dataclass(frozen=True)
class PeerChanged:
    """A peer came, changed, or went (`peer.state` is `gone`)."""

    peer: Peer


@dataclass(frozen=True)
class LocksChanged:
    """The locks of the document are these now."""

    locks: LockView


@dataclass(frozen=True)
class LockGranted:
    """A lock is this session's. `kept`: it was before the connection was lost."""

    fence: Fence
    scope: Scope
    kept: bool


@dataclass(frozen=True)
class LockLost:
    """A lock is not this session's any more: edits in its scope would be set aside."""

    fence: Fence
    scope: Scope
    reason: str


@dataclass(frozen=True)
class LockDraining:
    """A lock passes on in good order; this client stops editing there by itself."""

    fence: Fence
    scope: Scope
    reason: str
    to: int | None


@dataclass(frozen=True)
class LockRequested:
    """Somebody asks for a lock of this session, which passes on in `expires` seconds at most."""

    fence: Fence
    by: int
    note: str
    expires: float


@dataclass(frozen=True)
class ParkChanged:
    """A park is new, grew, or was decided."""

    park: Park


@dataclass(frozen=True)
class EditSetAside:
    """An edit of this client went to a park; see `EditParked`."""

    park: int
    reason: str


@dataclass(frozen=True)
class ServerError:
    """The server says that something went wrong; `code` is that of docs/protocol.md."""

    code: str
    message: str


Event = (
    Connected
    | Disconnected
    | PeerChanged
    | LocksChanged
    | LockGranted
    | LockLost
    | LockDraining
    | LockRequested
    | ParkChanged
    | EditSetAside
    | ServerError
)
