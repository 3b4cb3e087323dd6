"""The locks as this session sees them, and whether it may edit now.

A machine without socket and clock: messages and moments go in. It owns the grants of this
session and the lock that it waits for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from ._lease import Answers, Instant, Lease
from ._scope import Scope, conflict, covers, reaches, roots_of
from .types import EditReason, EditRight, Fence, Grant, LockView

_REMEMBERED = 64

Phase = Literal["held", "draining", "releasing"]


@dataclass
class Own:
    """A grant of this session."""

    fence: Fence
    scope: Scope
    phase: Phase = "held"
    lease: Lease = field(default_factory=Lease)


class LockTracker:
    """See the module."""

    def __init__(self) -> None:
        self._answers = Answers()
        self._own: dict[Fence, Own] = {}
        self._offers: dict[Fence, Scope] = {}
        self._claims: dict[Fence, Instant] = {}
        self._ended: dict[Fence, None] = {}
        self._session: int | None = None
        self._view: LockView | None = None
        self._hello: Instant | None = None
        self._wish: tuple[Scope] | None = None
        self._connected = False
        self._barred: Literal["diverged", "closed"] | None = None
        self._may_write = True
        self._stop = 0.0

    # ---- the connection ----

    @property
    def view(self) -> LockView | None:
        """All locks, as the server shows them."""
        return self._view

    @property
    def fences(self) -> list[Fence]:
        """The grants that this session believes in, for the next hello."""
        return list(self._own)

    def hello_sent(self, at: Instant) -> None:
        """A hello was sent."""
        self._hello = at

    def welcomed(self, session: int, resumed: bool, view: LockView, stop: float) -> list[Own]:
        """Takes the locks of a welcome. Returns the grants that are lost."""
        self._connected = True
        self._session = session
        self._view = view
        self._stop = stop
        self._offers.clear()
        if not resumed:
            self._answers.forget()
        mine = [grant for grant in view.grants if resumed and grant.session == session]
        kept = {grant.fence: grant for grant in mine if grant.state != "offered"}
        lost = [own for fence, own in self._own.items() if fence not in kept]
        for own in lost:
            self._end(own)
        for grant in kept.values():
            own = self._take(grant.fence, grant.scope)
            if self._hello is not None:
                own.lease.renew(self._hello)
            if grant.state == "draining":
                own.phase = "draining"
        return lost

    def disconnected(self) -> None:
        """The connection ended. Grants stay until the lease is over."""
        self._connected = False
        self._offers.clear()

    def bar(self, why: Literal["diverged", "closed"] | None) -> None:
        """This copy takes no edits now, for good or until `None`."""
        self._barred = why

    def allow(self, write: bool, lock: bool) -> None:
        """The rights of this session."""
        self._may_write = write
        if not (write and lock):
            self._wish = None

    # ---- beats ----

    def answered(self, beat: int, at: Instant) -> None:
        """The answer to a beat was sent."""
        self._answers.sent(beat, at)

    def confirmed(self, beat: int) -> None:
        """The server says that this answer came in time."""
        at = self._answers.confirmed(beat)
        if at is not None:
            for own in self._own.values():
                own.lease.renew(at)

    # ---- grants ----

    def viewed(self, view: LockView) -> list[Own]:
        """Takes a newer view of all locks. Returns the grants that are lost."""
        if self._view is not None and view.version < self._view.version:
            return []
        self._view = view
        shown = {grant.fence for grant in view.grants if grant.session == self._session}
        # A view from before a grant says nothing about it.
        for fence in [fence for fence in self._offers if self._is_gone(fence, view, shown)]:
            del self._offers[fence]
        lost = [own for own in self._own.values() if self._is_gone(own.fence, view, shown)]
        for own in lost:
            self._end(own)
        return lost

    def _is_gone(self, fence: Fence, view: LockView, shown: set[Fence]) -> bool:
        return view.version >= fence.position and fence not in shown

    def offered(self, fence: Fence, scope: Scope) -> bool:
        """Takes an offer. Returns true if it is for the lock that this session waits for."""
        self._offers[fence] = scope
        return self._wish is not None and covers([scope], self._wish[0])

    def claim_sent(self, fence: Fence, at: Instant) -> None:
        """An offer was claimed. Only the first claim of a fence counts for its lease."""
        self._claims.setdefault(fence, at)
        _forget_old(self._claims)

    def declined(self, fence: Fence) -> None:
        """An offer was declined."""
        self._offers.pop(fence, None)

    def granted(self, fence: Fence, scope: Scope) -> bool:
        """Takes a grant. Returns true if it is new."""
        if fence in self._ended:
            return False
        is_new = fence not in self._own
        own = self._take(fence, scope)
        claim = self._claims.get(fence)
        if claim is not None:
            own.lease.renew(claim)
        return is_new

    def lost(self, fence: Fence) -> Own | None:
        """A grant or an offer is over. Returns the grant, if it was one."""
        self._offers.pop(fence, None)
        own = self._own.get(fence)
        if own is not None:
            self._end(own)
        return own

    def drain(self, fence: Fence) -> Own | None:
        """The holder shall stop. Returns the grant, if it is one of this session."""
        own = self._own.get(fence)
        if own is not None and own.phase == "held":
            own.phase = "draining"
        return own

    def release_sent(self, fence: Fence) -> None:
        """A grant was given back; nobody edits under it any more."""
        own = self._own.get(fence)
        if own is not None:
            own.phase = "releasing"

    def released(self, fence: Fence) -> None:
        """The server has taken a grant back, or does not know it."""
        own = self._own.get(fence)
        if own is not None and own.phase == "releasing":
            self._end(own)

    def in_phase(self, phase: Phase) -> list[Own]:
        """Returns the grants in a phase."""
        return [own for own in self._own.values() if own.phase == phase]

    def own_in(self, scope: Scope) -> list[Own]:
        """Returns the grants that have a part of the scope."""
        return [own for own in self._own.values() if conflict(own.scope, scope)]

    def holding(self, scope: Scope) -> Own | None:
        """Returns the grant that covers the scope, if it is held and not draining."""
        for own in self.in_phase("held"):
            if covers([own.scope], scope):
                return own
        return None

    # ---- wishes ----

    @property
    def wish(self) -> tuple[Scope] | None:
        """The scope that this session waits for."""
        return self._wish

    def wished(self, scope: Scope) -> None:
        """This session asks for a lock."""
        self._wish = (scope,)

    def gave_up(self) -> None:
        """This session does not wait any more."""
        self._wish = None

    @property
    def has_place(self) -> bool:
        """True if the server's queue shows this session, or is too long to tell."""
        view = self._view
        if view is None or view.waiting > len(view.queue):
            return True
        return any(waiter.session == self._session for waiter in view.queue)

    # ---- the right to edit ----

    def right(self, scope: Scope, now: Instant) -> EditRight:
        """Returns whether this session may edit all of the scope at this moment."""
        if self._barred is not None:
            return EditRight(False, self._barred)
        if self._view is None:
            return EditRight(False, "connecting")
        if not self._may_write:
            return EditRight(False, "read-only")
        if self._view.mode == "open":
            return EditRight(True, "open")
        named = roots_of(scope)
        rights = [self._right_in(root, now) for root in named or self._all_roots()]
        if named is None:
            rights.append(self._right_in(None, now))
        refused = [right for right in rights if not right.may_edit]
        weaker = [right for right in rights if right.why != "holder"]
        return (refused or weaker or [EditRight(True, "holder")])[0]

    def _all_roots(self) -> list[str]:
        scopes: Iterable[Scope] = [
            *(own.scope for own in self._own.values()),
            *self._offers.values(),
            *(grant.scope for grant in self._others()),
        ]
        names = [name for scope in scopes for name in roots_of(scope) or []]
        return list(dict.fromkeys(names))

    def _right_in(self, root: str | None, now: Instant) -> EditRight:
        """The right in one root type; `None` is every one that nobody has named."""

        def meets(scope: Scope) -> bool:
            return scope is None or (root is not None and reaches(scope, root))

        phases = [self._phase(own, now) for own in self._own.values() if meets(own.scope)]
        if "held" in phases:
            return EditRight(True, "holder")
        reasons: list[EditReason] = ["unconfirmed", "draining", "releasing"]
        for reason in reasons:
            if reason in phases:
                return EditRight(False, reason)
        if any(meets(scope) for scope in self._all_offers()):
            return EditRight(False, "offered")
        if any(meets(grant.scope) for grant in self._others()):
            return EditRight(False, "theirs")
        if self._view is not None and self._view.mode == "required":
            return EditRight(False, "required")
        return EditRight(True, "free" if self._connected else "free-offline")

    def _phase(self, own: Own, now: Instant) -> str:
        is_over = own.phase == "held" and own.lease.left(now, self._stop) <= 0
        return "unconfirmed" if is_over else own.phase

    def _others(self) -> list[Grant]:
        """Grants that keep this session out; of its own those that have ended."""
        grants = () if self._view is None else self._view.grants
        return [
            grant
            for grant in grants
            if grant.session != self._session
            or (grant.state != "offered" and grant.fence not in self._own)
        ]

    def _all_offers(self) -> list[Scope]:
        grants = () if self._view is None else self._view.grants
        told = [
            grant.scope
            for grant in grants
            if grant.session == self._session
            and grant.state == "offered"
            and grant.fence not in self._own
        ]
        return [*self._offers.values(), *told]

    # ---- own grants ----

    def _take(self, fence: Fence, scope: Scope) -> Own:
        own = self._own.setdefault(fence, Own(fence, scope))
        self._offers.pop(fence, None)
        # Nobody waits while holding.
        self._wish = None
        return own

    def _end(self, own: Own) -> None:
        del self._own[own.fence]
        self._ended[own.fence] = None
        _forget_old(self._ended)


def _forget_old(table: dict[Fence, Instant] | dict[Fence, None]) -> None:
    while len(table) > _REMEMBERED:
        del table[next(iter(table))]
