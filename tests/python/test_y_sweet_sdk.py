"""y-sweet's Python SDK, as published, against the real server.

Needs BATON_BIN, the server's program, and the packages of requirements.txt on the path.
"""

import os
import re
import subprocess
import tempfile
import unittest

import pycrdt
import requests
from y_sweet_sdk import DocumentManager, get_or_create_doc_and_token
from y_sweet_sdk.error import YSweetError

SERVER_TOKEN = "AAAgX2lKqSLSrfTZk0LvlSHZ7pH8bVkbxH4uB1WbO0"


class Server:
    """The server on an empty folder. Its port stays the same when it is started again."""

    def __init__(self, *more):
        self.folder = tempfile.TemporaryDirectory()
        self.more = more
        self.address = "127.0.0.1:0"
        self.start()

    def start(self):
        command = [os.environ["BATON_BIN"], "serve", "--listen", self.address, "--data", self.folder.name, *self.more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        self.address = re.search(r"listening on http://([^\s/]+)", line).group(1)

    def kill(self):
        """Ends it as a power failure would."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def close(self):
        self.kill()
        self.folder.cleanup()


class Sdk(unittest.TestCase):
    def server(self, *more):
        server = Server(*more)
        self.addCleanup(server.close)
        return server

    def guarded(self):
        server = self.server("--auth", "jwt", "--server-token", SERVER_TOKEN)
        return server, DocumentManager(f"ys://{SERVER_TOKEN}@{server.address}")

    def code(self, call, *arguments):
        with self.assertRaises(YSweetError) as raised:
            call(*arguments)
        return raised.exception.cause["code"]

    def test_documents_are_named_read_and_written_and_last(self):
        server = self.server()
        app = DocumentManager(f"ys://{server.address}")
        self.assertEqual(app.check_store(), {"ok": True})
        self.assertEqual(app.create_doc("plan"), {"docId": "plan"})
        self.assertNotEqual(app.create_doc(), app.create_doc())
        self.assertEqual(app.get_websocket_url("plan"), f"ws://{server.address}/d/plan/ws/plan")
        with app.get_connection("plan").for_update() as doc:
            doc.get("map", type=pycrdt.Map)["written by"] = "Python"
        server.kill()
        server.start()
        doc = pycrdt.Doc()
        doc.apply_update(app.get_doc_as_update("plan"))
        self.assertEqual(doc.get("map", type=pycrdt.Map)["written by"], "Python")
        app.update_doc("copy", doc.get_update())
        self.assertGreater(len(app.get_doc_as_update("copy")), 10)

    def test_tokens_let_in_and_their_absence_is_told_in_the_words_of_the_sdk(self):
        server, app = self.guarded()
        token = get_or_create_doc_and_token(f"ys://{SERVER_TOKEN}@{server.address}", "plan")
        self.assertEqual(token["docId"], "plan")
        answer = requests.get(token["baseUrl"] + "/as-update", headers={"Authorization": "Bearer " + token["token"]})
        self.assertEqual((answer.status_code, answer.content), (200, b"\0\0"))
        self.assertEqual(app.check_store(), {"ok": True})
        for user, code in (("", "NoAuthProvided"), ("wrong" * 9 + "@", "InvalidAuthProvided")):
            other = DocumentManager(f"ys://{user}{server.address}")
            self.assertEqual(self.code(other.check_store), code)
            self.assertEqual(self.code(other.create_doc, "plan"), code)
            self.assertEqual(self.code(other.get_client_token, "plan"), code)


if __name__ == "__main__":
    unittest.main()
