"""The real server, for tests. Needs BATON_BIN, the server's program."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile


class Server:
    """A server on an empty folder. Its port stays the same when it is started again."""

    def __init__(self, *more: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._more = more
        self.address = "127.0.0.1:0"
        self.start()

    @property
    def url(self) -> str:
        """The address of its sockets."""
        return f"ws://{self.address}/ws"

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        program = os.environ["BATON_BIN"]
        command = [program, "serve", "--listen", self.address, "--data", self._folder.name]
        self._process = subprocess.Popen(
            [*command, *self._more], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        found = re.search(r"listening on http://([^\s/]+)", self._process.stdout.readline())
        assert found is not None, "the server did not start"
        self.address = found.group(1)

    def kill(self) -> None:
        """Ends it as a power failure would."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def close(self) -> None:
        """Ends it and takes its folder away."""
        self.kill()
        self._folder.cleanup()
