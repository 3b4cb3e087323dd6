"""The packed client in an empty project, with the example of its README."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

from pycrdt import Text
from server import Server

from baton_client import Client

PACKAGE = Path(__file__).parents[1]


class Package(unittest.TestCase):
    def test_the_sources_and_their_tests_are_typed(self) -> None:
        environment = {**os.environ, "MYPY_CACHE_DIR": os.devnull}
        run([sys.executable, "-m", "mypy", "--strict", "src", "tests"], PACKAGE, environment)

    def test_the_example_runs_from_a_wheel(self) -> None:
        server = Server()
        self.addCleanup(server.close)
        example = re.search(r"^```python\n(.*?)^```", (PACKAGE / "README.md").read_text(), re.M | re.S)
        assert example is not None
        program = example.group(1).replace("ws://127.0.0.1:8080/ws", server.url)
        self.assertIn(server.url, program)
        with tempfile.TemporaryDirectory() as folder:
            wheel = packed(Path(folder))
            project = Path(folder) / "project"
            with zipfile.ZipFile(wheel) as archive:
                self.assertIn("baton_client/py.typed", archive.namelist())
                archive.extractall(project)
            (project / "robot.py").write_text(program)
            # Without the sources, and with the typed package as somebody else sees it.
            others = [part for part in sys.path if part.endswith("site-packages")]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(project), *others])}
            run([sys.executable, "robot.py"], project, environment)
            run([sys.executable, "-m", "mypy", "--strict", "robot.py"], project, environment)
        self.assertEqual(asyncio.run(content(server)), "Reviewed by a robot.\n")


async def content(server: Server) -> str:
    async with Client(server.url, "minutes") as client:
        return str(client.doc.get("text", type=Text))


def packed(folder: Path) -> Path:
    """Builds the wheel of a copy, so that nothing is left in the checkout."""
    copy = folder / "copy"
    run(["cp", "-r", str(PACKAGE), str(copy)], folder)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run([*command, "--wheel-dir", str(folder), str(copy)], folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    unittest.main()
