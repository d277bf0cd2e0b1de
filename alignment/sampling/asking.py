"""Asks many questions side by side and writes every answer down at once, so that nothing is asked twice.

Comes in: questions by id, a function that answers one. Goes out: the answers by id, appended to a JSONL file
one by one. A program that was killed finds them there and asks only the rest.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from alignment.pairwise import Verdict
from alignment.quality.document_labels import DocumentLabel
from alignment.quality.judging import Grade, Judgement
from annotation.records import write_records

QuestionT = TypeVar("QuestionT")
# Every answer has the `id` of its question.
AnswerT = TypeVar("AnswerT", Judgement, Verdict, Grade, DocumentLabel)


def ask_all(
    questions: Mapping[str, QuestionT],
    ask: Callable[[QuestionT], AnswerT | None],
    answer_type: type[AnswerT],
    out: Path,
    *,
    num_at_once: int,
    on_progress: Callable[[int], None] = lambda done: None,
) -> dict[str, AnswerT]:
    """The answers by id; those for which `ask` gave none are not in it. Raises what `ask` raises.

    Answers to these questions that lie in `out` are not asked for again.
    """
    found = read_answers(out, answer_type, questions)
    done = len(found)
    on_progress(done)
    with ThreadPoolExecutor(num_at_once) as pool, out.open("a", encoding="utf-8") as lines:
        asked = [pool.submit(ask, question) for name, question in questions.items() if name not in found]
        try:
            for each in as_completed(asked):
                answer = each.result()
                if answer is not None:
                    found[answer.id] = answer
                    lines.write(answer.model_dump_json() + "\n")
                    lines.flush()
                done += 1
                on_progress(done)
        finally:
            pool.shutdown(cancel_futures=True)
    return found


def read_answers(
    path: Path, answer_type: type[AnswerT], questions: Mapping[str, object]
) -> dict[str, AnswerT]:
    """What an earlier run left for these questions; a line that a kill cut off is removed from the file."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return {}
    found: dict[str, AnswerT] = {}
    for line in path.read_bytes().splitlines():
        try:
            answer = answer_type.model_validate_json(line)
        except ValidationError:
            continue
        if answer.id in questions:
            found[answer.id] = answer
    write_records(path, found.values())
    return found
