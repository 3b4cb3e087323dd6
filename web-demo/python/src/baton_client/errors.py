"""Errors of the client. Each says whose fault it is, and whether coming again helps."""

from __future__ import annotations


class BatonError(Exception):
    """Any error of this package."""


class ProtocolError(BatonError):
    """The server sent what this client does not understand. The connection is given up."""


class Refused(BatonError):
    """The server has turned this client away for good.

    `code` is the close code of docs/protocol.md, section 2, or the HTTP status of the handshake.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason


class Closed(BatonError):
    """This client was closed by its own program, or was not opened yet."""


class MayNotEdit(BatonError):
    """An edit was about to be made that the server would not take. Nothing was changed.

    `why` is one word of `EditRight.why`.
    """

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(f"no edit is possible here now ({why}): {advice}")
        self.why = why


class EditParked(BatonError):
    """An edit of this client was set aside on the server, in the park with this number.

    The copy of the document has diverged, and sends nothing more. The edit is not lost: it can be
    merged by `Client.merge_park`. `Client.open_afresh` goes on with a fresh copy.
    """

    def __init__(self, park: int, reason: str) -> None:
        super().__init__(f"an edit was set aside in park {park}: {reason}")
        self.park = park
        self.reason = reason


class EditRefused(BatonError):
    """An edit of this client is only in its own copy: the server did not take it.

    `code` is that of the server's `error`, such as `read-only` or `park-full`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code


class LockRefused(BatonError):
    """A lock, or a decision about a park, was not given.

    `outcome` is a word of docs/protocol.md, such as `busy`, `forbidden` or `cooldown`.
    """

    def __init__(self, outcome: str, message: str | None) -> None:
        super().__init__(f"{message or 'the server refused'} ({outcome})")
        self.outcome = outcome


class ConnectionLost(BatonError):
    """The connection ended before the server answered. It may have done what it was asked."""
