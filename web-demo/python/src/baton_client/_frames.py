"""Frames of the y-websocket wire with Baton's channel in them (docs/protocol.md, section 1).

Owns the bytes only: it knows no document, no socket and no clock.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .errors import ProtocolError

_SYNC: Final = 0
_AWARENESS: Final = 1
_AUTH: Final = 2
_QUERY_AWARENESS: Final = 3
_CHANNEL: Final = 98
_COMPRESSED: Final = 99

#: The form of compressed answers that this client reads.
ENCODING: Final = "deflate-raw"

#: Most bytes that a compressed update may stand for.
MAX_INFLATED: Final = 67_108_864


@dataclass(frozen=True)
class Step1:
    """A state vector: the sender has this."""

    state_vector: bytes


@dataclass(frozen=True)
class Step2:
    """The answer to a Step1: an update with all that was lacking."""

    update: bytes


@dataclass(frozen=True)
class Update:
    """A new edit."""

    update: bytes


@dataclass(frozen=True)
class AwarenessUpdate:
    """States of awareness, as y-protocols encodes them."""

    update: bytes


@dataclass(frozen=True)
class QueryAwareness:
    """Asks for the receiver's own state of awareness."""


@dataclass(frozen=True)
class Denied:
    """The server denies something; the text is for people."""

    reason: str


@dataclass(frozen=True)
class Channel:
    """A message of Baton's channel."""

    message: Mapping[str, Any]


Frame = Step1 | Step2 | Update | AwarenessUpdate | QueryAwareness | Denied | Channel


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def var_uint(self) -> int:
        value = 0
        shift = 0
        while True:
            if self._at >= len(self._data) or shift > 63:
                raise ProtocolError("a number in a frame of the server has no end")
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def buffer(self) -> bytes:
        length = self.var_uint()
        end = self._at + length
        if end > len(self._data):
            raise ProtocolError("a frame of the server is cut off")
        part = self._data[self._at : end]
        self._at = end
        return part

    def text(self) -> str:
        try:
            return self.buffer().decode()
        except UnicodeDecodeError as error:
            raise ProtocolError("a text of the server is no UTF-8") from error


def _var_uint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _buffer(data: bytes) -> bytes:
    return _var_uint(len(data)) + data


def decode(data: bytes) -> Frame | None:
    """Returns the frame in these bytes; `None` for a type that this client does not know.

    Raises `ProtocolError` if the bytes are cut off or hold what no server sends.
    """
    reader = _Reader(data)
    kind = reader.var_uint()
    if kind == _SYNC:
        return _sync(reader)
    if kind == _COMPRESSED:
        return _compressed(reader)
    if kind == _AWARENESS:
        return AwarenessUpdate(reader.buffer())
    if kind == _QUERY_AWARENESS:
        return QueryAwareness()
    if kind == _AUTH:
        reader.var_uint()
        return Denied(reader.text())
    if kind == _CHANNEL:
        return Channel(_message(reader.text()))
    return None


def _sync(reader: _Reader) -> Frame:
    step = reader.var_uint()
    content = reader.buffer()
    if step == 0:
        return Step1(content)
    if step == 1:
        return Step2(content)
    if step == 2:
        return Update(content)
    raise ProtocolError(f"{step} is no sync message")


def _compressed(reader: _Reader) -> Frame:
    step = reader.var_uint()
    content = _Reader(reader.buffer())
    stated = content.var_uint()
    rest = content._data[content._at :]
    if stated > MAX_INFLATED:
        raise ProtocolError(f"a compressed update of {stated} bytes is too large")
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        update = stream.decompress(rest, stated + 1)
    except zlib.error as error:
        raise ProtocolError(f"a compressed update is damaged: {error}") from error
    if len(update) != stated or not stream.eof or stream.unused_data:
        raise ProtocolError("a compressed update has another length than it says")
    if step == 1:
        return Step2(update)
    if step == 2:
        return Update(update)
    raise ProtocolError(f"{step} is no compressed sync message")


def _message(text: str) -> Mapping[str, Any]:
    try:
        message = json.loads(text)
    except ValueError as error:
        raise ProtocolError("a message of the server is no JSON") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ProtocolError("a message of the server has no type")
    return message


def encode(frame: Frame) -> bytes:
    """Returns the bytes of a frame."""
    match frame:
        case Step1(vector):
            return bytes([_SYNC, 0]) + _buffer(vector)
        case Step2(update):
            return bytes([_SYNC, 1]) + _buffer(update)
        case Update(update):
            return bytes([_SYNC, 2]) + _buffer(update)
        case AwarenessUpdate(update):
            return bytes([_AWARENESS]) + _buffer(update)
        case QueryAwareness():
            return bytes([_QUERY_AWARENESS])
        case Denied(reason):
            return bytes([_AUTH, 0]) + _buffer(reason.encode())
        case Channel(message):
            text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
            return bytes([_CHANNEL]) + _buffer(text.encode())
