"""A judge that scores SFT examples: questions out, scores back.

Comes in: examples and where the judge answers. Goes out: Judgements, appended to a file one by one, so that a
killed program asks nothing twice. A reply that cannot be used leaves its example unjudged; an endpoint that
does not answer ends the program.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from alignment.programs import JudgeConfig
from alignment.quality.judging import (
    Judgement,
    UnusableReply,
    difficulty_form,
    difficulty_question,
    judgement_from,
    points_form,
    quality_question,
    scale_for,
)
from alignment.records import SftExample
from alignment.sampling.asking import ask_all
from alignment.sampling.chat_endpoint import OTHERWISE, ChatEndpoint


def judge_all(
    config: JudgeConfig,
    examples: Sequence[SftExample],
    domains: Mapping[str, str],
    out: Path,
    *,
    on_progress: Callable[[int], None] = lambda done: None,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Judgement]:
    """What the judge says of each example, by id; those without a usable reply are not in it.

    `domains`, by id, decide the scale. Judgements of these examples that lie in `out` are not asked again.
    Raises ProgramError where the judge does not answer.
    """
    with ChatEndpoint(config, otherwise=f"{OTHERWISE} quality.judge left out.", sleep=sleep) as endpoint:

        def ask(example: SftExample) -> Judgement | None:
            scale = scale_for(domains.get(example.id, ""), config.code_domains)
            quality = endpoint.reply(quality_question(example, scale), points_form(scale))
            difficulty = endpoint.reply(difficulty_question(example), difficulty_form())
            try:
                return judgement_from(example, scale, quality, difficulty)
            except UnusableReply:
                return None

        return ask_all(
            {example.id: example for example in examples},
            ask,
            Judgement,
            out,
            num_at_once=config.num_at_once,
            on_progress=on_progress,
        )
