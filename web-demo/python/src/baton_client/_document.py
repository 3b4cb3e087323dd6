"""One copy of a document: a Yjs document with its awareness.

Owns the difference between edits of this program and edits of others. Everything that this
program changes is given to `on_update` and `on_awareness` at once, from inside the change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pycrdt import Awareness, Doc, TransactionEvent

from ._frames import AwarenessUpdate, Frame, Step1, Step2, Update


class DocumentCopy:
    """See the module."""

    def __init__(
        self,
        doc: Doc[Any],
        on_update: Callable[[Frame], object],
        on_awareness: Callable[[Frame], object],
    ) -> None:
        self.doc = doc
        self.awareness = Awareness(doc)
        self._on_update = on_update
        self._on_awareness = on_awareness
        self._is_applying = False
        self._is_detached = False
        doc.observe(self._changed)
        self.awareness.observe(self._awareness_changed)

    def detach(self) -> None:
        """Nothing of this copy is told any more."""
        self._is_detached = True

    def _changed(self, event: TransactionEvent) -> None:
        if not self._is_applying and not self._is_detached:
            self._on_update(Update(event.update))

    def _awareness_changed(self, topic: str, change: tuple[dict[str, Any], Any]) -> None:
        if topic == "update" and change[1] == "local" and not self._is_detached:
            self._on_awareness(self.own_awareness())

    # ---- frames ----

    def step1(self) -> Step1:
        """Returns what this copy has, as a question for the rest."""
        return Step1(self.doc.get_state())

    def answer(self, question: Step1) -> Step2:
        """Returns what the asker lacks."""
        return Step2(self.doc.get_update(question.state_vector))

    def own_awareness(self) -> AwarenessUpdate:
        """Returns this client's own state of awareness."""
        return AwarenessUpdate(self.awareness.encode_awareness_update([self.doc.client_id]))

    def apply(self, update: bytes) -> None:
        """Applies an edit of others."""
        self._is_applying = True
        try:
            self.doc.apply_update(update)
        finally:
            self._is_applying = False

    def apply_awareness(self, update: bytes) -> bool:
        """Takes states of others.

        Returns true if one of them asked this client to state its own again: a removal of a
        client that is alive raises its clock, and the others need to hear of it.
        """
        before = self._own_clock()
        self.awareness.apply_awareness_update(update, "server")
        return self._own_clock() > before and self.awareness.get_local_state() is not None

    def _own_clock(self) -> int:
        meta = self.awareness.meta.get(self.doc.client_id)
        return 0 if meta is None else int(meta["clock"])

    def forget_others(self) -> None:
        """Nobody can be seen while there is no connection."""
        others = [client for client in self.awareness.states if client != self.doc.client_id]
        self.awareness.remove_awareness_states(others, "connection closed")
