"""The parts of a document that one lock covers: the whole of it, or a set of paths. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

#: Names of a path, the first that of a root type: `("board", "card-7")`.
Path = tuple[str, ...]

#: The whole document (`None`), or paths.
Scope = tuple[Path, ...] | None

#: Paths as a program may give them; `None` is the whole document.
Paths = Sequence[Sequence[str]] | None

_MAX_PATHS = 16
_MAX_NAMES = 8
_MAX_BYTES = 256


def scope_of(paths: Paths) -> Scope:
    """Returns the scope of these paths, sorted, without those that another one covers.

    Raises `ValueError` if they are more, longer or emptier than the protocol allows.
    """
    if paths is None:
        return None
    if isinstance(paths, str) or any(isinstance(path, str) for path in paths):
        raise ValueError('paths are lists of names, such as [["title"], ["board", "card-7"]]')
    given = [tuple(path) for path in paths]
    if not given or not all(given):
        raise ValueError("an empty list of paths covers nothing: leave it out for all")
    for path in given:
        if len(path) > _MAX_NAMES:
            raise ValueError(f"a path has at most {_MAX_NAMES} names")
        for name in path:
            if not name or len(name.encode()) > _MAX_BYTES:
                raise ValueError(f"a name in a path has 1 to {_MAX_BYTES} bytes")
    outer = {path for path in given if not any(_under(path, other) for other in given)}
    if len(outer) > _MAX_PATHS:
        raise ValueError(f"a lock has at most {_MAX_PATHS} paths")
    return tuple(sorted(outer))


def scope_from(paths: Any) -> Scope:
    """Reads the scope of a message of the server."""
    return None if paths is None else tuple(tuple(path) for path in paths)


def scope_to(scope: Scope) -> dict[str, Any]:
    """Returns the fields with which a message names a scope."""
    return {} if scope is None else {"paths": [list(path) for path in scope]}


def conflict(one: Scope, other: Scope) -> bool:
    """Returns true if two sessions cannot hold these at once."""
    if one is None or other is None:
        return True
    return any(_prefix(a, b) or _prefix(b, a) for a in one for b in other)


def covers(scopes: Iterable[Scope], inner: Scope) -> bool:
    """Returns true if each part of `inner` is in one of the scopes."""
    outer = list(scopes)
    if any(scope is None for scope in outer):
        return True
    if inner is None:
        return False
    paths = [path for scope in outer if scope is not None for path in scope]
    return all(any(_prefix(path, part) for path in paths) for part in inner)


def reaches(scope: Scope, root: str) -> bool:
    """Returns true if a lock of this scope has a part of the root type."""
    return scope is None or any(path[0] == root for path in scope)


def roots_of(scope: Scope) -> list[str] | None:
    """Returns the names of the root types of a scope; `None` for all."""
    return None if scope is None else list(dict.fromkeys(path[0] for path in scope))


def _prefix(outer: Path, inner: Path) -> bool:
    return inner[: len(outer)] == outer


def _under(path: Path, other: Path) -> bool:
    return len(other) < len(path) and _prefix(other, path)
