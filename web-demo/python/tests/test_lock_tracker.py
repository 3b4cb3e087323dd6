"""The machine of the locks, moment by moment."""

from __future__ import annotations

import unittest

from baton_client._lease import Instant
from baton_client._lock_tracker import LockTracker
from baton_client._scope import Scope, scope_of
from baton_client.types import Fence, Grant, GrantState, LockView, Mode

STOP = 6.5


def at(seconds: float, jump: float = 0.0) -> Instant:
    """A moment; `jump` is how far the wall clock alone has advanced, as after a sleep."""
    return Instant(seconds, 1_000_000 + seconds + jump)


def view(version: int, *grants: Grant, mode: Mode = "exclusive-when-held") -> LockView:
    return LockView(version, mode, grants, (), 0)


def grant(session: int, position: int, scope: Scope = None, state: GrantState = "held") -> Grant:
    return Grant(scope, state, session, Fence(1, position))


class Tracker(unittest.TestCase):
    def setUp(self) -> None:
        self.tracker = LockTracker()
        self.tracker.hello_sent(at(0))
        self.tracker.welcomed(1, False, view(1), STOP)

    def holds(self, position: int = 5, scope: Scope = None) -> Fence:
        fence = Fence(1, position)
        self.tracker.wished(scope)
        self.assertTrue(self.tracker.offered(fence, scope))
        self.tracker.claim_sent(fence, at(1))
        self.assertTrue(self.tracker.granted(fence, scope))
        self.tracker.viewed(view(position, grant(1, position, scope)))
        return fence

    def why(self, seconds: float, scope: Scope = None, jump: float = 0.0) -> str:
        return self.tracker.right(scope, at(seconds, jump)).why

    def test_a_holder_stops_by_its_own_clock_and_goes_on_when_it_is_confirmed(self) -> None:
        self.holds()
        self.assertEqual(self.why(1 + STOP - 0.1), "holder")
        self.assertEqual(self.why(1 + STOP), "unconfirmed")
        self.tracker.answered(3, at(4))
        self.tracker.confirmed(3)
        self.assertEqual(self.why(1 + STOP), "holder")
        self.assertEqual(self.why(4 + STOP), "unconfirmed")

    def test_a_machine_that_slept_does_not_trust_its_monotonic_clock(self) -> None:
        self.holds()
        self.assertEqual(self.why(2, jump=3600), "unconfirmed")
        self.assertEqual(self.why(2, jump=-3600), "holder")

    def test_only_the_first_claim_of_a_fence_counts(self) -> None:
        fence = self.holds()
        self.tracker.claim_sent(fence, at(6))
        self.tracker.granted(fence, None)
        self.assertEqual(self.why(1 + STOP), "unconfirmed")

    def test_an_answer_of_another_session_confirms_nothing(self) -> None:
        self.tracker.answered(3, at(4))
        self.tracker.welcomed(2, False, view(9), STOP)
        fence = Fence(1, 10)
        self.tracker.granted(fence, None)
        self.tracker.confirmed(3)
        self.assertEqual(self.why(5), "unconfirmed")

    def test_a_view_from_before_a_grant_says_nothing_about_it(self) -> None:
        fence = self.holds(5)
        self.assertEqual(self.tracker.viewed(view(4)), [])
        self.assertEqual([own.fence for own in self.tracker.viewed(view(6))], [fence])
        self.assertFalse(self.tracker.granted(fence, None), "it has ended")

    def test_draining_and_releasing_end_editing_at_once(self) -> None:
        fence = self.holds()
        self.tracker.drain(fence)
        self.assertEqual(self.why(2), "draining")
        other = self.holds(7)
        self.tracker.release_sent(other)
        self.assertIn(self.why(2), ("draining", "releasing"))

    def test_a_lost_grant_keeps_out_until_a_view_shows_it_gone(self) -> None:
        fence = self.holds()
        self.tracker.lost(fence)
        self.assertEqual(self.why(2), "theirs")
        self.tracker.viewed(view(6))
        self.assertEqual(self.why(2), "free")

    def test_parts_of_a_document_have_their_own_rights(self) -> None:
        title, body = scope_of([["title"]]), scope_of([["body", "7"]])
        self.holds(5, title)
        self.tracker.viewed(view(8, grant(1, 5, title), grant(2, 8, body)))
        self.assertEqual(self.why(2, title), "holder")
        self.assertEqual(self.why(2, scope_of([["body"]])), "theirs")
        self.assertEqual(self.why(2, scope_of([["notes"]])), "free")
        self.assertEqual(self.why(2), "theirs")

    def test_a_document_may_ask_for_a_lock_or_none(self) -> None:
        self.tracker.viewed(view(2, mode="required"))
        self.assertEqual(self.why(2), "required")
        self.tracker.viewed(view(3, grant(2, 3), mode="open"))
        self.assertEqual(self.why(2), "open")

    def test_a_resumed_session_keeps_what_the_welcome_shows(self) -> None:
        fence = self.holds()
        self.tracker.disconnected()
        self.tracker.hello_sent(at(20))
        lost = self.tracker.welcomed(1, True, view(9, grant(1, 5)), STOP)
        self.assertEqual((lost, self.tracker.fences), ([], [fence]))
        self.assertEqual(self.why(20 + STOP - 0.1), "holder")
        lost = self.tracker.welcomed(2, False, view(10, grant(1, 5)), STOP)
        self.assertEqual([own.fence for own in lost], [fence])


if __name__ == "__main__":
    unittest.main()
