"""One logical connection that comes back: sockets, silence, growing delays.

Owns when a socket is opened and given up. What it receives goes to the session and the copy of
its client.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Awaitable, Callable, Mapping
from ssl import SSLContext
from typing import TYPE_CHECKING
from urllib.parse import quote

import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from ._frames import (
    AwarenessUpdate,
    Channel,
    Frame,
    QueryAwareness,
    Step1,
    Step2,
    Update,
    decode,
    encode,
)
from ._lease import Instant
from ._session import Session
from .errors import ProtocolError

if TYPE_CHECKING:
    from .client import Client

#: A token, or a function that gives one.
TokenSource = str | Callable[[], str | None | Awaitable[str | None]] | None

#: Not one of the codes with a meaning: the session can be resumed within its grace time.
_LEFT_ALONE = 3000

_FIRST_DELAY = 0.2
_MOST_DELAY = 15.0
_GOING_AWAY_SPREAD = 2.0
_CONNECT_TIME = 15.0

#: A document of 64 MiB in one frame, and some room.
_MAX_FRAME = 72 * 1024 * 1024

#: HTTP statuses after which coming again may help.
_TRANSIENT = (408, 425, 429)


def address_of(url: str, document: str) -> str:
    """Returns the address of a document's socket.

    Raises `ValueError` for a name that no address exists for.
    """
    if not url.startswith(("ws://", "wss://")):
        raise ValueError(f"the address of a server begins with ws:// or wss://, unlike {url!r}")
    if any(part in (".", "..") for part in document.split("/")) or not document:
        raise ValueError(f"{document!r} is no name of a document")
    return f"{url.rstrip('/')}/{quote(document, safe='/')}"


def delay_before(attempt: int, code: int, uniform: Callable[[], float] = random.random) -> float:
    """Returns the seconds to wait before an attempt, the first being 0."""
    if code == 4503 and attempt == 0:
        return uniform() * _GOING_AWAY_SPREAD
    ceiling: float = min(_MOST_DELAY, _FIRST_DELAY * 2.0 ** min(attempt + 1, 16))
    return _FIRST_DELAY + uniform() * (ceiling - _FIRST_DELAY)


class Connection:
    """See the module."""

    def __init__(
        self,
        client: Client,
        session: Session,
        address: str,
        token: TokenSource,
        headers: Mapping[str, str] | None,
        ssl: SSLContext | None,
    ) -> None:
        self._client = client
        self._session = session
        self._address = address
        self._token = token
        self._headers = dict(headers or {})
        self._ssl = ssl
        self._task: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._outgoing: asyncio.Queue[bytes] | None = None
        self._socket: ClientConnection | None = None
        self._attempt = 0
        self._renewing = False

    # ---- what the client does ----

    def start(self) -> None:
        """Begins to connect."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Closes with 1000, so that locks pass on at once."""
        socket, task = self._socket, self._task
        if socket is not None and self._outgoing is not None:
            await _flush(self._outgoing)
            await socket.close(1000)
        for running in (self._refreshing, self._renewal, task):
            if running is not None and running is not asyncio.current_task():
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    async def renew(self) -> None:
        """Goes on over a new connection, at once."""
        socket = self._socket
        if socket is not None:
            self._renewing = True
            await socket.close(_LEFT_ALONE)

    def renew_soon(self) -> None:
        """Goes on over a new connection, without waiting for the end of this one."""
        self._renewal = asyncio.create_task(self.renew())

    def send(self, frame: Frame) -> bool:
        """Queues a frame. Returns false without a connection."""
        if self._outgoing is None:
            return False
        self._outgoing.put_nowait(encode(frame))
        return True

    def refresh_token(self) -> None:
        """Says a new token, if there is a function that gives one."""
        if callable(self._token):
            self._refreshing = asyncio.create_task(self._say_token())

    async def _say_token(self) -> None:
        token = await self._ask_token()
        if token is not None:
            self.send(Channel({"type": "token", "token": token}))

    async def _ask_token(self) -> str | None:
        if not callable(self._token):
            return self._token
        answer = self._token()
        return await answer if inspect.isawaitable(answer) else answer

    # ---- the loop ----

    async def _run(self) -> None:
        refused_token: str | None = None
        while True:
            token = await self._ask_token()
            code, reason = await self._attempt_once(token)
            self._socket = self._outgoing = None
            is_new = callable(self._token) and token != refused_token
            final = 4400 <= code <= 4499 or 400 <= code <= 499 and code not in _TRANSIENT
            if code in (401, 4401) and is_new:
                # The token may have ended on the way: a function gets one more chance.
                refused_token, final = token, False
            self._client._disconnected(code, reason, final)
            if final:
                return
            if self._renewing:
                self._renewing = False
                continue
            delay = delay_before(self._attempt, code)
            self._attempt += 1
            await asyncio.sleep(delay)

    async def _attempt_once(self, token: str | None) -> tuple[int, str]:
        """Returns how a connection ended: a close code, or the HTTP status of a refusal."""
        headers = dict(self._headers)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            socket = await connect(
                self._address,
                additional_headers=headers,
                ssl=self._ssl,
                open_timeout=_CONNECT_TIME,
                max_size=_MAX_FRAME,
                # The server pings, and its beats are noticed when they stay away.
                ping_interval=None,
            )
        except InvalidStatus as error:
            status = error.response.status_code
            return status, f"the server answered the handshake with HTTP {status}"
        except (OSError, TimeoutError, InvalidHandshake) as error:
            return 1006, f"no connection to {self._address}: {error}"
        return await self._converse(socket, token)

    async def _converse(self, socket: ClientConnection, token: str | None) -> tuple[int, str]:
        self._socket = socket
        self._outgoing = asyncio.Queue()
        copy = self._client._copy
        writer = asyncio.create_task(_write(socket, self._outgoing))
        self.send(Channel(self._session.hello(copy.doc.client_id, token, Instant.now())))
        self.send(copy.step1())
        if copy.awareness.get_local_state() is not None:
            self.send(copy.own_awareness())
        try:
            await self._read(socket)
        except ConnectionClosed as closed:
            received = closed.rcvd
            if received is None:
                return 1006, "the connection broke"
            return received.code, received.reason or "the server closed the connection"
        except TimeoutError:
            return 1006, "nothing came from the server for too long"
        except ProtocolError as error:
            return 1002, str(error)
        finally:
            writer.cancel()
            socket.transport.abort()
        return 1006, "the connection broke"

    async def _read(self, socket: ClientConnection) -> None:
        while True:
            async with asyncio.timeout(self._session.timings.server_silent_after):
                data = await socket.recv()
            if isinstance(data, str):
                raise ProtocolError("the server sent a text message")
            frame = decode(data)
            if frame is not None:
                self._received(frame)
                self._client._progress()

    def _received(self, frame: Frame) -> None:
        client, copy = self._client, self._client._copy
        match frame:
            case Step1():
                client._send(copy.answer(frame))
                self._session.saves.completed()
            case Step2(update):
                copy.apply(update)
                client._synced()
            case Update(update):
                copy.apply(update)
            case AwarenessUpdate(update):
                if copy.apply_awareness(update):
                    self.send(copy.own_awareness())
            case QueryAwareness():
                self.send(copy.own_awareness())
            case Channel(message):
                was_welcome = self._session.is_welcome
                self._session.received(message, Instant.now())
                if self._session.is_welcome and not was_welcome:
                    self._attempt = 0
                    client._welcomed()
            case _:
                # A denial says in words what the close code behind it says.
                pass


async def _write(socket: ClientConnection, outgoing: asyncio.Queue[bytes]) -> None:
    try:
        while True:
            await socket.send(await outgoing.get())
            outgoing.task_done()
    except websockets.exceptions.ConnectionClosed:
        # The reading side says why.
        return


async def _flush(outgoing: asyncio.Queue[bytes]) -> None:
    """Waits until all that is queued was written, for a second at most."""
    try:
        async with asyncio.timeout(1):
            await outgoing.join()
    except TimeoutError:
        return
