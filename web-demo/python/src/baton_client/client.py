"""The client: one document of a Baton server, for programs on asyncio."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self

from pycrdt import Awareness, Doc

from . import events as ev
from ._connection import Connection, TokenSource, address_of
from ._document import DocumentCopy
from ._frames import Channel, Frame, Step2, Update
from ._lease import Instant
from ._scope import Paths, scope_of
from ._session import Answer, Internal, MayWriteAgain, Session, TokenExpiring
from .errors import (
    Closed,
    ConnectionLost,
    EditParked,
    EditRefused,
    LockRefused,
    MayNotEdit,
    Refused,
)
from .lock import Lock
from .types import EditRight, LockView, Park, ParkContent, Peer, User

_ADVICE = {
    "theirs": "somebody else holds the lock; acquire it first",
    "required": "this document is edited under a lock; acquire it first",
    "offered": "the lock is being offered; wait for it",
    "unconfirmed": "the server has not confirmed the lock for too long; wait",
    "draining": "the lock passes on",
    "releasing": "the lock was given back",
    "read-only": "this client has no right to write",
    "connecting": "wait for ready()",
    "diverged": "an edit was set aside; go on with open_afresh()",
    "closed": "the client is closed",
}


class Client:
    """One document of a server.

    `url` is the address of the server's sockets, such as `ws://127.0.0.1:8080/ws`, and
    `document` the name of the document. `token` is a token, or a function that gives one,
    which is asked before each connection and when the token ends soon. With `claim_all` the
    client takes every lock that passes to it; otherwise only those that it asked for.

    Use it as `async with Client(...) as client`, which waits until the document is there, and
    at its end until everything is saved (`saved` says with which errors).
    All methods belong to the event loop in which it was opened.
    """

    def __init__(
        self,
        url: str,
        document: str,
        *,
        doc: Doc[Any] | None = None,
        user: User | None = None,
        token: TokenSource = None,
        headers: Mapping[str, str] | None = None,
        ssl: SSLContext | None = None,
        observer: bool = False,
        user_key: str | None = None,
        claim_all: bool = False,
    ) -> None:
        self._session = Session(user or User(""), observer, user_key, claim_all)
        address = address_of(url, document)
        self._connection = Connection(self, self._session, address, token, headers, ssl)
        self._copy = DocumentCopy(Doc() if doc is None else doc, self._edited, self._send)
        if user is not None:
            state = {"user": {"name": user.name, "color": user.color}}
            self._copy.awareness.set_local_state(state)
        self._nonces = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._listeners: list[Callable[[ev.Event], None]] = []
        self._is_synced = False
        self._end: Exception | None = Closed("the client was not opened: use `async with`")

    # ---- life ----

    async def open(self) -> None:
        """Begins to connect. Returns at once; see `ready`."""
        self._end = None
        self._connection.start()

    async def close(self) -> None:
        """Leaves for good: locks pass on at once. Waits for nothing; see `saved`."""
        if self._end is None:
            self._end = Closed("the client is closed")
        await self._connection.stop()
        self._session.tracker.bar("closed")
        self._copy.detach()
        self._progress()

    async def __aenter__(self) -> Self:
        await self.open()
        try:
            await self.ready()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # Nothing that a program wrote is dropped because its block has ended.
            if kind is None and self._end is None and self.has_unsaved:
                await self.saved()
        finally:
            await self.close()

    async def ready(self) -> None:
        """Waits until this copy has all that the server has.

        Raises `Refused` if the server turns this client away. Comes again for ever otherwise;
        bound it with `asyncio.timeout`.
        """
        await self._until(lambda: self._is_synced and self._session.is_welcome)

    async def saved(self) -> None:
        """Waits until everything in this copy is on the server's disk, and in the document.

        Raises `EditParked` or `EditRefused` if an edit was not taken, and `Refused` if the
        server turns this client away.
        """

        def is_saved() -> bool:
            if self._session.parked is not None:
                raise EditParked(*self._session.parked)
            if self._session.not_taken is not None:
                raise EditRefused(*self._session.not_taken)
            return self._is_synced and self._session.saves.is_saved

        await self._until(is_saved)

    async def open_afresh(self) -> Doc[Any]:
        """Goes on with a fresh copy, after an edit was set aside. Returns the old one.

        The session and its locks stay. `doc` and `awareness` are new objects afterwards.
        """
        old = self._copy
        old.detach()
        self._copy = DocumentCopy(Doc(), self._edited, self._send)
        self._copy.awareness.set_local_state(old.awareness.get_local_state())
        self._session.start_afresh()
        self._is_synced = False
        await self._connection.renew()
        await self.ready()
        return old.doc

    # ---- what it knows ----

    @property
    def doc(self) -> Doc[Any]:
        """The document. Change it inside `edit`, so that no edit is set aside."""
        return self._copy.doc

    @property
    def awareness(self) -> Awareness:
        """Who is here, with cursors. `user` of the local state is the name that others see."""
        return self._copy.awareness

    @property
    def session(self) -> int | None:
        """The number of this session; `None` before the first welcome."""
        return self._session.number

    @property
    def rights(self) -> frozenset[str]:
        """Some of `write`, `lock`, `take-over`, `manage`."""
        return self._session.rights

    @property
    def roster(self) -> Mapping[int, Peer]:
        """Everybody in the document, by session."""
        return self._session.roster

    @property
    def locks(self) -> LockView | None:
        """All locks of the document."""
        return self._session.tracker.view

    @property
    def parks(self) -> Mapping[int, Park]:
        """Edits that were set aside, of everybody, by number."""
        return self._session.parks

    @property
    def is_connected(self) -> bool:
        """True while the server knows this session over a connection."""
        return self._session.is_welcome

    @property
    def has_unsaved(self) -> bool:
        """True if this copy has something that the server has not acknowledged."""
        return self._session.saves.is_unsaved

    # ---- editing ----

    def right(self, paths: Paths = None) -> EditRight:
        """Returns whether this client may edit there at this moment, and why."""
        return self._session.tracker.right(scope_of(paths), Instant.now())

    @contextmanager
    def edit(self, paths: Paths = None, *, origin: Any = None) -> Iterator[Doc[Any]]:
        """Gives the document inside one transaction, if it may be edited now.

        `paths` names the parts that are edited; left out, all of it. Raises `MayNotEdit`
        otherwise, before anything is changed. Do not await inside of it.
        """
        right = self.right(paths)
        if not right.may_edit:
            raise MayNotEdit(right.why, _ADVICE.get(right.why, "wait"))
        with self.doc.transaction(origin=origin):
            yield self.doc

    def lock(self, paths: Paths = None) -> Lock:
        """Returns the lock of these parts of the document; of all of it if none are given."""
        return Lock(self, scope_of(paths))

    async def set_mode(self, mode: str) -> None:
        """Changes what locks mean in this document: `open`, `exclusive-when-held`, `required`."""
        await self._operate({"type": "set-mode", "mode": mode})

    def set_user(self, user: User) -> None:
        """Changes the name and colour of this session for the others."""
        self._session.user = user
        if self._session.is_welcome:
            self._session.say({"type": "profile", "user": {"name": user.name, "color": user.color}})
        state = dict(self.awareness.get_local_state() or {})
        self.awareness.set_local_state(
            {**state, "user": {"name": user.name, "color": user.color}}
        )
        self._progress()

    async def show_park(self, park: int) -> ParkContent:
        """Returns the difference that a park would make."""
        answer = await self._operate({"type": "show-park", "id": park})
        if answer.content is None:
            raise LockRefused(answer.outcome, answer.message)
        return answer.content

    async def merge_park(self, park: int) -> None:
        """Puts the edits of a park into the document."""
        await self._operate({"type": "merge-park", "id": park})

    async def discard_park(self, park: int) -> None:
        """Takes a park off the list; it can be recovered for 30 days."""
        await self._operate({"type": "discard-park", "id": park})

    async def recover_park(self, park: int) -> None:
        """Puts a discarded park on the list again."""
        await self._operate({"type": "recover-park", "id": park})

    # ---- events ----

    def subscribe(self, listener: Callable[[ev.Event], None]) -> Callable[[], None]:
        """Calls `listener` with each event, in the event loop. Returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def events(self) -> AsyncIterator[ev.Event]:
        """Gives the events from now on, until the client is closed or refused."""
        queue: asyncio.Queue[ev.Event] = asyncio.Queue()
        end = self.subscribe(queue.put_nowait)
        try:
            while self._end is None or not queue.empty():
                await self._until(lambda: not queue.empty(), ends=False)
                while not queue.empty():
                    yield queue.get_nowait()
        finally:
            end()

    # ---- inside: what the lock and the connection use ----

    async def _operate(self, message: dict[str, Any]) -> Answer:
        """Sends an operation. Raises `LockRefused` unless the outcome is `done`."""
        answer = await self._ask(message)
        if answer.outcome != "done":
            raise LockRefused(answer.outcome, answer.message)
        return answer

    async def _ask(self, message: dict[str, Any]) -> Answer:
        await self._until(lambda: self._session.is_welcome)
        nonce = next(self._nonces)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[nonce] = future
        self._session.say({**message, "nonce": nonce})
        self._progress()
        try:
            return await future
        finally:
            self._answers.pop(nonce, None)

    async def _until(self, condition: Callable[[], bool], ends: bool = True) -> None:
        """Waits for a condition, which is looked at after each change.

        With `ends` it raises the error with which the client ended; without, it returns then.
        """
        while not condition():
            if self._end is not None:
                if ends:
                    raise self._end
                return
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            entry = (lambda: self._end is not None or condition(), future)
            self._waiters.append(entry)
            try:
                await future
            finally:
                if entry in self._waiters:
                    self._waiters.remove(entry)

    def _progress(self) -> None:
        """Sends what is to be sent, tells what happened, and wakes who waits for it."""
        for message in self._session.take_messages():
            self._send(Channel(message))
        for event in self._session.take_events():
            if isinstance(event, Answer | TokenExpiring | MayWriteAgain):
                self._settle(event)
            else:
                for listener in list(self._listeners):
                    listener(event)
        for condition, future in list(self._waiters):
            if not future.done():
                _look(condition, future)

    def _settle(self, event: Internal) -> None:
        match event:
            case Answer(nonce=nonce):
                future = self._answers.get(nonce)
                if future is not None and not future.done():
                    future.set_result(event)
            case TokenExpiring():
                self._connection.refresh_token()
            case MayWriteAgain():
                if self.has_unsaved:
                    self._connection.renew_soon()

    def _edited(self, frame: Frame) -> None:
        if self._session.parked is not None:
            return
        if not self._send(frame):
            self._session.saves.edited_offline()

    def _send(self, frame: Frame) -> bool:
        """Queues a frame. Returns false without a connection."""
        if not self._connection.send(frame):
            return False
        if isinstance(frame, Step2 | Update):
            self._session.saves.sent()
        return True

    def _synced(self) -> None:
        self._is_synced = True

    def _disconnected(self, code: int, reason: str, final: bool) -> None:
        self._session.closed(code, reason, final)
        self._is_synced = False
        self._copy.forget_others()
        lost = ConnectionLost(f"the connection ended before the answer: {reason} ({code})")
        for future in self._answers.values():
            if not future.done():
                future.set_exception(lost)
        if final and self._end is None:
            self._end = Refused(code, reason)
        self._progress()

    def _welcomed(self) -> None:
        """A connection has its session: says again what may have been lost."""
        self._session.ask_again(next(self._nonces))
        for own in self._session.tracker.in_phase("releasing"):
            fence = {"epoch": own.fence.epoch, "position": own.fence.position}
            nonce = next(self._nonces)
            self._session.say({"type": "release", "nonce": nonce, "fence": fence})


def _look(condition: Callable[[], bool], future: asyncio.Future[None]) -> None:
    try:
        if condition():
            future.set_result(None)
    except Exception as error:
        future.set_exception(error)
