"""The dialog protocol: how a list of messages becomes token ids, the same everywhere.

Comes in: messages (anything with `.role` and `.content`) and a tokenizer folder. Goes out: token ids.
Pretraining, the training programs and sampling all encode here, and CHAT_TEMPLATE gives a server of the
model the same ids. Stands on the `tokenizers` library alone: no torch, no transformers.

The form is Llama 3's: begin_of_text, then for each message a header with its role, two line feeds, the
content and a termination token. `<|eot_id|>` ends a turn; an assistant's message that a tool answers
(the next role is ipython) ends with `<|eom_id|>`, because its turn goes on.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, Self

from tokenizers import Tokenizer

from pretrain.run import ProgramError

BEGIN_OF_TEXT = "<|begin_of_text|>"
END_OF_TEXT = "<|end_of_text|>"
PAD = "<|finetune_right_pad_id|>"
START_HEADER = "<|start_header_id|>"
END_HEADER = "<|end_header_id|>"
EOM = "<|eom_id|>"
EOT = "<|eot_id|>"
PYTHON_TAG = "<|python_tag|>"

SPECIAL_TOKENS = (BEGIN_OF_TEXT, END_OF_TEXT, PAD, START_HEADER, END_HEADER, EOM, EOT, PYTHON_TAG)

# After `-%}` and before `{%-` all white space of the template is dropped, so only what is quoted counts.
CHAT_TEMPLATE = (
    "{{- '<|begin_of_text|>' }}"
    "{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] }}"
    "{%- if message['role'] == 'assistant' and loop.nextitem is defined"
    " and loop.nextitem['role'] == 'ipython' %}"
    "{{- '<|eom_id|>' }}"
    "{%- else %}"
    "{{- '<|eot_id|>' }}"
    "{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    "{%- endif %}"
)

ROLES = ("system", "user", "assistant", "ipython")

HEADER_SEPARATOR = "\n\n"


class MessageLike(Protocol):
    """What can be encoded: a role (system, user, assistant, ipython) and a content."""

    @property
    def role(self) -> str: ...

    @property
    def content(self) -> str: ...


class DialogEncoder:
    """Encodes dialogs with one tokenizer. Text that looks like a special token stays text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        missing = [token for token in SPECIAL_TOKENS if tokenizer.token_to_id(token) is None]
        if missing:
            raise ProgramError(
                f"The tokenizer lacks the dialog protocol's tokens {', '.join(missing)}: "
                "use a base model whose tokenizer has Llama 3.1's special tokens."
            )
        self._tokenizer = tokenizer
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.begin_of_text_id = self._id(BEGIN_OF_TEXT)
        self.end_of_text_id = self._id(END_OF_TEXT)
        self.pad_id = self._id(PAD)
        self.eom_id = self._id(EOM)
        self.eot_id = self._id(EOT)
        self.stop_ids = (self.eot_id, self.eom_id, self.end_of_text_id)
        self._start_header_id = self._id(START_HEADER)
        self._end_header_id = self._id(END_HEADER)
        self._separator_ids = self._encode(HEADER_SEPARATOR)
        self._headers = {role: self._header(role) for role in ROLES}

    @classmethod
    def from_folder(cls, path: Path) -> Self:
        """Read `tokenizer.json` of a tokenizer's or a checkpoint's folder.

        Raises ProgramError where there is none, or where it lacks the protocol's tokens.
        """
        file = Path(path) / "tokenizer.json"
        if not file.is_file():
            raise ProgramError(f"There is no tokenizer.json in {path}: give a Hugging Face model folder.")
        return cls(Tokenizer.from_file(str(file)))

    @property
    def vocabulary_size(self) -> int:
        """How many ids there are, special tokens included."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def encode_context(self, messages: Sequence[MessageLike]) -> list[int]:
        """What a policy is asked to continue: the messages, then the assistant's header."""
        return [*self.encode_dialog(messages), *self._headers["assistant"], *self._separator_ids]

    def encode_dialog(self, messages: Sequence[MessageLike]) -> list[int]:
        """begin_of_text and every message whole, with no header of an answer to come."""
        # Together, as in the template: a content that starts with line feeds joins the separator.
        contents = [self._encode(HEADER_SEPARATOR + message.content) for message in messages]
        return self._assemble(messages, contents)

    def encode_dialogs(self, dialogs: Sequence[Sequence[MessageLike]]) -> list[list[int]]:
        """`encode_dialog` of each dialog, in parallel."""
        texts = [HEADER_SEPARATOR + message.content for dialog in dialogs for message in dialog]
        contents = iter(self._encode_batch(texts))
        return [self._assemble(dialog, [next(contents) for _ in dialog]) for dialog in dialogs]

    def encode_response(self, content: str) -> tuple[list[int], list[bool]]:
        """A response's ids up to its `<|eot_id|>`, and a mask that is True on format tokens (the eot)."""
        ids = self._encode(content)
        return [*ids, self.eot_id], [False] * len(ids) + [True]

    def encode_documents(self, texts: Sequence[str]) -> list[list[int]]:
        """Plain texts for pretraining, each from begin_of_text to end_of_text; in parallel."""
        return [[self.begin_of_text_id, *ids, self.end_of_text_id] for ids in self._encode_batch(texts)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`, special tokens left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def _assemble(self, messages: Sequence[MessageLike], contents: Sequence[list[int]]) -> list[int]:
        """A dialog's ids from those of its contents, each with the separator before it."""
        ids = [self.begin_of_text_id]
        for place, (message, content) in enumerate(zip(messages, contents, strict=True)):
            answered_by_tool = (
                message.role == "assistant"
                and place + 1 < len(messages)
                and messages[place + 1].role == "ipython"
            )
            ids += self._headers.get(message.role) or self._header(message.role)
            ids += content
            ids.append(self.eom_id if answered_by_tool else self.eot_id)
        return ids

    def _header(self, role: str) -> list[int]:
        return [self._start_header_id, *self._encode(role), self._end_header_id]

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def _id(self, token: str) -> int:
        token_id = self._tokenizer.token_to_id(token)
        assert token_id is not None, token
        return int(token_id)
