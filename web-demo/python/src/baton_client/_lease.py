"""How long a holder may edit without news of the server (docs/protocol.md, rule 4).

Time counts from when an answer was *sent*, not from when it was confirmed. So this side stops
before the server passes the lock on, however long the way took. Nothing here reads a clock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

_MAX_ANSWERS = 64


@dataclass(frozen=True)
class Instant:
    """One moment of both clocks, in seconds.

    The monotonic clock stands still while some machines sleep, and the wall clock may be set
    back. The larger advance of the two is the safe one to believe.
    """

    monotonic: float
    wall: float

    @staticmethod
    def now() -> Instant:
        """Returns this moment."""
        return Instant(time.monotonic(), time.time())

    def since(self, earlier: Instant) -> float:
        """Returns the seconds from `earlier` to this moment, at least 0."""
        advance = max(self.monotonic - earlier.monotonic, self.wall - earlier.wall)
        return max(0.0, advance)


class Answers:
    """When the answers to beats were sent."""

    def __init__(self) -> None:
        self._sent: dict[int, Instant] = {}

    def sent(self, beat: int, at: Instant) -> None:
        """The answer to this beat was sent."""
        self._sent[beat] = at
        while len(self._sent) > _MAX_ANSWERS:
            del self._sent[next(iter(self._sent))]

    def confirmed(self, beat: int) -> Instant | None:
        """Returns when the answer that the server confirms was sent; `None` if it never was."""
        at = self._sent.get(beat)
        self._sent = {n: sent for n, sent in self._sent.items() if n > beat}
        return at

    def forget(self) -> None:
        """A new session began: nothing that an older one sent counts."""
        self._sent.clear()


class Lease:
    """The time of one grant."""

    def __init__(self) -> None:
        self._since: Instant | None = None

    def renew(self, sent: Instant) -> None:
        """The server has answered something that was sent at that moment."""
        if self._since is None or sent.monotonic >= self._since.monotonic:
            self._since = sent

    def left(self, now: Instant, stop: float) -> float:
        """Returns the seconds that are left of `stop`."""
        return 0.0 if self._since is None else max(0.0, stop - now.since(self._since))
