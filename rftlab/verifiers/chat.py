"""A client of endpoints that speak OpenAI's /chat/completions: retries, time-outs, nothing followed elsewhere."""

import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from rftlab.errors import RftlabError

_MAX_REPLY_BYTES = 1 << 20
_RETRIED = (408, 409, 425, 429, 500, 502, 503, 504)


class Request(NamedTuple):
    """A request's body, and the code that a verdict must repeat."""

    body: str
    code: str


class Reply(NamedTuple):
    """What an endpoint said, or the reason why it said nothing."""

    text: str
    error: str = ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host; it is an error."""

    def redirect_request(self, *_arguments: Any, **_named: Any) -> None:
        return None


class Endpoint:
    """A model behind an endpoint, asked at temperature 0.

    Args:
        url: base URL, such as http://localhost:8000/v1.
        model: name of the model there.
        key_variable: environment variable that holds the API key; without it none is sent.
        timeout_s: seconds for one request: to connect, for the next bytes, and for the whole of its reply.
        retries: further attempts after a request that failed in transit or was refused for now.
        parallel: requests under way at once.

    Raises:
        RftlabError: a number out of range, or no URL and model.
    """

    def __init__(
        self, url: str, model: str, *, key_variable: str = "OPENAI_API_KEY", timeout_s: float = 30.0, retries: int = 2,
        parallel: int = 8,
    ) -> None:  # fmt: skip
        if timeout_s <= 0 or retries < 0 or parallel < 1:
            raise RftlabError(
                f"judge: timeout_s={timeout_s}, retries={retries}, parallel={parallel}; give > 0, >= 0, >= 1"
            )
        if _scheme(url) not in ("http", "https") or not model:
            raise RftlabError("judge: off until an endpoint (http://host/v1) and a model there are named")
        if not urllib.parse.urlsplit(url).netloc.rpartition("@")[2]:
            raise RftlabError(f"judge: {url} names no host; give a URL such as http://localhost:8000/v1")
        self.url, self.model = url.rstrip("/") + "/chat/completions", model
        self._key_variable, self._timeout, self._retries, self._parallel = key_variable, timeout_s, retries, parallel
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._has_answered = False

    @property
    def host(self) -> str:
        """Host and port, without what a URL may hold of keys."""
        return urllib.parse.urlsplit(self.url).netloc.rpartition("@")[2]

    def request(self, system: str, user: str, code: str) -> Request:
        """A question to it."""
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        asked = {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": 512, "seed": 0}
        return Request(json.dumps(asked), code)

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        """Replies in order.

        Raises:
            RftlabError: the endpoint has never answered, not to one of the first `parallel` requests.
        """
        replies: list[Reply] = []
        with ThreadPoolExecutor(self._parallel) as pool:
            # One that hangs is given up after the first few, not after hours of waiting for all.
            for part in (requests[: self._parallel], requests[self._parallel :]):
                replies += pool.map(self._ask, part)
                self._has_answered = self._has_answered or any(not reply.error for reply in replies)
                if replies and not self._has_answered:
                    why = f"{self.url} does not answer: {replies[0].error}"
                    raise RftlabError(f"judge: {why}; check endpoint, model and key")
        return replies

    def _ask(self, request: Request) -> Reply:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self._key_variable):
            headers["Authorization"] = f"Bearer {key}"
        reply = Reply("", "not asked")
        for attempt in range(self._retries + 1):
            if attempt:
                time.sleep(min(8.0, 0.25 * 2**attempt))
            try:
                made = urllib.request.Request(self.url, request.body.encode(), headers)
                with self._opener.open(made, timeout=self._timeout) as response:
                    answer = json.loads(self._whole(response))
                return Reply(str(answer["choices"][0]["message"]["content"] or ""))
            except urllib.error.HTTPError as error:
                reply = Reply("", f"HTTP {error.code}")
                error.close()
                if error.code not in _RETRIED:
                    return reply
            except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError, RecursionError) as error:
                reply = Reply("", f"{type(error).__name__}: {str(error)[:120]}")
        return reply

    def _whole(self, response: http.client.HTTPResponse) -> bytes:
        """Its body, as far as it comes within the time-out: that of a socket begins anew with every byte."""
        end, body = time.monotonic() + self._timeout, b""
        while len(body) < _MAX_REPLY_BYTES and (part := response.read1(_MAX_REPLY_BYTES - len(body))):
            body += part
            if time.monotonic() > end:
                raise TimeoutError(f"the reply had no end after {self._timeout:g} s")
        return body


def _scheme(url: str) -> str:
    """Of a URL that can be read as one; "" else."""
    try:
        return urllib.parse.urlsplit(url).scheme
    except ValueError:
        return ""


def code_of(*texts: str) -> str:
    """16 hex digits of the SHA-256 of what is judged, which marks it off and which a verdict must repeat."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]
