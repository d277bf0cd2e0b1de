"""A small server that speaks vLLM's completions, on a port of its own: deployed models for tests."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from annotation.models import Project
from registry.models import Checkpoint, Deployment
from tests.alignment.sampling.factories import make_tokenizer

Answer = Callable[[str, str], str]


class ModelServer:
    """Answers with `answer(model, prompt)`; `hold` makes requests wait until `let_go`."""

    def __init__(self, tokenizer: Path, answer: Answer) -> None:
        self.prompts: list[tuple[str, str]] = []
        """Model and prompt of each request that arrived, special tokens included."""
        self.arrived = threading.Event()
        self._free = threading.Event()
        self._free.set()
        self._answer = answer
        self._encode = Texts(tokenizer)
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                reply = json.dumps({"choices": server.choices(body)}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *arguments: object) -> None:
                """Be quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def hold(self) -> None:
        """Answer nobody from now on."""
        self.arrived.clear()
        self._free.clear()

    def let_go(self) -> None:
        """Answer everybody."""
        self._free.set()

    def choices(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """What one request gets."""
        texts = [self._encode.decode(prompt) for prompt in body["prompt"]]
        self.prompts.extend((body["model"], text) for text in texts)
        self.arrived.set()
        self._free.wait(30)
        return [
            {
                "index": place,
                "token_ids": self._encode.encode(self._answer(body["model"], text)),
                "finish_reason": "stop",
            }
            for place, text in enumerate(texts)
        ]


class Texts:
    """The tokenizer, as the server needs it."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=False)
        return text


@contextmanager
def model_server(folder: Path, answer: Answer) -> Iterator[ModelServer]:
    """A running server; `folder` gets the tokenizer."""
    server = ModelServer(make_tokenizer(folder), answer)
    thread = threading.Thread(target=server.http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.let_go()
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def deploy(project: Project, server: ModelServer, folder: Path, *names: str) -> None:
    """Models of these names, live at the server."""
    for name in names:
        checkpoint = Checkpoint.objects.create(
            name=name, kind=Checkpoint.Kind.DPO, path=str(folder), content_hash=name
        )
        deployment = Deployment.objects.create(
            name=name, checkpoint=checkpoint, served_name=name, base_url=server.url, state="live"
        )
        project.deployments.add(deployment)
