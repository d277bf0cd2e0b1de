"""Dialogs for a base of someone else's: its own chat template writes them, and the masks come from it.

Comes in: messages and a folder with a tokenizer and a chat template (Llama, Qwen, Gemma, Mistral and their
kind). Goes out: token ids and masks, as `pretrain.dialog` gives them for our own form. The ids are those of
the template's own text, tokenised whole; only what looks like a special token in a content stays text.

An answer is found by prefix: the context as the template writes it with its beginning of an answer must be
how the context with the answer begins. The rest is what the template puts before the answer, the answer,
and what ends it, up to the first special token. Of what a template does to contents, white space that it
drops or adds is taken over; where it changes an answer's words, it is refused.

Where a template has no lasting place for a system message, it goes before the first user's words; where
it wants user and assistant by turns, messages that follow each other are joined. Both with a blank line
between.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tokenizers import Tokenizer

from pretrain.chat_template import ChatTemplate, Rendered, TemplateRefusal
from pretrain.dialog import EOM, EncodedTurn, MessageLike, ReadResponse, piece_text
from pretrain.run import ProgramError
from pretrain.sealed_tokenizer import SealedTokenizer

BLANK_LINE = "\n\n"

PROBE: Rendered = [{"role": "user", "content": "How are you?"}]
PROBE_ANSWER = "Well."
SECOND_PROBE = "And now?"
"""Words that no template would write by itself."""

TOOL_ROLES = ("tool", "ipython")
"""What templates call the role of a tool's answers, the commonest first."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer as the template writes it after a context, all of it shielded."""

    context: str
    """Up to and with the beginning of an answer."""
    before: str
    """What the template puts between that and the answer."""
    content: str
    ending: str
    """Up to and with the special token that ends the answer."""


