"""The part of a copy that is on the server's disk, by counting (docs/protocol.md, rule 8)."""

from __future__ import annotations


class Saves:
    """The counts of one connection at a time. It never sends."""

    def __init__(self) -> None:
        self._open = False
        self._complete = False
        self._sent = 0
        self._saved = 0
        self._edited_offline = False

    def opened(self) -> None:
        """A connection is open."""
        self._open = True
        self._complete = False
        self._sent = 0
        self._saved = 0

    def closed(self) -> None:
        """The connection ended: what it carried may be lost on the way, and is brought again."""
        self._edited_offline = self.is_unsaved
        self._open = False

    def sent(self) -> None:
        """A Step2 or an Update was sent."""
        self._sent += 1

    def completed(self) -> None:
        """The server's Step1 was answered: the connection has carried the whole copy."""
        self._complete = True

    def edited_offline(self) -> None:
        """An edit was made that no connection has carried."""
        self._edited_offline = True

    def acknowledged(self, updates: int) -> None:
        """The server has stored so many messages of this connection."""
        self._saved = max(self._saved, updates)
        if self.is_saved:
            self._edited_offline = False

    @property
    def is_saved(self) -> bool:
        """True if all of this copy is on the server's disk."""
        return self._open and self._complete and self._saved >= self._sent

    @property
    def is_unsaved(self) -> bool:
        """True if this copy has something that the server has not acknowledged."""
        return self._edited_offline or (self._open and self._saved < self._sent)
