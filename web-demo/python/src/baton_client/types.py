"""Plain data of Baton's channel (docs/protocol.md, section 3). Nothing here changes by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ._scope import Scope, scope_from

Mode = Literal["open", "exclusive-when-held", "required"]
PeerState = Literal["online", "shaky", "offline", "gone"]
GrantState = Literal["offered", "held", "suspect", "recovering", "draining"]

#: Reasons for which an edit is possible or not.
EditReason = Literal[
    "connecting",
    "open",
    "free",
    "free-offline",
    "holder",
    "unconfirmed",
    "offered",
    "draining",
    "releasing",
    "theirs",
    "required",
    "read-only",
    "diverged",
    "closed",
]


@dataclass(frozen=True)
class User:
    """A person or a program. `id` is there only where a token states the user."""

    name: str
    color: str = ""
    id: str | None = None


@dataclass(frozen=True, order=True)
class Fence:
    """Names one grant of a lock. Later grants have larger fences, for ever."""

    epoch: int
    position: int


@dataclass(frozen=True)
class Peer:
    """A session in the document. A smaller number has been here longer."""

    session: int
    user: User
    state: PeerState
    client: int | None = None
    locks: bool = False
    observer: bool = False
    read_only: bool = False


@dataclass(frozen=True)
class Grant:
    """A lock that a session has, or is offered."""

    scope: Scope
    state: GrantState
    session: int
    fence: Fence
    requested_by: int | None = None
    to: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Waiter:
    """A session in the queue, and the scope of the lock that it waits for."""

    session: int
    scope: Scope


@dataclass(frozen=True)
class LockView:
    """All locks of the document at one moment. `queue` has the first 100 of `waiting` sessions."""

    version: int
    mode: Mode
    grants: tuple[Grant, ...]
    queue: tuple[Waiter, ...]
    waiting: int


@dataclass(frozen=True)
class Park:
    """Edits of one author that are not in the document. Times are Unix times in milliseconds."""

    id: int
    session: int
    user: User
    state: Literal["open", "merged", "discarded"]
    reason: str
    at_ms: int
    edits: int
    inserted: int
    deleted: int
    bytes: int
    until_ms: int | None = None
    by: int | None = None


@dataclass(frozen=True)
class ParkPart:
    """A part of the difference that a park would make to one root type."""

    root: str
    kind: Literal["equal", "insert", "delete"]
    text: str


@dataclass(frozen=True)
class ParkContent:
    """The difference that a park would make. `truncated`: there is more of it."""

    parts: tuple[ParkPart, ...]
    truncated: bool


@dataclass(frozen=True)
class EditRight:
    """Whether an edit is possible at this moment, and why."""

    may_edit: bool
    why: EditReason


@dataclass(frozen=True)
class Timings:
    """The server's clocks, in seconds."""

    server_silent_after: float = 10.0
    client_stop: float = 0.0
    others: Mapping[str, float] = field(default_factory=dict)


def user_from(message: Any) -> User:
    """Reads a user of a message."""
    return User(str(message.get("name", "")), str(message.get("color", "")), message.get("id"))


def fence_from(message: Any) -> Fence:
    """Reads a fence of a message."""
    return Fence(int(message["epoch"]), int(message["position"]))


def fence_to(fence: Fence) -> dict[str, int]:
    """Returns a fence as a message has it."""
    return {"epoch": fence.epoch, "position": fence.position}


def peer_from(message: Any) -> Peer:
    """Reads a peer of a message."""
    return Peer(
        session=int(message["session"]),
        user=user_from(message.get("user") or {}),
        state=message["state"],
        client=message.get("client"),
        locks=bool(message.get("lock")),
        observer=bool(message.get("observer")),
        read_only=bool(message.get("read_only")),
    )


def grant_from(message: Any) -> Grant:
    """Reads a grant of a message."""
    return Grant(
        scope=scope_from(message.get("paths")),
        state=message["state"],
        session=int(message["session"]),
        fence=fence_from(message["fence"]),
        requested_by=message.get("requested_by"),
        to=message.get("to"),
        reason=message.get("reason"),
    )


def lock_view_from(message: Any) -> LockView:
    """Reads all locks of a message."""
    queue: Sequence[Any] = message.get("queue") or ()
    return LockView(
        version=int(message["version"]),
        mode=message["mode"],
        grants=tuple(grant_from(grant) for grant in message.get("grants") or ()),
        queue=tuple(Waiter(int(one["session"]), scope_from(one.get("paths"))) for one in queue),
        waiting=int(message.get("waiting", 0)),
    )


def park_from(message: Any) -> Park:
    """Reads a park of a message."""
    return Park(
        id=int(message["id"]),
        session=int(message["session"]),
        user=user_from(message.get("user") or {}),
        state=message["state"],
        reason=str(message.get("reason", "")),
        at_ms=int(message.get("at_ms", 0)),
        edits=int(message.get("edits", 0)),
        inserted=int(message.get("inserted", 0)),
        deleted=int(message.get("deleted", 0)),
        bytes=int(message.get("bytes", 0)),
        until_ms=message.get("until_ms"),
        by=message.get("by"),
    )


def park_content_from(message: Any) -> ParkContent:
    """Reads the answer to `show-park`."""
    parts = message.get("parts") or ()
    return ParkContent(
        parts=tuple(ParkPart(part["root"], part["kind"], part["text"]) for part in parts),
        truncated=bool(message.get("truncated")),
    )


def timings_from(message: Any) -> Timings:
    """Reads the server's clocks, which a message has in milliseconds."""
    seconds = {name: value / 1000 for name, value in message.items()}
    return Timings(
        server_silent_after=seconds.get("server_silent_after", 10.0),
        client_stop=seconds.get("client_stop", 0.0),
        others=seconds,
    )
