"""Which judgements train, by hand-made records."""

from alignment.recipe import SnapshotRecipe
from alignment.selection import is_holdout, select, similarity
from annotation.records import Message, PreferenceRecord, RankedResponse, Strength


def record(
    *answers: str, prompt: str = "What is the capital?", strength: Strength = Strength.BETTER, key: str = "1"
) -> PreferenceRecord:
    """A record whose responses are `answers`, best first."""
    origins = ("edited", "chosen", "rejected") if len(answers) == 3 else ("chosen", "rejected")
    return PreferenceRecord(
        id=key,
        domain="general",
        language="en",
        round=1,
        context=(Message(role="user", content=prompt),),
        responses=tuple(
            RankedResponse.model_validate({"content": answer, "model": "m", "origin": origin})
            for answer, origin in zip(answers, origins, strict=True)
        ),
        strength=strength,
        annotator="a",
        created="2026-01-01T00:00:00Z",
    )


def prompts_by_side(fraction: float) -> tuple[str, str]:
    """A prompt that trains and one that is held out."""
    prompts = [f"prompt {index}" for index in range(100)]
    held = next(prompt for prompt in prompts if is_holdout(record("a", "b", prompt=prompt), fraction))
    kept = next(prompt for prompt in prompts if not is_holdout(record("a", "b", prompt=prompt), fraction))
    return kept, held


def test_only_the_two_strongest_grades_train() -> None:
    kept, _ = prompts_by_side(0.1)
    records = [record("yes", "no", prompt=kept, strength=strength) for strength in Strength]
    selection = select(records, SnapshotRecipe())
    assert [each.strength for each in selection.train] == [Strength.SIGNIFICANTLY_BETTER, Strength.BETTER]
    assert selection.dropped == {"weak preference": 2}


def test_the_holdout_keeps_every_strength() -> None:
    _, held = prompts_by_side(0.1)
    selection = select(
        [record("yes", "no", prompt=held, strength=each) for each in Strength], SnapshotRecipe()
    )
    assert len(selection.holdout) == 4
    assert not selection.train


def test_a_pair_of_similar_responses_is_dropped() -> None:
    kept, _ = prompts_by_side(0.1)
    long = "one two three four five six seven eight nine ten eleven twelve"
    assert similarity(long, long.replace("twelve", "dozen")) > 0.9
    selection = select([record(long, long.replace("twelve", "dozen"), prompt=kept)], SnapshotRecipe())
    assert selection.dropped == {"similar responses": 1}


def test_an_edit_that_changed_little_still_stands_against_the_rejected_response() -> None:
    kept, _ = prompts_by_side(0.1)
    long = "one two three four five six seven eight nine ten eleven twelve"
    selection = select(
        [record(long, long.replace("twelve", "dozen"), "nothing alike", prompt=kept)], SnapshotRecipe()
    )
    assert [response.content for response in selection.train[0].responses] == [long, "nothing alike"]


def test_all_turns_of_a_dialog_fall_on_the_same_side() -> None:
    first = record("a", "b", prompt="hello")
    later = first.model_copy(
        update={
            "context": (
                *first.context,
                Message(role="assistant", content="hi"),
                Message(role="user", content="and now?"),
            )
        }
    )
    for fraction in (0.05, 0.1, 0.2, 0.3, 0.4):
        assert is_holdout(first, fraction) == is_holdout(later, fraction)


def test_the_holdout_has_about_its_fraction_of_the_prompts() -> None:
    held = sum(is_holdout(record("a", "b", prompt=f"prompt {index}"), 0.1) for index in range(5000))
    assert 430 < held < 570
