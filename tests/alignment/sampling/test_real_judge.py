"""A judge that is a real model server: a model that knows nothing of grades gives some all the same."""

from pathlib import Path

import pytest

from alignment.programs import JudgeConfig
from alignment.sampling.judge import judge_all
from pretrain.run import ProgramError
from tests.alignment.quality.factories import make_example
from tests.alignment.sampling.factories import make_tokenizer
from tests.alignment.sampling.model_factories import make_policy
from tests.alignment.sampling.model_servers import model_server

LENGTH = 4096


@pytest.mark.vllm
@pytest.mark.filterwarnings("ignore::FutureWarning:vllm")
def test_a_real_server_is_held_to_the_form_and_refuses_what_is_too_long(tmp_path: Path) -> None:
    tokenizer = make_tokenizer(tmp_path / "tokenizer")
    judge = make_policy(tmp_path / "judge", tokenizer, seed=6, max_position_embeddings=LENGTH)
    examples = [make_example(str(number), f"Answer {number}") for number in range(4)]
    too_long = make_example("too long", "Words without end. " * LENGTH)
    with model_server(judge, tmp_path / "server") as url:
        config = JudgeConfig(url=f"{url}/v1", model="policy", num_at_once=2)
        found = judge_all(config, [*examples, too_long], {}, tmp_path / "judged.jsonl")
        assert set(found) == {example.id for example in examples}
        for judgement in found.values():
            assert set(judgement.points) == {"accuracy", "instruction_following", "tone"}
            assert all(1 <= points <= 3 for points in judgement.points.values())

        unknown = config.model_copy(update={"model": "nobody"})
        with pytest.raises(ProgramError, match=r"The judge nobody at .* does not answer \(status 404"):
            judge_all(unknown, examples, {}, tmp_path / "unknown.jsonl")
