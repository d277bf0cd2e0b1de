"""Masking what comes into a project that masks: prompts, preference records, a dialog's next message.

Each function gives back what is to be stored; nothing else of the original is kept, not even in an id.
"""

from collections import Counter
from collections.abc import Sequence

from annotation.importing.prompts import ImportedPrompt, prompt_id
from annotation.models import Project
from annotation.privacy import Kind, Masker, find, mask_messages
from annotation.records import Message, PreferenceRecord

KIND_NAMES = {
    Kind.CREDENTIAL: "keys and passwords",
    Kind.IBAN: "bank accounts",
    Kind.CN_ID: "Chinese identity numbers",
    Kind.CARD: "payment cards",
    Kind.EMAIL: "e-mail addresses",
    Kind.US_SSN: "US social security numbers",
    Kind.IP: "IP addresses",
    Kind.PHONE: "telephone numbers",
}
"""What the kinds are called in reports."""


def prompt_masked(prompt: ImportedPrompt, counts: Counter[Kind]) -> ImportedPrompt:
    """The prompt with placeholders; `counts` grows by what was masked.

    An id that was made of the content is made anew, and one that is personal data itself is replaced: a
    hash of little text can be guessed.
    """
    masker = Masker()
    context = mask_messages(prompt.context, masker)
    counts.update(masker.counts)
    made = prompt.id == prompt_id(prompt.context)
    return prompt.model_copy(
        update={"context": context, "id": prompt_id(context) if made or find(prompt.id) else prompt.id}
    )


def record_masked(record: PreferenceRecord, counts: Counter[Kind]) -> PreferenceRecord:
    """The record with placeholders; `counts` grows by what was masked.

    The two answers are masked in an order that says nothing about who won, so that several people's
    judgements of one pair still meet in one comparison.
    """
    masker = Masker()
    context = mask_messages(record.context, masker)
    contents = {text: masker.mask(text) for text in sorted(each.content for each in record.responses[-2:])}
    responses = tuple(
        response.model_copy(
            update={"content": contents.get(response.content) or masker.mask(response.content)}
        )
        for response in record.responses
    )
    counts.update(masker.counts)
    return record.model_copy(update={"context": context, "responses": responses})


def message_masked(project: Project, earlier: Sequence[Message], content: str) -> str:
    """A person's next message after `earlier`, with placeholders where the project masks."""
    if not project.mask_personal_data:
        return content
    return Masker(after=[message.content for message in earlier]).mask(content)


def counted(counts: Counter[Kind]) -> list[tuple[str, int]]:
    """What was masked, in words, most first."""
    return [(KIND_NAMES[kind], number) for kind, number in counts.most_common()]
