"""Topic classes of prompts: a linear head on the base's hidden states, trained on labelled prompts.

Comes in: a checkpoint folder, labelled prompts, contexts to classify. Goes out: a coarse and a fine topic of
each, and how often the head is right on labelled prompts that it was not trained on. Source: The Llama 3 Herd
of Models, section 4.2.3, "Topic classification", which finetunes a whole model; a head on frozen states needs
hundreds of labels in place of many thousands.

Legend: N prompts, D width, C classes.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional

from alignment.accuracy import wilson_interval
from alignment.records import LabelledPrompt, Topic
from alignment.sampling.embedding import dialog_embeddings
from annotation.records import Message, read_records
from pretrain.run import ProgramError

HELD_OUT = 5
"""One of so many labelled prompts measures the head and does not train it."""
WEIGHT_DECAY = 1e-2
"""On the head's weights over standardised states: with few labels any smaller one only remembers them."""
MAX_ITERATIONS = 200


@dataclass(frozen=True, kw_only=True)
class Head:
    """A linear classifier of embeddings."""

    classes: tuple[str, ...]
    mean_D: Tensor
    deviation_D: Tensor
    weight_CD: Tensor
    bias_C: Tensor

    def classify(self, embeddings_ND: Tensor) -> list[str]:
        """The likeliest class of each."""
        states_ND = (embeddings_ND.double() - self.mean_D) / self.deviation_D
        places = functional.linear(states_ND, self.weight_CD, self.bias_C).argmax(1)
        return [self.classes[place] for place in places.tolist()]


def train_head(embeddings_ND: Tensor, labels: Sequence[str]) -> Head:
    """The head with the least cross-entropy and weight decay: one optimum, found from zero in fp64."""
    classes = tuple(sorted(set(labels)))
    target_N = torch.tensor([classes.index(label) for label in labels])
    states_ND = embeddings_ND.double()
    mean_D = states_ND.mean(0)
    deviation_D = states_ND.std(0, correction=0).clamp(min=1e-6)
    states_ND = (states_ND - mean_D) / deviation_D
    weight_CD = torch.zeros(len(classes), states_ND.shape[1], dtype=torch.float64, requires_grad=True)
    bias_C = torch.zeros(len(classes), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight_CD, bias_C], max_iter=MAX_ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits_NC = functional.linear(states_ND, weight_CD, bias_C)
        loss = functional.cross_entropy(logits_NC, target_N) + WEIGHT_DECAY / 2 * weight_CD.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return Head(
        classes=classes,
        mean_D=mean_D,
        deviation_D=deviation_D,
        weight_CD=weight_CD.detach(),
        bias_C=bias_C.detach(),
    )


def classify_topics(
    folder: Path,
    labels: Path,
    contexts: dict[str, Sequence[Message]],
    *,
    max_tokens: int,
    num_threads: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[Topic], dict[str, Any]]:  # Any: figures, written as JSON
    """The topic of each context, by id, and the figures of the result.

    `on_progress` hears how many prompts of how many are read, labelled ones among them. Raises ProgramError
    for labels that cannot be learned from.
    """
    known = read_labels(labels)
    dialogs = [*(each.context for each in known), *contexts.values()]
    embeddings = dialog_embeddings(
        folder,
        dialogs,
        max_tokens=max_tokens,
        num_threads=num_threads,
        on_progress=lambda done: on_progress(done, len(dialogs)),
    )
    known_ND, asked_ND = embeddings[: len(known)], embeddings[len(known) :]
    coarse = [each.coarse for each in known]
    fine = [f"{each.coarse}: {each.fine}" for each in known]
    found = [
        Topic(id=name, coarse=topic.partition(": ")[0], fine=topic.partition(": ")[2])
        for name, topic in zip(contexts, train_head(known_ND, fine).classify(asked_ND), strict=True)
    ]
    held = [is_held_out(each) for each in known]
    figures = {
        "num_labelled": len(known),
        "coarse": held_out_accuracy(known_ND, coarse, held),
        "fine": held_out_accuracy(known_ND, fine, held),
        "counts": topic_counts(found),
    }
    return found, figures


def read_labels(path: Path) -> list[LabelledPrompt]:
    """The labelled prompts. Raises ProgramError where there are too few to learn from."""
    try:
        known = list(read_records(path, LabelledPrompt))
    except FileNotFoundError as error:
        raise ProgramError(
            f"There are no labelled prompts at {path}: let quality.topics.labels name a JSONL file."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ProgramError(
            f"{path} holds a line that is no labelled prompt: {where}: {first['msg']}."
        ) from error
    if len({each.coarse for each in known}) < 2:
        raise ProgramError(f"{path} has fewer than two coarse topics: label prompts of several.")
    if all(is_held_out(each) for each in known):
        raise ProgramError(f"{path} has too few labelled prompts: label some dozens.")
    return known


def is_held_out(prompt: LabelledPrompt) -> bool:
    """Whether the prompt measures the head: decided by what it says alone."""
    said = "\0".join(message.content for message in prompt.context)
    return hashlib.sha256(said.encode()).digest()[0] % HELD_OUT == 0


def held_out_accuracy(
    embeddings_ND: Tensor, labels: Sequence[str], held: Sequence[bool]
) -> dict[str, float] | None:
    """How often a head trained on the rest is right on what is held out; None where nothing is."""
    places = [place for place, out in enumerate(held) if out]
    rest = [place for place, out in enumerate(held) if not out]
    if not places:
        return None
    head = train_head(embeddings_ND[rest], [labels[place] for place in rest])
    told = head.classify(embeddings_ND[places])
    num_right = sum(label == labels[place] for label, place in zip(told, places, strict=True))
    low, high = wilson_interval(num_right, len(places))
    return {"accuracy": num_right / len(places), "low": low, "high": high, "num_prompts": len(places)}


def topic_counts(topics: Sequence[Topic]) -> list[dict[str, Any]]:  # Any: JSON
    """How many examples each coarse topic has, and of each its fine ones, the most frequent first."""
    coarse = Counter(topic.coarse for topic in topics)
    fine = Counter((topic.coarse, topic.fine) for topic in topics)
    return [
        {
            "name": name,
            "number": number,
            "fine": {part: count for (whole, part), count in fine.most_common() if whole == name},
        }
        for name, number in coarse.most_common()
    ]
