"""The dialog protocol: how a list of messages becomes token ids, the same everywhere.

Comes in: messages (anything with `.role`, `.content` and `.tool_call`) and a tokenizer folder. Goes out:
token ids and masks. Pretraining, the training programs and sampling all encode here, and CHAT_TEMPLATE
gives a server of the model the same ids. Stands on the `tokenizers` library alone: no torch, no transformers.

The form is Llama 3's: begin_of_text, then for each message a header with its role, two line feeds, the
content and a termination token. `<|eot_id|>` ends a turn. An assistant's message whose turn goes on ends
with `<|eom_id|>`: one that calls a tool, and one that a tool (ipython) or the assistant itself follows. A
message that says it is a tool call begins with `<|python_tag|>`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{%- set calls_tool = message['role'] == 'assistant' and message['tool_call'] %}"
    "{%- if calls_tool %}"
    "{{- '<|python_tag|>' }}"
    "{%- endif %}"
    "{{- message['content'] }}"
    "{%- if loop.nextitem is defined %}"
    "{%- set goes_on = loop.nextitem['role'] in ['assistant', 'ipython'] %}"
    "{%- else %}"
    "{%- set goes_on = add_generation_prompt %}"
    "{%- endif %}"
    "{%- if message['role'] == 'assistant' and (calls_tool or goes_on) %}"
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

    @property
    def tool_call(self) -> bool:
        """Whether the content, the assistant's, is for a tool to run and not for the user to read."""


@dataclass(frozen=True, kw_only=True)
class EncodedTurn:
    """An answer of one or several messages, from after the assistant's header to what ends the turn."""

    ids: list[int]
    learned: list[bool]
    """False on what the policy reads within its own turn: headers, and what tools answered."""
    is_format: list[bool]
    """True where a token is of the dialog's form and not of what a message says."""

    @classmethod
    def joined(cls, parts: Iterable[tuple[Sequence[int], bool, bool]]) -> Self:
        """From runs of (ids, learned, is_format)."""
        ids: list[int] = []
        learned: list[bool] = []
        is_format: list[bool] = []
        for run, run_learned, run_is_format in parts:
            ids += run
            learned += [run_learned] * len(run)
            is_format += [run_is_format] * len(run)
        return cls(ids=ids, learned=learned, is_format=is_format)


@dataclass(frozen=True, kw_only=True)
class ReadResponse:
    """A generated response, read back from its ids."""

    content: str
    tool_call: bool
    well_formed: bool
    """Whether its special tokens stand where `encode_response` puts them; a missing ending is no harm."""


def is_tool_call(message: MessageLike) -> bool:
    """Whether a message is the assistant's call of a tool; nobody else calls one."""
    return message.role == "assistant" and message.tool_call


def piece_text(piece: str, decoded: str) -> str:
    """The text to show for a token that is no special one, from its piece and what it decodes to alone."""
    if "▁" in piece:
        # Sentencepiece's space, which a decoder drops at the beginning.
        return piece.replace("▁", " ")
    if decoded and "\ufffd" not in decoded:
        return decoded
    if all(letter in BYTE_LETTERS for letter in piece):
        return "".join(f"<0x{BYTE_LETTERS[letter]:02X}>" for letter in piece)
    return piece


def byte_letters() -> dict[str, int]:
    """The byte of each letter of byte-level tokenizers: itself, or for some a letter from 256 on."""
    itself = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in itself]
    letters = {chr(byte): byte for byte in itself}
    return letters | {chr(256 + place): byte for place, byte in enumerate(others)}


BYTE_LETTERS = byte_letters()


