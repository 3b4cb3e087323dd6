"""The frames of docs/protocol.md, read and written again."""

from __future__ import annotations

import re
import unittest
import zlib
from pathlib import Path

from baton_client import ProtocolError
from baton_client._frames import Channel, Step1, Step2, Update, decode, encode

PROTOCOL = Path(__file__).parents[3] / "docs" / "protocol.md"


def examples() -> list[bytes]:
    """Frames of the page's blocks without a language, which are of the y-websocket wire."""
    blocks = re.findall(r"^```\n(.*?)^```", PROTOCOL.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    found = [re.match(r"[<>] ((?:[0-9a-f]{2,} )*[0-9a-f]{2,})(?:  |$)", line) for line in lines]
    return [bytes.fromhex(match.group(1)) for match in found if match]


class Frames(unittest.TestCase):
    def test_the_examples_of_the_page_are_read_and_written_as_they_were(self) -> None:
        frames = examples()
        self.assertGreater(len(frames), 8)
        known = 0
        for frame in frames:
            read = decode(frame)
            if read is not None and frame[0] != 99:
                self.assertEqual(encode(read), frame)
                known += 1
        self.assertGreater(known, 6)

    def test_a_compressed_answer_is_what_it_stands_for(self) -> None:
        compressed = [frame for frame in examples() if frame[0] == 99]
        self.assertEqual(len(compressed), 1)
        read = decode(compressed[0])
        assert isinstance(read, Step2)
        self.assertEqual(len(read.update), 70)

    def test_what_is_cut_off_or_damaged_is_no_frame(self) -> None:
        for frame in [*examples(), encode(Update(b"x" * 300)), encode(Channel({"type": "beat"}))]:
            for end in range(len(frame)):
                try:
                    decode(frame[:end])
                except ProtocolError:
                    continue
        squeezed = zlib.compress(b"la " * 1000, wbits=-15)
        for stated in (2999, 3001):
            head = bytes([stated & 0x7F | 0x80, stated >> 7])
            content = head + squeezed
            frame = bytes([99, 1]) + bytes([len(content) & 0x7F | 0x80, len(content) >> 7]) + content
            with self.assertRaises(ProtocolError):
                decode(frame if len(content) > 127 else bytes([99, 1, len(content)]) + content)

    def test_a_type_that_is_not_known_is_passed_over(self) -> None:
        self.assertIsNone(decode(bytes([77, 1, 2])))
        self.assertEqual(decode(bytes([0, 0, 1, 0])), Step1(b"\0"))


if __name__ == "__main__":
    unittest.main()
