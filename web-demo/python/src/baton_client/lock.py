"""One lock in a program's hand."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ._lease import Instant
from ._lock_tracker import Own
from ._scope import Scope, scope_to
from .errors import ConnectionLost, LockRefused
from .types import Fence, fence_to

if TYPE_CHECKING:
    from .client import Client

#: Outcomes after which the session waits in the queue, or has been offered the lock.
_ON_ITS_WAY = ("done", "queued")


class Lock:
    """The lock of some parts of a document, or of all of it.

    `async with client.lock(): ...` waits for it, and gives it back. Two objects of the same parts
    are the same lock. A lock can pass on while it is held: `Client.edit` refuses from then on.
    """

    def __init__(self, client: Client, scope: Scope) -> None:
        self._client = client
        self._scope = scope

    @property
    def scope(self) -> Scope:
        """Paths of the lock, sorted; `None` is the whole document."""
        return self._scope

    @property
    def is_held(self) -> bool:
        """True if this session holds all of it, and it is not passing on."""
        return self._held() is not None

    @property
    def fence(self) -> Fence | None:
        """The fence under which it is held, to hand to other services; `None` if it is not."""
        own = self._held()
        return None if own is None else own.fence

    @property
    def lease_left(self) -> float:
        """Seconds for which a holder may go on without news of the server."""
        own = self._held()
        stop = self._client._session.timings.client_stop
        return 0.0 if own is None else own.lease.left(Instant.now(), stop)

    async def acquire(self) -> Fence:
        """Waits until it is held; also over lost connections, for ever.

        Bound it with `asyncio.timeout`: a wait that is cancelled leaves the queue. Raises
        `LockRefused` if the server does not let this session wait.
        """
        return await self._wait_for("acquire")

    async def request(self, note: str = "") -> Fence:
        """Waits as `acquire`, and asks the holder, who must give it up within half a minute."""
        return await self._wait_for("request", note=note)

    async def take_over(self) -> Fence:
        """Takes it from any holder. Needs the right `take-over`."""
        return await self._wait_for("take-over")

    async def try_acquire(self) -> bool:
        """Takes it if it can be had now. Returns false if somebody else has it."""
        try:
            await self._wait_for("try")
        except LockRefused as refused:
            if refused.outcome == "busy":
                return False
            raise
        return True

    async def release(self) -> None:
        """Gives it back, behind the edits that were made before. Without it, nothing happens."""
        own = self._held()
        if own is None:
            return
        tracker = self._client._session.tracker
        tracker.release_sent(own.fence)
        try:
            await self._client._ask({"type": "release", "fence": fence_to(own.fence)})
        except ConnectionLost:
            # It is said again after the next welcome.
            return
        tracker.released(own.fence)

    async def transfer(self, session: int) -> None:
        """Hands it to another session that is here."""
        own = self._held()
        if own is None:
            raise LockRefused("stale", "this session does not hold the lock")
        message = {"type": "transfer", "fence": fence_to(own.fence), "to": session}
        await self._client._operate(message)

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.release()

    # ---- inside ----

    def _held(self) -> Own | None:
        return self._client._session.tracker.holding(self._scope)

    async def _wait_for(self, operation: str, **more: Any) -> Fence:
        own = self._held()
        if own is not None:
            return own.fence
        tracker = self._client._session.tracker
        tracker.wished(self._scope)
        try:
            await self._ask(operation, more)
            await self._client._until(lambda: self.is_held or tracker.wish != (self._scope,))
        except asyncio.CancelledError:
            self._leave_queue()
            raise
        except BaseException:
            tracker.gave_up()
            raise
        own = self._held()
        if own is None:
            message = "another lock was asked for, or it passed on before it could be used"
            raise LockRefused("lost", message)
        return own.fence

    async def _ask(self, operation: str, more: dict[str, Any]) -> None:
        message = {"type": operation, **scope_to(self._scope), **more}
        try:
            answer = await self._client._ask(message)
        except ConnectionLost:
            if operation not in ("acquire", "request"):
                raise
            # The next welcome shows the place in the queue, or the client asks again.
            return
        if answer.outcome not in _ON_ITS_WAY:
            raise LockRefused(answer.outcome, answer.message)

    def _leave_queue(self) -> None:
        client = self._client
        client._session.tracker.gave_up()
        if client.is_connected:
            client._session.say({"type": "cancel", "nonce": next(client._nonces)})
        own = self._held()
        if own is not None:
            client._session.tracker.release_sent(own.fence)
            nonce = next(client._nonces)
            client._session.say({"type": "release", "nonce": nonce, "fence": fence_to(own.fence)})
        client._progress()
