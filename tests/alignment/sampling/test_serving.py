"""A real model server: the client's answers, weights moved into it while it runs, and what stops that."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from alignment.programs import SamplingConfig, ServeConfig
from alignment.sampling.engine import PolicyEngine
from alignment.sampling.serve import run
from alignment.serving import CanaryError, server_ready, server_swap
from annotation.records import Message
from pretrain.encoders import encoder_for
from pretrain.run import ProgramError, RunFolder
from registry.client import ChatClient, ModelAway
from tests.alignment.sampling.conftest import ENGINE, Models
from tests.alignment.sampling.factories import make_prompts
from tests.alignment.sampling.model_servers import model_server

GREEDY = SamplingConfig(temperature=0.0, max_tokens=12)
CONTEXTS = [prompt.context for prompt in make_prompts(8)]


@pytest.fixture(scope="module")
def server(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a server that holds `models.policy` at first."""
    with model_server(models.policy, tmp_path_factory.mktemp("server")) as base_url:
        yield base_url


@pytest.fixture(scope="module")
def expected(models: Models) -> dict[Path, list[str]]:
    """Each policy's greedy answers to CONTEXTS, from an engine of our own."""
    engine = PolicyEngine(models.policy, ENGINE)
    found = {}
    for folder in (models.policy, models.other):
        engine.swap_weights(folder)
        prompts = [engine.encode(context) for context in CONTEXTS]
        answers = engine.answer(prompts, [0] * len(prompts), GREEDY, n=1)
        found[folder] = [answer.content for (answer,) in answers]
    engine.close()
    return found


def greedy_answers(client: ChatClient) -> list[str]:
    return [answer.content for (answer,) in client.complete(CONTEXTS, temperature=0.0, max_tokens=12)]


@pytest.mark.vllm
@pytest.mark.filterwarnings("ignore::FutureWarning:vllm")
def test_weights_move_into_a_running_server_or_it_answers_nobody(
    server: str, expected: dict[Path, list[str]], models: Models, tmp_path: Path
) -> None:
    client = ChatClient(server, "policy", models.policy, sleep=lambda seconds: None)
    assert greedy_answers(client) == expected[models.policy]

    server_swap(server, models.other)

    assert greedy_answers(client) == expected[models.other] != expected[models.policy]
    check_sampling(client)

    wrong = tmp_path / "wrong"
    shutil.copytree(models.policy, wrong)
    shutil.copy(models.other / "canary.json", wrong)
    with pytest.raises(CanaryError, match="log-probabilities are"):
        server_swap(server, wrong)

    with pytest.raises(ModelAway, match="status 503"):
        greedy_answers(client)
    assert server_ready(server)

    server_swap(server, models.policy)

    assert greedy_answers(client) == expected[models.policy]


@pytest.mark.vllm
@pytest.mark.filterwarnings("ignore::FutureWarning:vllm")
def test_the_server_reads_a_dialog_as_the_client_encodes_it(server: str, models: Models) -> None:
    encoder = encoder_for(models.policy)
    dialogs = [list(context) for context in CONTEXTS]
    dialogs += [
        [
            Message(role="system", content="Be brief.\n"),
            Message(role="user", content="\n\n naïve 🙂 {{ x }}"),
            Message(role="assistant", content="One."),
            Message(role="assistant", content="Two."),
            Message(role="user", content="And?"),
        ]
    ]
    for dialog in dialogs:
        asked = {"model": "policy", "messages": [message.model_dump() for message in dialog]}
        tokenized = httpx.post(f"{server}/tokenize", json=asked).json()
        assert tokenized["tokens"] == encoder.encode_context(dialog)
        more = {"max_tokens": 4, "temperature": 0.0, "return_token_ids": True}
        answered = httpx.post(f"{server}/v1/chat/completions", json=asked | more).json()
        assert answered["prompt_token_ids"] == encoder.encode_context(dialog)


def check_sampling(client: ChatClient) -> None:
    """Several answers each, repeated by the same seed, different without one."""
    first, again = (client.complete(CONTEXTS, n=3, max_tokens=12, seed=5) for _ in range(2))
    assert [[answer.content for answer in drawn] for drawn in first] == [
        [answer.content for answer in drawn] for drawn in again
    ]
    assert len({answer.content for drawn in first for answer in drawn}) > 8
    unseeded, other = (client.complete(CONTEXTS, n=3, max_tokens=12) for _ in range(2))
    assert [answer.content for answer in unseeded[0]] != [answer.content for answer in other[0]]
    assert all(1 <= answer.num_tokens <= 12 and answer.seconds > 0 for drawn in other for answer in drawn)


def test_a_server_that_is_not_there_is_not_ready_and_takes_no_weights(models: Models) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{probe.getsockname()[1]}"

    assert not server_ready(base_url)
    with pytest.raises(CanaryError, match="broke off"):
        server_swap(base_url, models.other)


def test_weights_without_a_canary_are_not_moved(models: Models, tmp_path: Path) -> None:
    folder = tmp_path / "imported"
    shutil.copytree(models.policy, folder)
    (folder / "canary.json").unlink()

    with pytest.raises(CanaryError, match=r"no canary\.json"):
        server_swap("http://127.0.0.1:9", folder)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "models.example"])
def test_a_server_that_others_could_reach_is_refused(host: str, models: Models, tmp_path: Path) -> None:
    config = ServeConfig(checkpoint=models.policy, served_name="policy", host=host, port=8000)

    with pytest.raises(ProgramError, match=r"use 127\.0\.0\.1"):
        run(config, RunFolder(tmp_path))
