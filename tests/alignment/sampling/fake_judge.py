"""A judge that answers on loopback as an OpenAI-compatible endpoint does, with the grades it is told."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from alignment.programs import JudgeConfig

FULL_MARKS = {"accuracy": 3, "instruction_following": 3, "tone": 3, "correctness": 2, "user_intention": 2}


class FakeJudge:
    """What the judge says, and what it was asked."""

    def __init__(self, url: str) -> None:
        self.config = JudgeConfig(url=url, model="judge-1", code_domains=("code",), num_at_once=2)
        self.grades: dict[str, dict[str, int]] = {}
        """By the graded response; full marks for others."""
        self.difficulty: dict[str, Any] = {"difficulty": 2, "intentions": ["ask"]}
        self.better: Callable[[str, str], str] = lambda first, second: "first"
        """Which of two answers it says is better: "first", "second" or "tie"."""
        self.label: Callable[[str], dict[str, Any]] = lambda text: {"meets": True}
        """What it says of a document."""
        self.statuses: list[int] = []
        """To answer with first, before it is well again."""
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    def reply(self, request: dict[str, Any]) -> str:
        """The judge's words about a question."""
        instruction, question = (message["content"] for message in request["messages"])
        if "how hard" in instruction:
            return f"Sure:\n```json\n{json.dumps(self.difficulty)}\n```"
        dialog = json.loads(question.partition("\n")[2])
        if question.startswith("The document"):
            return json.dumps(self.label(dialog["text"]))
        if "two answers" in question:
            return json.dumps({"better": self.better(dialog["first"], dialog["second"])})
        return json.dumps(self.grades.get(dialog[-1]["content"], FULL_MARKS))


@contextmanager
def judge_on_loopback() -> Iterator[FakeJudge]:
    """A judge that answers until the block ends."""
    judges: list[FakeJudge] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """A chat completion."""
            (judge,) = judges
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = judge.statuses.pop(0) if judge.statuses else 200
            if self.path != "/v1/chat/completions":
                status = 404
            body: dict[str, Any] = {"error": {"message": "no"}}
            if status == 200:
                judge.requests.append(request)
                judge.keys.append(self.headers["Authorization"])
                body = {"choices": [{"message": {"role": "assistant", "content": judge.reply(request)}}]}
            encoded = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    judges.append(FakeJudge(f"http://127.0.0.1:{server.server_port}/v1"))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield judges[0]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
