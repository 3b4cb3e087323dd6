"""The client against the real server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
import unittest
from collections.abc import Callable
from typing import Any

from pycrdt import Doc, Map, Text
from server import Server

from baton_client import (
    Client,
    EditParked,
    EditRefused,
    LockRefused,
    MayNotEdit,
    Refused,
    User,
    events,
)

WAIT = 20.0


async def until(client: Client, condition: Callable[[], Any]) -> None:
    """Waits until a condition holds, which is looked at with each change of the document."""
    async with asyncio.timeout(WAIT):
        # A change of a document has no event of its own; it is looked at every few milliseconds.
        while not condition():
            await asyncio.sleep(0.005)


def text(client: Client) -> Text:
    found: Text = client.doc.get("text", type=Text)
    return found


class Story(unittest.IsolatedAsyncioTestCase):
    def server(self, *more: str) -> Server:
        server = Server(*more)
        self.addCleanup(server.close)
        return server

    async def client(self, server: Server, name: str = "Ada", **more: Any) -> Client:
        client = Client(server.url, "notes", user=User(name), **more)
        async with asyncio.timeout(WAIT):
            await self.enterAsyncContext(client)
        return client


class Editing(Story):
    async def test_two_clients_share_a_document_and_it_is_on_the_disk(self) -> None:
        server = self.server()
        ada, bob = await self.client(server), await self.client(server, "Bob")
        with ada.edit() as doc:
            doc.get("text", type=Text).insert(0, "from Ada")
            doc.get("map", type=Map)["n"] = 7
        await until(bob, lambda: str(text(bob)) == "from Ada")
        await ada.saved()
        self.assertFalse(ada.has_unsaved)
        server.kill()
        server.start()
        await ada.ready()
        cleo = await self.client(server, "Cleo")
        self.assertEqual(str(text(cleo)), "from Ada")
        self.assertEqual(cleo.doc.get("map", type=Map)["n"], 7)

    async def test_the_session_goes_on_after_the_server_was_killed(self) -> None:
        server = self.server()
        ada = await self.client(server)
        async with ada.lock() as lock:
            fence, number = lock.fence, ada.session
            text(ada).insert(0, "before, ")
            await ada.saved()
            server.kill()
            text(ada).insert(8, "while away, ")
            self.assertTrue(ada.has_unsaved)
            server.start()
            await ada.saved()
            self.assertEqual((ada.session, lock.fence), (number, fence))
            with ada.edit() as doc:
                doc.get("text", type=Text).insert(20, "after")
        await ada.saved()
        bob = await self.client(server, "Bob")
        self.assertEqual(str(text(bob)), "before, while away, after")

    async def test_a_block_that_ends_waits_for_the_disk(self) -> None:
        server = self.server()
        async with Client(server.url, "notes") as client:
            text(client).insert(0, "last words")
        server.kill()
        server.start()
        self.assertEqual(str(text(await self.client(server))), "last words")

    async def test_a_large_answer_comes_compressed_and_in_pieces(self) -> None:
        server = self.server()
        async with Client(server.url, "notes") as client:
            for _ in range(60):
                text(client).insert(0, "la la la " * 6_000)
        reader = await self.client(server)
        self.assertEqual(len(str(text(reader))), 60 * 9 * 6_000)

    async def test_cursors_and_names_are_seen(self) -> None:
        server = self.server()
        ada, bob = await self.client(server), await self.client(server, "Bob")
        ada.awareness.set_local_state_field("cursor", {"at": 5})
        number = ada.doc.client_id

        def seen() -> Any:
            return bob.awareness.states.get(number, {})

        await until(bob, lambda: seen().get("cursor") == {"at": 5})
        self.assertEqual(seen()["user"]["name"], "Ada")
        names = {peer.user.name for peer in bob.roster.values()}
        self.assertEqual(names, {"Ada", "Bob"})
        ada.set_user(User("Ada L.", "#c2410c"))
        await until(bob, lambda: seen()["user"]["name"] == "Ada L.")
        await ada.close()
        await until(bob, lambda: number not in bob.awareness.states)


class Locks(Story):
    async def test_who_has_no_lock_may_not_edit_and_changes_nothing(self) -> None:
        server = self.server()
        ada, bob = await self.client(server), await self.client(server, "Bob")
        async with ada.lock():
            await until(bob, lambda: bob.right().why == "theirs")
            with self.assertRaises(MayNotEdit) as raised, bob.edit() as doc:
                doc.get("text", type=Text).insert(0, "never")
            self.assertEqual(raised.exception.why, "theirs")
            self.assertEqual(str(text(bob)), "")
            self.assertFalse(await bob.lock().try_acquire())
        await until(bob, lambda: bob.right().may_edit)
        self.assertTrue(await bob.lock().try_acquire())

    async def test_a_lock_passes_to_who_waits_when_its_holder_leaves(self) -> None:
        server = self.server()
        ada, bob = await self.client(server), await self.client(server, "Bob")
        first = await ada.lock().acquire()
        waiting = asyncio.create_task(bob.lock().acquire())
        await until(ada, lambda: ada.locks and ada.locks.waiting == 1)
        self.assertFalse(waiting.done())
        await ada.close()
        self.assertGreater(await waiting, first)

    async def test_a_wait_that_is_given_up_leaves_the_queue(self) -> None:
        server = self.server()
        ada, bob = await self.client(server), await self.client(server, "Bob")
        await ada.lock().acquire()
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(0.2):
                await bob.lock().acquire()
        await until(ada, lambda: ada.locks and ada.locks.waiting == 0)
        await ada.lock().release()
        await until(bob, lambda: bob.locks and not bob.locks.grants)
        self.assertFalse(bob.lock().is_held)

    async def test_locks_of_different_parts_are_held_at_once(self) -> None:
        server = self.server()
        ada, bob = await self.client(server), await self.client(server, "Bob")
        async with ada.lock([["title"]]), bob.lock([["body"]]):
            with ada.edit([["title"]]) as doc:
                doc.get("title", type=Text).insert(0, "A title")
            self.assertEqual(ada.right([["body"]]).why, "theirs")
            self.assertEqual(ada.right().why, "theirs")
            await ada.saved()
        await until(bob, lambda: str(bob.doc.get("title", type=Text)) == "A title")

    async def test_a_holder_hands_over_on_request_and_hears_of_it(self) -> None:
        server = self.server()
        ada, bob = await self.client(server), await self.client(server, "Bob")
        heard: list[events.Event] = []
        ada.subscribe(heard.append)
        lock = ada.lock()
        await lock.acquire()
        asked = asyncio.create_task(bob.lock().request("a moment, please"))

        def requested() -> list[events.LockRequested]:
            return [event for event in heard if isinstance(event, events.LockRequested)]

        await until(ada, requested)
        self.assertEqual((requested()[0].by, requested()[0].note), (bob.session, "a moment, please"))
        assert bob.session is not None
        await lock.transfer(bob.session)
        await asked
        self.assertEqual(ada.right().why, "theirs")
        self.assertTrue(any(isinstance(event, events.LockDraining) for event in heard))

    async def test_a_program_does_not_keep_a_lock_that_it_did_not_ask_for(self) -> None:
        server = self.server()
        ada, robot = await self.client(server), await self.client(server, "Robot")
        keen = await self.client(server, "Keen", claim_all=True)
        await ada.lock().acquire()
        # It goes offline without a goodbye: the lock passes to the next live peer.
        ada._connection._task.cancel()  # type: ignore[union-attr]
        await until(keen, lambda: keen.lock().is_held)
        self.assertFalse(robot.lock().is_held)


class Refusals(Story):
    async def test_an_edit_under_the_lock_of_another_is_set_aside_and_can_be_merged(self) -> None:
        server = self.server()
        ada, bob = await self.client(server), await self.client(server, "Bob")
        await ada.lock().acquire()
        await until(bob, lambda: bob.right().why == "theirs")
        # Past the guard of `edit`, as a careless program does it.
        text(bob).insert(0, "too late")
        with self.assertRaises(EditParked) as raised:
            await bob.saved()
        self.assertEqual(bob.right().why, "diverged")
        draft = await bob.open_afresh()
        self.assertEqual(str(draft.get("text", type=Text)), "too late")
        self.assertEqual(str(text(bob)), "")
        content = await bob.show_park(raised.exception.park)
        self.assertEqual([(part.kind, part.text) for part in content.parts], [("insert", "too late")])
        with self.assertRaises(LockRefused):
            await bob.merge_park(raised.exception.park)
        await ada.lock().release()
        await until(bob, lambda: bob.right().may_edit)
        await bob.merge_park(raised.exception.park)
        await until(ada, lambda: str(text(ada)) == "too late")
        await bob.saved()

    async def test_a_name_that_is_none_and_a_server_that_is_not_there(self) -> None:
        for url, name in (("http://127.0.0.1/ws", "notes"), ("ws://127.0.0.1/ws", "a/../b")):
            with self.assertRaises(ValueError):
                Client(url, name)
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(0.3), Client("ws://127.0.0.1:9/ws", "notes"):
                self.fail("nobody listens there")

    async def test_paths_that_are_no_lock(self) -> None:
        client = Client("ws://127.0.0.1:9/ws", "notes")
        wrong: list[Any] = [[], [[]], [[""]], ["title"], [["x" * 257]], [["a"] * 9]]
        for paths in wrong:
            with self.assertRaises(ValueError):
                client.lock(paths)

    async def test_tokens_are_asked_for_and_refusals_are_final(self) -> None:
        secret = "a secret of more than thirty-two bytes"
        server = self.server("--auth", "jwt", "--auth-secret", secret)
        for token in (None, "wrong"):
            with self.assertRaises(Refused) as raised:
                await self.client(server, token=token)
            self.assertEqual(raised.exception.code, 4401)
        asked = []

        async def fresh() -> str:
            asked.append(1)
            return minted(secret, ["read"])

        reader = await self.client(server, token=fresh)
        self.assertEqual(len(asked), 1)
        self.assertEqual(reader.right().why, "read-only")
        text(reader).insert(0, "not allowed")
        with self.assertRaises(EditRefused) as refused:
            await reader.saved()
        self.assertEqual(refused.exception.code, "read-only")
        # The end of its block would say the same again: what was written is only here.
        await reader.close()


def minted(secret: str, permissions: list[str]) -> str:
    """A token by hand, as docs/operations.md has it."""
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    claims: dict[str, Any] = {"sub": "ada", "documents": ["*"], "permissions": permissions}
    claims["exp"] = int(time.time()) + 600
    body = part(b'{"alg":"HS256","typ":"JWT"}') + "." + part(json.dumps(claims).encode())
    return body + "." + part(hmac.digest(secret.encode(), body.encode(), hashlib.sha256))


if __name__ == "__main__":
    unittest.main()
