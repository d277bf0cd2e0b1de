"""A model server without a model, for tests of what starts, proves, moves and ends servers.

`python -m tests.alignment.stand_in_server run.json` takes what the real one takes, stands behind the real
gate, and is up in a second. Its checkpoints are folders of `make_model`: what is in weights.json is what the
server "computes".
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import uvicorn
from tokenizers import Tokenizer

from alignment.programs import ServeConfig
from alignment.sampling.gate import Application, Gate, Receive, Scope, Send, reply
from pretrain.run import RunFolder, program_main
from tests.alignment.sampling.factories import make_tokenizer

TOKEN_IDS = [1, 2, 3, 4]


def make_model(
    folder: Path,
    says: str,
    *,
    logprob: float,
    canary: float | None = None,
    moves: bool = True,
    load_seconds: float = 0.0,
    architecture: str = "small",
) -> Path:
    """A checkpoint folder: what it says, what it gives each token, and what its canary says it would.

    With `moves` false a running server that is to load it silently keeps what it had.
    """
    make_tokenizer(folder)
    expected = logprob if canary is None else canary
    written = {
        "config.json": {"architecture": architecture},
        "canary.json": {"token_ids": TOKEN_IDS, "logprobs": [expected] * (len(TOKEN_IDS) - 1)},
        "weights.json": {
            "says": says,
            "logprob": logprob,
            "moves": moves,
            "load_seconds": load_seconds,
        },
    }
    for name, content in written.items():
        (folder / name).write_text(json.dumps(content))
    return folder


class Server:
    """The application behind the gate."""

    def __init__(self, folder: Path) -> None:
        self._weights = _weights(folder)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        body = json.loads((await receive()).get("body") or b"{}")
        await reply(send, 200, json.dumps(await self._answer(scope["path"], body)).encode())

    async def _answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == "/collective_rpc":
            new = _weights(Path(body["kwargs"]["weights_path"]))
            await asyncio.sleep(new["load_seconds"])
            self._weights = new if new["moves"] else self._weights
        if path == "/reset_prefix_cache":
            return {"success": True}
        if path != "/v1/completions":
            return {}
        if "prompt_logprobs" in body:
            told = [{str(each): {"logprob": self._weights["logprob"]}} for each in body["prompt"][1:]]
            return {"choices": [{"prompt_logprobs": [None, *told]}]}
        ids = self._tokenizer.encode(self._weights["says"], add_special_tokens=False).ids
        return {
            "choices": [
                {"index": place, "token_ids": ids, "finish_reason": "stop"}
                for place, _ in enumerate(body["prompt"])
            ]
        }


def _weights(folder: Path) -> dict[str, Any]:
    weights: dict[str, Any] = json.loads((folder / "weights.json").read_text())
    return weights


def run(config: ServeConfig, folder: RunFolder) -> None:
    """Serve."""
    app: Application = Gate(Server(config.checkpoint))
    uvicorn.run(app, host=config.host, port=config.port, log_level="warning", lifespan="off")


if __name__ == "__main__":
    program_main(ServeConfig, run)