class TemplateEncoder:
    """Encodes dialogs with one folder's tokenizer and chat template."""

    begin_of_text_id: int | None
    """None where the tokenizer has no such token."""

    def __init__(
        self, template: ChatTemplate, tokenizer: SealedTokenizer, stop_ids: Sequence[int] = ()
    ) -> None:
        """`stop_ids` are further tokens at which the model stops.

        Raises ProgramError where the template has no place for an answer that could be found again.
        """
        self._template = template
        self._tokenizer = tokenizer
        named = {name: tokenizer.special_ids.get(token) for name, token in template.named_tokens.items()}
        self._takes_system = self._keeps("system")
        self._takes_turns = self._only_turns()
        self._tool_role = next((role for role in TOOL_ROLES if self._keeps(role)), None)
        self._before, self._ending, self._after = self._form()
        ending_id = self._tokenizer.encode(self._ending).ids[-1]
        self.begin_of_text_id = named.get("bos_token")
        end_of_text_id = named.get("eos_token")
        self.end_of_text_id: int = ending_id if end_of_text_id is None else end_of_text_id
        pad_id = named.get("pad_token")
        self.pad_id: int = self.end_of_text_id if pad_id is None else pad_id
        self.stop_ids: tuple[int, ...] = tuple(dict.fromkeys([ending_id, self.end_of_text_id, *stop_ids]))

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Read the folder's tokenizer and chat template. Raises ProgramError where they cannot be used."""
        template = ChatTemplate.from_folder(folder)
        if template is None:
            raise ProgramError(f"There is no chat template in {folder}: give a folder that has one.")
        return cls(template, SealedTokenizer.from_folder(folder), generation_stop_ids(folder))

    @property
    def vocabulary_size(self) -> int:
        """How many ids there are, special tokens included."""
        return self._tokenizer.vocabulary_size

    def encode_context(self, messages: Sequence[MessageLike]) -> list[int]:
        """What a policy is asked to continue: the messages, then the template's beginning of an answer."""
        return self._tokenizer.encode(self._context(self._rows(messages))).ids

    def encode_dialog(self, messages: Sequence[MessageLike]) -> list[int]:
        """Every message whole, with no beginning of an answer to come."""
        return self.encode_dialogs([messages])[0]

    def encode_dialogs(self, dialogs: Sequence[Sequence[MessageLike]]) -> list[list[int]]:
        """`encode_dialog` of each dialog, in parallel."""
        rendered = [
            self._template.render(self._rows(dialog), add_generation_prompt=False) for dialog in dialogs
        ]
        return self._tokenizer.encode_batch(rendered)

    def encode_response(
        self,
        content: str,
        *,
        tool_call: bool = False,
        goes_on: bool = False,
        context: Sequence[MessageLike] = (),
    ) -> tuple[list[int], list[bool]]:
        """A response's ids after `context`, up to the token that ends it, and a mask of format tokens.

        Templates know one ending, so `goes_on` changes nothing. Raises ProgramError for a tool call, and
        where the answer is not to be found in what the template makes of it.
        """
        if tool_call:
            raise ProgramError(self._no_tool_calls())
        answer = self._answer(self._rows(context) or PROBE, content)
        return self._encode_answer(answer)

    def read_response(self, ids: Sequence[int]) -> ReadResponse:
        """What a policy generated. Its calls of tools are text here, unless they stand on special tokens."""
        special_ids = self._tokenizer.special_ids
        body = list(ids[:-1] if ids and ids[-1] in self.stop_ids else ids)
        before = self._tokenizer.encode(self._before).ids
        inner = body[len(before) :] if body[: len(before)] == before else body
        return ReadResponse(
            content=self.decode(ids),
            tool_call=False,
            well_formed=set(special_ids.values()).isdisjoint(inner)
            and special_ids.get(EOM) not in ids[len(body) :],
        )

    def encode_turn(
        self, messages: Sequence[MessageLike], context: Sequence[MessageLike] = ()
    ) -> EncodedTurn:
        """A response of several messages: the assistant's, with what tools answered between them.

        Raises ProgramError where `encode_response` does, and where the template rewrites earlier messages.
        """
        parts: list[tuple[Sequence[int], bool, bool]] = []
        said = ""
        for place, message in enumerate(messages):
            if message.role != "assistant":
                continue
            answer = self._answer(self._rows([*context, *messages[:place]]) or PROBE, message.content)
            if place:
                if not answer.context.startswith(said):
                    raise ProgramError(
                        f"the chat template of {self._template.origin} rewrites the earlier messages of a "
                        "turn: make each of its messages an example of its own."
                    )
                parts.append((self._continued(said, answer.context[len(said) :])[0], False, False))
            ids, is_format = self._encode_answer(answer)
            parts += [([token], True, form) for token, form in zip(ids, is_format, strict=True)]
            said = answer.context + answer.before + answer.content + answer.ending
        return EncodedTurn.joined(parts)

    def encode_documents(self, texts: Sequence[str]) -> list[list[int]]:
        """Plain texts, each from its beginning to the token that ends a text; in parallel."""
        begin = [] if self.begin_of_text_id is None else [self.begin_of_text_id]
        shielded = [self._tokenizer.shield(text) for text in texts]
        return [[*begin, *ids, self.end_of_text_id] for ids in self._tokenizer.encode_batch(shielded)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`, special tokens left out."""
        return self._tokenizer.decode(ids)

    def token_text(self, token_id: int) -> str:
        """What one token stands for, to show it: special tokens by name, parts of a character as they are."""
        piece = self._tokenizer.piece(token_id)
        return piece if piece in self._tokenizer.special_ids else piece_text(piece, self.decode([token_id]))

    def check(self, folder: Path) -> None:
        """Raise ProgramError unless harmless text gets the ids that the plain tokenizer gives it."""
        plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
        rendered = self._context([*PROBE, assistant(PROBE_ANSWER), user(SECOND_PROBE)])
        if self._tokenizer.encode(rendered).ids != plain.encode(rendered, add_special_tokens=False).ids:
            raise ProgramError(
                f"The tokenizer in {folder} treats special tokens in a way that is not known here: "
                "use another base model."
            )

    def _rows(self, messages: Sequence[MessageLike]) -> Rendered:
        """The messages as the template takes them, their contents shielded. Raises ProgramError."""
        rows: Rendered = []
        for message in messages:
            if message.role == "assistant" and message.tool_call:
                raise ProgramError(self._no_tool_calls())
            role = message.role
            if role == "ipython":
                if self._tool_role is None:
                    raise ProgramError(
                        f"the chat template of {self._template.origin} has no place for a tool's answer: "
                        "leave dialogs with tools out, or use another base model."
                    )
                role = self._tool_role
            rows.append({"role": role, "content": self._tokenizer.shield(message.content)})
        if rows and rows[0]["role"] == "system" and not self._takes_system:
            system, *rows = rows
            if not rows or rows[0]["role"] != "user":
                rows.insert(0, user(system["content"]))
            else:
                rows[0] = user(system["content"] + BLANK_LINE + rows[0]["content"])
        return joined(rows) if self._takes_turns else rows

    def _context(self, rows: Rendered) -> str:
        return self._template.render(rows, add_generation_prompt=True)

    def _answer(self, rows: Rendered, content: str) -> Answer:
        """An answer to a context. Raises ProgramError where it is not to be found."""
        context = self._context(rows)
        shielded = self._tokenizer.shield(content)
        whole = self._template.render([*rows, assistant(shielded)], add_generation_prompt=False)
        if not whole.startswith(context):
            raise ProgramError(
                f"the chat template of {self._template.origin} writes a context in another way once it is "
                "answered: change the template so that its generation prompt is how an answer begins."
            )
        written = whole[len(context) :]
        closing = self._ending + self._after
        if written.endswith(closing):
            said = written[: len(written) - len(closing)]
            for before in dict.fromkeys((self._before, "")):
                if said.startswith(before) and same_words(said[len(before) :], shielded, context):
                    return Answer(
                        context=context, before=before, content=said[len(before) :], ending=self._ending
                    )
        raise ProgramError(
            f"the chat template of {self._template.origin} changes what an answer says, so it cannot be "
            "told which tokens to learn: leave such answers out, or change the template."
        )

    def _encode_answer(self, answer: Answer) -> tuple[list[int], list[bool]]:
        """The answer's ids, and True where a token holds nothing of its content."""
        text = answer.before + answer.content + answer.ending
        ids, offsets = self._continued(answer.context, text)
        first = len(self._tokenizer.opened(answer.before))
        after = first + len(self._tokenizer.opened(answer.content))
        special = self._tokenizer.special_ids.values()
        return ids, [
            token in special or not touches(offset, first, after)
            for token, offset in zip(ids, offsets, strict=True)
        ]

    def _continued(self, context: str, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids of `text` after a context, and the characters of the opened text that each stands for.

        As in one piece with the context, unless a token would reach over the border: a policy continues
        the context's own tokens, so there the text is encoded by itself.
        """
        # A special token parts what stands before it from the rest.
        last = self._tokenizer.last_special(context)
        tail = context if last is None else context[last.start() :]
        asked = self._tokenizer.encode(tail)
        whole = self._tokenizer.encode(tail + text)
        if whole.ids[: len(asked.ids)] != asked.ids:
            tail = self._ending
            asked = self._tokenizer.encode(tail)
            whole = self._tokenizer.encode(tail + text)
        start = len(self._tokenizer.opened(tail))
        offsets = [(first - start, after - start) for first, after in whole.offsets[len(asked.ids) :]]
        return whole.ids[len(asked.ids) :], offsets

    def _keeps(self, role: str) -> bool:
        """Whether the template takes a message of this role and writes what it says.

        It must stay where it is once there is an answer: some templates move the system message along.
        """
        message = {"role": role, "content": SECOND_PROBE}
        rows = [message, *PROBE] if role == "system" else [*PROBE, assistant(PROBE_ANSWER), message]
        try:
            context = self._context(rows)
            answered = self._template.render([*rows, assistant(PROBE_ANSWER)], add_generation_prompt=False)
        except TemplateRefusal:
            return False
        return SECOND_PROBE in context and answered.startswith(context)

    def _only_turns(self) -> bool:
        """Whether the template refuses or loses messages of one role that follow each other."""
        try:
            rendered = self._context([*PROBE, user(SECOND_PROBE)])
        except TemplateRefusal:
            return True
        return not all(words in rendered for words in (PROBE[0]["content"], SECOND_PROBE))

    def _form(self) -> tuple[str, str, str]:
        """What the template puts before an answer, what ends it, and what comes after that.

        Raises ProgramError where there is no such form.
        """
        origin = self._template.origin
        context = self._context(PROBE)
        whole = self._template.render([*PROBE, assistant(PROBE_ANSWER)], add_generation_prompt=False)
        before, found, after = whole[len(context) :].partition(PROBE_ANSWER)
        if not whole.startswith(context) or not found:
            raise ProgramError(
                f"The chat template of {origin} does not begin an answer as it asks for one: "
                "change the template so that its generation prompt is how an answer begins."
            )
        if self._tokenizer.first_special(before) and context == self._template.render(
            PROBE, add_generation_prompt=False
        ):
            raise ProgramError(
                f"The chat template of {origin} does not ask for an answer: "
                "let it write the assistant's header where add_generation_prompt is true."
            )
        ending = self._tokenizer.first_special(after)
        if ending is None:
            raise ProgramError(
                f"The chat template of {origin} ends an answer with no special token of the tokenizer, so a "
                "model could not learn to stop: let it end every answer with one."
            )
        return before, after[: ending.end()], after[ending.end() :]

    def _no_tool_calls(self) -> str:
        return (
            f"the chat template of {self._template.origin} has a form of its own for tool calls: write the "
            "call into the content as the template has it, and leave tool_call out."
        )


def user(content: str) -> dict[str, str]:
    """A user's message."""
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, str]:
    """An assistant's message."""
    return {"role": "assistant", "content": content}


def joined(rows: Rendered) -> Rendered:
    """Messages of one role that follow each other as one."""
    found: Rendered = []
    for row in rows:
        if found and found[-1]["role"] == row["role"]:
            content = found[-1]["content"] + BLANK_LINE + row["content"]
            found[-1] = {"role": row["role"], "content": content}
        else:
            found.append(row)
    return found


def same_words(written: str, content: str, context: str) -> bool:
    """Whether what is written after a context is the content, but for white space.

    The context may hold its first words already: a generation prompt that opens a thought.
    """
    if written == content:
        return True
    found, wanted = "".join(written.split()), "".join(content.split())
    opening = wanted.removesuffix(found)
    return bool(found or not wanted) and "".join(context.split()).endswith(opening) and wanted.endswith(found)


def touches(offset: tuple[int, int], first: int, after: int) -> bool:
    """Whether a token's characters lie in [first, after), if only in part."""
    start, end = offset
    return start < after and max(end, start + 1) > first


def generation_stop_ids(folder: Path) -> list[int]:
    """Where the folder's generation_config.json stops an answer."""
    file = folder / "generation_config.json"
    if not file.is_file():
        return []
    found = json.loads(file.read_text(encoding="utf-8")).get("eos_token_id")
    return [int(token) for token in (found if isinstance(found, list) else [found]) if token is not None]
