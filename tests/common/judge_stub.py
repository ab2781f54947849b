"""A local server that speaks /chat/completions as OpenAI's does, and grades by comparing texts."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

QUESTION = re.compile(r"Reference answer:\n(.*?)\n\n<<<([0-9a-f]{16})\n(.*)\n\2>>>", re.DOTALL)


class Stub(ThreadingHTTPServer):
    """The server; ``replies`` are (status, body) to give instead of a verdict, ``seen`` what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies: list[tuple[int, Any]] = []
        self.seen: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append(asked)
        self.server.keys.append(self.headers.get("Authorization"))
        status, body = self.server.replies.pop(0) if self.server.replies else (200, says(verdict(asked)))
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status if self.path == "/v1/chat/completions" else 404)
        if status in (301, 302, 307):
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(data)

    def log_message(self, *_arguments: Any) -> None:
        pass


def says(text: str) -> dict[str, Any]:
    return {
        "id": "x",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}],
    }


def verdict(asked: dict[str, Any]) -> str:
    """The verdict of an honest, literal judge."""
    found = QUESTION.search(asked["messages"][-1]["content"])
    assert found
    gold, code, answer = found.groups()
    return f"Compared.\nVERDICT {code} {10 if gold.strip() == answer.strip() else 0}"


@contextlib.contextmanager
def running() -> Iterator[Stub]:
    with Stub() as stub:
        thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield stub
        stub.shutdown()
