"""Baton for Python: a Yjs document in step with a server, and its edit lock.

See `Client`.
"""

from . import events
from ._scope import Path, Paths, Scope
from .client import Client
from .errors import (
    BatonError,
    Closed,
    ConnectionLost,
    EditParked,
    EditRefused,
    LockRefused,
    MayNotEdit,
    ProtocolError,
    Refused,
)
from .lock import Lock
from .types import (
    EditRight,
    Fence,
    Grant,
    LockView,
    Park,
    ParkContent,
    ParkPart,
    Peer,
    User,
    Waiter,
)

__all__ = [
    "BatonError",
    "Client",
    "Closed",
    "ConnectionLost",
    "EditParked",
    "EditRefused",
    "EditRight",
    "Fence",
    "Grant",
    "Lock",
    "LockRefused",
    "LockView",
    "MayNotEdit",
    "Park",
    "ParkContent",
    "ParkPart",
    "Path",
    "Paths",
    "Peer",
    "ProtocolError",
    "Refused",
    "Scope",
    "User",
    "Waiter",
    "events",
]
