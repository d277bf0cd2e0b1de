"""The client of deployed models against hand-written servers: batches, order, patience, plain words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from annotation.records import Message
from pretrain.encoders import encoder_for
from registry.client import BATCH_ANSWERS, NUM_TRIES, ChatClient, ModelAway, ModelRefused
from tests.alignment.sampling.factories import make_tokenizer

Handler = Callable[[httpx.Request], httpx.Response]


AFTER_CONTENT = 1 + len("<assistant>") + 2
"""Tokens of a prompt after its content: eot, the assistant's header byte by byte, two line feeds."""


class EchoServer:
    """Answers each prompt with its content's last letter, more often in later samples; keeps the requests."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        choices = [
            {"index": place * body["n"] + sample, "token_ids": [prompt[-AFTER_CONTENT - 1]] * (sample + 1)}
            for place, prompt in enumerate(body["prompt"])
            for sample in range(body["n"])
        ]
        for choice in choices:
            choice["finish_reason"] = "stop"
        return httpx.Response(200, json={"choices": choices[::-1]})


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tokenizer(tmp_path_factory.mktemp("client") / "tokenizer")


def make_client(handler: Handler, tokenizer: Path, pauses: list[float] | None = None) -> ChatClient:
    return ChatClient(
        "http://model",
        "candidate",
        tokenizer,
        transport=httpx.MockTransport(handler),
        sleep=(pauses if pauses is not None else []).append,
    )


def contexts(count: int) -> list[list[Message]]:
    """Contexts that end with a letter of their own, or one of 26 in turn."""
    return [[Message(role="user", content=f"Say {chr(97 + number % 26)}")] for number in range(count)]


def test_answers_come_in_the_order_of_their_contexts(tokenizer: Path) -> None:
    server = EchoServer()
    asked = contexts(200)

    answers = make_client(server, tokenizer).complete(asked, n=2, max_tokens=8)

    letters = [context[0].content[-1] for context in asked]
    assert [[answer.content for answer in drawn] for drawn in answers] == [
        [letter, letter * 2] for letter in letters
    ]
    assert answers[0][1].num_tokens == 2
    assert all(len(body["prompt"]) * body["n"] <= BATCH_ANSWERS for body in server.bodies)


def test_a_call_of_a_tool_is_told_from_words(tokenizer: Path) -> None:
    encoder = encoder_for(tokenizer)
    answers = [encoder.encode_response("go()", tool_call=called)[0] for called in (True, False)]

    def server(request: httpx.Request) -> httpx.Response:
        choices = [
            {"index": place, "token_ids": ids, "finish_reason": "stop"} for place, ids in enumerate(answers)
        ]
        return httpx.Response(200, json={"choices": choices})

    ((call,), (words,)) = make_client(server, tokenizer).complete(contexts(2), max_tokens=8)
    assert (call.content, call.tool_call) == ("go()", True)
    assert (words.content, words.tool_call) == ("go()", False)


def test_nothing_asked_is_nothing_sent(tokenizer: Path) -> None:
    server = EchoServer()

    assert make_client(server, tokenizer).complete([], max_tokens=8) == []
    assert server.bodies == []


def test_a_seed_gives_every_context_and_model_its_own_luck(tokenizer: Path) -> None:
    first, second = EchoServer(), EchoServer()

    for server in (first, second):
        make_client(server, tokenizer).complete(contexts(30), max_tokens=8, seed=1)

    seeds = {tuple(body["prompt"][0]): body["seed"] for body in first.bodies}
    assert len(first.bodies) == 30
    assert len({body["seed"] for body in first.bodies}) == 30
    assert all(seeds.get(tuple(body["prompt"][0])) is not None for body in second.bodies)
    assert sorted(body["seed"] for body in first.bodies) == sorted(body["seed"] for body in second.bodies)


def test_a_server_that_is_shut_for_a_moment_is_asked_again(tokenizer: Path) -> None:
    pauses: list[float] = []
    server = EchoServer()
    replies = iter([httpx.Response(503), httpx.Response(502)])

    def shut_twice(request: httpx.Request) -> httpx.Response:
        return next(replies, None) or server(request)

    answer = make_client(shut_twice, tokenizer, pauses).answer(contexts(1)[0], max_tokens=8)

    assert answer.finish == "stop"
    assert pauses == [0.25, 0.5]


def test_a_server_that_is_gone_is_given_up_with_advice(tokenizer: Path) -> None:
    tries = []

    def gone(request: httpx.Request) -> httpx.Response:
        tries.append(request)
        raise httpx.ConnectError("Connection refused")

    with pytest.raises(ModelAway, match=r"candidate at http://model .*refused.*deploy the model again"):
        make_client(gone, tokenizer).answer(contexts(1)[0], max_tokens=8)

    assert len(tries) == NUM_TRIES


def test_a_dialog_that_is_too_long_is_not_tried_again(tokenizer: Path) -> None:
    tries = []

    def refusing(request: httpx.Request) -> httpx.Response:
        tries.append(request)
        return httpx.Response(400, json={"error": {"message": "The prompt has 300 tokens, 256 are allowed."}})

    with pytest.raises(ModelRefused, match="300 tokens"):
        make_client(refusing, tokenizer).answer(contexts(1)[0], max_tokens=8)

    assert len(tries) == 1
