"""`python -m alignment.sampling.label_documents run.json`: a judge labels documents for a fast classifier.

Comes in: shards of curation's documents, and where a judge answers: any OpenAI-compatible endpoint, a
deployed model's too. Goes out: labelled texts, in the order of the documents. Labels are written down one by
one, so that a killed program asks nothing twice; other requirements or kinds are other questions.
"""

import hashlib
import heapq
import json
from collections import Counter
from pathlib import Path

from alignment.programs import LabelDocumentsConfig
from alignment.quality.document_labels import (
    DocumentLabel,
    kind_form,
    kind_from,
    kinds_question,
    meets_form,
    meets_from,
    requirements_question,
)
from alignment.quality.judging import UnusableReply
from alignment.sampling.asking import ask_all
from alignment.sampling.chat_endpoint import ChatEndpoint
from pretrain.curation.documents import Document, read_shard, shard_paths
from pretrain.curation.kinds import place_in_draw
from pretrain.run import ProgramError, RunFolder, program_main, write_atomically


def run(config: LabelDocumentsConfig, folder: RunFolder) -> None:
    """The program. Raises ProgramError where the judge does not answer, or with nothing that can be used."""
    texts = drawn_texts(config, folder)
    found = labels_of(config, texts, folder)
    if not found:
        raise ProgramError(
            f"The judge gave none of {len(texts)} documents a label: ask a better one, or simpler questions."
        )
    rows = [row_of(text, found[name]) for name, text in texts.items() if name in found]
    config.out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(config.out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    counts = Counter(str(row.get("kind", row.get("label"))).lower() for row in rows)
    folder.finish(
        {
            "num_documents": len(texts),
            "num_labelled": len(rows),
            "num_unusable": len(texts) - len(rows),
            "labels": dict(sorted(counts.items())),
        }
    )


def drawn_texts(config: LabelDocumentsConfig, folder: RunFolder) -> dict[str, str]:
    """The texts of the drawn documents by the name of the question, in the order of the shards."""
    asked = hashlib.sha256(json.dumps([config.requirements, sorted(config.kinds.items())]).encode())
    drawn: list[tuple[float, int, str, str]] = []
    place = 0
    shards = shard_paths(config.documents)
    for number, shard in enumerate(shards):
        folder.progress(number, len(shards), "shards read")
        for document in read_shard(shard):
            place += 1
            entry = (-place_in_draw(document, config.seed), place, *question_of(document, config, asked))
            if len(drawn) < config.num_documents:
                heapq.heappush(drawn, entry)
            else:
                heapq.heappushpop(drawn, entry)
    return {name: text for _, _, name, text in sorted(drawn, key=lambda entry: entry[1])}


def question_of(document: Document, config: LabelDocumentsConfig, asked: "hashlib._Hash") -> tuple[str, str]:
    """(name, text) of a document: the name changes with the text and with what is asked."""
    text = document.text[: config.max_characters]
    own = asked.copy()
    own.update(text.encode("utf-8", "surrogatepass"))
    return f"{document.source}:{document.offset}:{own.hexdigest()[:16]}", text


def labels_of(
    config: LabelDocumentsConfig, texts: dict[str, str], folder: RunFolder
) -> dict[str, DocumentLabel]:
    """What the judge says of each text."""
    otherwise = "start the program again: what was labelled is kept."
    with ChatEndpoint(config.judge, otherwise=otherwise) as endpoint:

        def ask(question: tuple[str, str]) -> DocumentLabel | None:
            name, text = question
            try:
                if config.kinds:
                    reply = endpoint.reply(kinds_question(text, config.kinds), kind_form(config.kinds))
                    return kind_from(name, config.kinds, reply)
                reply = endpoint.reply(requirements_question(text, config.requirements), meets_form())
                return meets_from(name, reply)
            except UnusableReply:
                return None

        return ask_all(
            {name: (name, text) for name, text in texts.items()},
            ask,
            DocumentLabel,
            Path(config.judged),
            num_at_once=config.judge.num_at_once,
            on_progress=lambda done: folder.progress(done, len(texts), "documents"),
        )


def row_of(text: str, label: DocumentLabel) -> dict[str, str | bool | None]:
    """A line for the program that trains the classifier."""
    return {"text": text, "kind": label.kind} if label.kind else {"text": text, "label": label.meets}


if __name__ == "__main__":
    program_main(LabelDocumentsConfig, run)
