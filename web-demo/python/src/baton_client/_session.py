"""Baton's channel on one logical connection: session, roster, beats, locks, parks.

A machine without socket, document and clock. `received` takes one message and a moment;
afterwards `take_messages` gives what to say, and `take_events` what happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import events as ev
from ._frames import ENCODING
from ._lease import Instant
from ._lock_tracker import LockTracker, Own
from ._saves import Saves
from ._scope import Scope, scope_from, scope_to
from .errors import ProtocolError
from .types import (
    Fence,
    Park,
    ParkContent,
    Peer,
    Timings,
    User,
    fence_from,
    fence_to,
    lock_view_from,
    park_content_from,
    park_from,
    peer_from,
    timings_from,
)


@dataclass(frozen=True)
class Answer:
    """The server's answer to one operation."""

    nonce: int
    outcome: str
    message: str | None
    content: ParkContent | None = None


@dataclass(frozen=True)
class TokenExpiring:
    """The token ends in so many seconds."""

    left: float


@dataclass(frozen=True)
class MayWriteAgain:
    """The right to write is back."""


Internal = Answer | TokenExpiring | MayWriteAgain


class Session:
    """See the module."""

    def __init__(self, user: User, observer: bool, user_key: str | None, claim_all: bool) -> None:
        self.tracker = LockTracker()
        self.saves = Saves()
        self.roster: dict[int, Peer] = {}
        self.parks: dict[int, Park] = {}
        self.rights: frozenset[str] = frozenset()
        self.timings = Timings()
        self.number: int | None = None
        self.user = user
        self.is_welcome = False
        self.parked: tuple[int, str] | None = None
        self.not_taken: tuple[str, str] | None = None
        self._observer = observer
        self._user_key = user_key
        self._claim_all = claim_all
        self._epoch: int | None = None
        self._ticket: tuple[int, str] | None = None
        self._messages: list[dict[str, Any]] = []
        self._events: list[ev.Event | Internal] = []

    # ---- outputs ----

    def take_messages(self) -> list[dict[str, Any]]:
        """Returns the messages that are to be sent now, in order."""
        messages, self._messages = self._messages, []
        return messages

    def take_events(self) -> list[ev.Event | Internal]:
        """Returns the events since the last call, in order."""
        events, self._events = self._events, []
        return events

    # ---- the connection ----

    def hello(self, client: int, token: str | None, now: Instant) -> dict[str, Any]:
        """Returns the first message of a connection. `client` is the Yjs client of the copy."""
        hello: dict[str, Any] = {"type": "hello", "version": 1, "client": client}
        hello["user"] = {"name": self.user.name, "color": self.user.color}
        hello["encodings"] = [ENCODING]
        if self._ticket is not None:
            number, secret = self._ticket
            hello["resume"] = {"session": number, "token": secret}
            hello["fences"] = [fence_to(fence) for fence in self.tracker.fences]
        if self._epoch is not None:
            hello["epoch"] = self._epoch
        if self.tracker.view is not None:
            hello["locks"] = self.tracker.view.version
        if self._user_key is not None:
            hello["user_key"] = self._user_key
        if token is not None:
            hello["token"] = token
        if self._observer:
            hello["observer"] = True
        self.tracker.hello_sent(now)
        self.saves.opened()
        self.not_taken = None
        return hello

    def closed(self, code: int, reason: str, final: bool) -> None:
        """The connection ended."""
        self.is_welcome = False
        self.saves.closed()
        self.tracker.disconnected()
        if final:
            self.tracker.bar("closed")
        self._events.append(ev.Disconnected(code, reason, final))

    def start_afresh(self) -> None:
        """The copy is a new one, without the edit that was set aside."""
        self.parked = None
        self._epoch = None
        self.saves = Saves()
        self.tracker.bar(None)

    # ---- input ----

    def received(self, message: Mapping[str, Any], now: Instant) -> None:
        """Takes a message of the server. Raises `ProtocolError` if it lacks what it must have."""
        try:
            self._dispatch(message, now)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            kind = message.get("type")
            raise ProtocolError(f"a message {kind!r} of the server lacks {error}") from error

    def _dispatch(self, message: Mapping[str, Any], now: Instant) -> None:
        match message["type"]:
            case "welcome":
                self._welcomed(message)
            case "rights":
                self._allowed(message["rights"])
            case "beat":
                self._beat(int(message["n"]), int(message["confirmed"]), now)
            case "peer":
                self._peer(peer_from(message["peer"]))
            case "lock":
                view = lock_view_from(message["lock"])
                self._lost(self.tracker.viewed(view), "it has passed on")
                self._events.append(ev.LocksChanged(view))
            case "offer" | "granted" | "lost" | "drain" | "requested":
                self._about_grant(message, fence_from(message["fence"]), now)
            case "result":
                answer = Answer(message["nonce"], message["outcome"], message.get("message"))
                self._events.append(answer)
            case "park-content":
                content = park_content_from(message)
                self._events.append(Answer(message["nonce"], "done", None, content))
            case "park":
                park = park_from(message["park"])
                self.parks[park.id] = park
                self._events.append(ev.ParkChanged(park))
            case "parked":
                self._set_aside(int(message["id"]), str(message["reason"]))
            case "saved":
                self.saves.acknowledged(int(message["updates"]))
            case "token-expiring":
                self._events.append(TokenExpiring(int(message["left_ms"]) / 1000))
            case "error":
                self._error(str(message["code"]), str(message["message"]))

    def _welcomed(self, message: Mapping[str, Any]) -> None:
        number, resumed = int(message["session"]), bool(message["resumed"])
        self.is_welcome = True
        self.number = number
        self.timings = timings_from(message["timings"])
        self._epoch = int(message["epoch"])
        self._ticket = (number, str(message["token"]))
        peers = [peer_from(peer) for peer in message["roster"]]
        self.roster = {peer.session: peer for peer in peers}
        parks = [park_from(park) for park in message.get("parks") or ()]
        self.parks = {park.id: park for park in parks}
        view = lock_view_from(message["lock"])
        lost = self.tracker.welcomed(number, resumed, view, self.timings.client_stop)
        self._allowed(message["rights"])
        self._events.append(ev.Connected(number, resumed))
        self._lost(lost, "it passed on while this client was away")
        for own in self.tracker.in_phase("held"):
            self._events.append(ev.LockGranted(own.fence, own.scope, kept=True))
        self._events.append(ev.LocksChanged(view))

    def _allowed(self, rights: list[str]) -> None:
        could_write = "write" in self.rights or not self.rights
        self.rights = frozenset(rights)
        self.tracker.allow("write" in self.rights, "lock" in self.rights)
        if not could_write and "write" in self.rights:
            self.not_taken = None
            self._events.append(MayWriteAgain())

    def _beat(self, number: int, confirmed: int, now: Instant) -> None:
        self.say({"type": "answer", "n": number})
        self.tracker.answered(number, now)
        self.tracker.confirmed(confirmed)

    def _peer(self, peer: Peer) -> None:
        if peer.state == "gone":
            self.roster.pop(peer.session, None)
        else:
            self.roster[peer.session] = peer
        self._events.append(ev.PeerChanged(peer))

    def _about_grant(self, message: Mapping[str, Any], fence: Fence, now: Instant) -> None:
        match message["type"]:
            case "offer":
                self._offered(fence, scope_from(message.get("paths")), now)
            case "granted":
                scope = scope_from(message.get("paths"))
                if self.tracker.granted(fence, scope):
                    self._events.append(ev.LockGranted(fence, scope, kept=False))
            case "lost":
                own = self.tracker.lost(fence)
                if own is not None:
                    self._lost([own], str(message["reason"]))
            case "drain":
                own = self.tracker.drain(fence)
                if own is not None:
                    reason, to = str(message["reason"]), message.get("to")
                    self._events.append(ev.LockDraining(fence, own.scope, reason, to))
                    # All edits were sent when they were made, so nothing is left to send.
                    self.say({"type": "drained", "fence": fence_to(fence)})
            case "requested":
                by, expires = int(message["by"]), int(message["expires_ms"]) / 1000
                note = str(message.get("note") or "")
                self._events.append(ev.LockRequested(fence, by, note, expires))

    def _offered(self, fence: Fence, scope: Scope, now: Instant) -> None:
        is_wanted = self.tracker.offered(fence, scope)
        if is_wanted or self._claim_all:
            self.say({"type": "claim", "fence": fence_to(fence)})
            self.tracker.claim_sent(fence, now)
        else:
            self.say({"type": "decline", "fence": fence_to(fence)})
            self.tracker.declined(fence)

    def _lost(self, grants: list[Own], reason: str) -> None:
        for own in grants:
            if own.phase != "releasing":
                self._events.append(ev.LockLost(own.fence, own.scope, reason))

    def _set_aside(self, park: int, reason: str) -> None:
        if self.parked is None:
            self.parked = (park, reason)
        self.tracker.bar("diverged")
        self._events.append(ev.EditSetAside(park, reason))

    def _error(self, code: str, message: str) -> None:
        if code in ("read-only", "park-full", "limit", "incomplete"):
            self.not_taken = (code, message)
        self._events.append(ev.ServerError(code, message))

    # ---- operations ----

    def say(self, message: dict[str, Any]) -> None:
        """Adds a message to those that are to be sent."""
        self._messages.append(message)

    def ask_again(self, nonce: int) -> bool:
        """Asks for the lock that is waited for, if the queue does not show this session."""
        wish = self.tracker.wish
        if wish is None or self.tracker.has_place:
            return False
        self.say({"type": "acquire", "nonce": nonce, **scope_to(wish[0])})
        return True