class DialogEncoder:
    """Encodes dialogs with one tokenizer. Text that looks like a special token stays text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        missing = [token for token in SPECIAL_TOKENS if tokenizer.token_to_id(token) is None]
        if missing:
            raise ProgramError(
                f"The tokenizer lacks the dialog protocol's tokens {', '.join(missing)}: "
                "use a base model whose tokenizer has Llama 3.1's special tokens, or whose folder has a chat "
                "template of its own."
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
        self._python_tag_id = self._id(PYTHON_TAG)
        self._start_header_id = self._id(START_HEADER)
        self._end_header_id = self._id(END_HEADER)
        self._separator_ids = self._encode(HEADER_SEPARATOR)
        self._headers = {role: self._header(role) for role in ROLES}
        self._special_ids = {
            token_id
            for token_id, token in self._tokenizer.get_added_tokens_decoder().items()
            if token.special
        }

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
        ids = self._assemble(messages, [self._content(message) for message in messages], "assistant")
        return [*ids, *self._headers["assistant"], *self._separator_ids]

    def encode_dialog(self, messages: Sequence[MessageLike]) -> list[int]:
        """begin_of_text and every message whole, with no header of an answer to come."""
        return self._assemble(messages, [self._content(message) for message in messages], None)

    def encode_dialogs(self, dialogs: Sequence[Sequence[MessageLike]]) -> list[list[int]]:
        """`encode_dialog` of each dialog, in parallel."""
        texts = [self._text(message) for dialog in dialogs for message in dialog]
        encoded = iter(self._encode_batch(texts))
        return [
            self._assemble(dialog, [self._content(message, next(encoded)) for message in dialog], None)
            for dialog in dialogs
        ]

    def encode_response(
        self,
        content: str,
        *,
        tool_call: bool = False,
        goes_on: bool = False,
        context: Sequence[MessageLike] = (),
    ) -> tuple[list[int], list[bool]]:
        """A response's ids up to the token that ends it, and a mask that is True on format tokens.

        They are the same after every context. An answer ends with `<|eot_id|>`, the one format token; with
        `<|eom_id|>` where its turn goes on, as after a tool call. A tool call's tag is no form: whether to
        call a tool is the policy's to learn.
        """
        ids = [*([self._python_tag_id] if tool_call else []), *self._encode(content)]
        ending = self.eom_id if tool_call or goes_on else self.eot_id
        return [*ids, ending], [False] * len(ids) + [True]

    def read_response(self, ids: Sequence[int]) -> ReadResponse:
        """What a policy generated, up to and with the token at which it stopped.

        A tool call begins with its tag and ends with `<|eom_id|>`, any other answer with `<|eot_id|>`, or
        with the end of a text where the model knows nothing of turns yet.
        """
        body = ids[:-1] if ids and ids[-1] in self.stop_ids else ids
        tool_call = bool(body) and body[0] == self._python_tag_id
        endings = (self.eom_id,) if tool_call else (self.eot_id, self.end_of_text_id)
        return ReadResponse(
            content=self.decode(ids),
            tool_call=tool_call,
            well_formed=self._special_ids.isdisjoint(body[tool_call:])
            and all(ending in endings for ending in ids[len(body) :]),
        )

    def encode_turn(
        self, messages: Sequence[MessageLike], context: Sequence[MessageLike] = ()
    ) -> EncodedTurn:
        """A response of several messages: the assistant's, with what tools answered between them.

        Raises ProgramError unless it begins and ends with the assistant.
        """
        if not messages or messages[0].role != "assistant" or messages[-1].role != "assistant":
            raise ProgramError(
                "a response begins and ends with a message of the assistant: move the messages before "
                "it into the context and leave out those after it."
            )
        parts: list[tuple[Sequence[int], bool, bool]] = []
        for place, message in enumerate(messages):
            goes_on = place + 1 < len(messages)
            if place:
                parts.append((self._header_of(message.role), False, True))
            if message.role != "assistant":
                parts += [(self._content(message), False, False), ([self.eot_id], False, True)]
                continue
            if place:
                parts.append((self._separator_ids, False, True))
            ids, _ = self.encode_response(message.content, tool_call=message.tool_call, goes_on=goes_on)
            parts += [(ids[:-1], True, False), (ids[-1:], True, True)]
        return EncodedTurn.joined(parts)

    def encode_documents(self, texts: Sequence[str]) -> list[list[int]]:
        """Plain texts for pretraining, each from begin_of_text to end_of_text; in parallel."""
        return [[self.begin_of_text_id, *ids, self.end_of_text_id] for ids in self._encode_batch(texts)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`, special tokens left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def token_text(self, token_id: int) -> str:
        """What one token stands for, to show it: special tokens by name, parts of a character as they are."""
        piece = str(self._tokenizer.id_to_token(token_id))
        return piece if piece in SPECIAL_TOKENS else piece_text(piece, self.decode([token_id]))

    def _assemble(
        self, messages: Sequence[MessageLike], contents: Sequence[list[int]], next_role: str | None
    ) -> list[int]:
        """A dialog's ids from those of its contents; `next_role` speaks after it, if anyone does."""
        ids = [self.begin_of_text_id]
        next_roles = [*[message.role for message in messages[1:]], next_role]
        for message, content, follows in zip(messages, contents, next_roles, strict=False):
            ids += self._header_of(message.role)
            ids += content
            ids.append(self._ending(message, follows))
        return ids

    def _ending(self, message: MessageLike, next_role: str | None) -> int:
        """The token that ends a message: its turn may go on after it."""
        if is_tool_call(message) or (message.role == "assistant" and next_role in ("assistant", "ipython")):
            return self.eom_id
        return self.eot_id

    def _content(self, message: MessageLike, encoded: list[int] | None = None) -> list[int]:
        """What stands between a message's header and its ending; `encoded` are the ids of its `_text`."""
        ids = self._encode(self._text(message)) if encoded is None else encoded
        if is_tool_call(message):
            return [*self._separator_ids, self._python_tag_id, *ids]
        return ids

    def _text(self, message: MessageLike) -> str:
        """The text that is encoded as one, as in the template.

        A content that starts with line feeds joins the separator, unless a tag stands between them.
        """
        return message.content if is_tool_call(message) else HEADER_SEPARATOR + message.content

    def _header_of(self, role: str) -> list[int]:
        return self._headers.get(role) or self._header(role)

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
