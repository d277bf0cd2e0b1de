"""Folders of other people's models as to their form: a tiny tokenizer and a chat template of each family.

The templates are written for these tests, after how each family's dialogs look.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

TEXTS = (
    "What does Bado like? Bado likes the colour red best.",
    "The user asks the model, and the assistant answers: it is so.",
    "system user assistant model tool\n\nToday Date: 26 Jul 2024\n",
)

CHATML = """\
{%- for message in messages %}
    {{- '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

# Thoughts of earlier turns are dropped, and an answer without any says so; tools speak as the user.
THINKING = """\
{%- set ns = namespace(asked=0) %}
{%- for message in messages %}{% if message.role == 'user' %}{% set ns.asked = loop.index0 %}{% endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'tool' %}
        {{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {%- set parts = message.content.split('</think>') %}
        {%- set said = parts[-1].lstrip('\\n') %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if loop.index0 > ns.asked %}
            {%- set thought = parts[0].split('<think>')[-1].strip('\\n') if parts | length > 1 else '' %}
            {{- '<think>\\n' + thought + '\\n</think>\\n\\n' }}
        {%- endif %}
        {{- said + '<|im_end|>\\n' }}
    {%- elif message.role in ['system', 'user'] %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

GEMMA = """\
{{ bos_token }}
{%- if messages and messages[0]['role'] == 'system' %}
    {{- raise_exception('There is no system role') }}
{%- endif %}
{%- for message in messages %}
    {%- if (message['role'] == 'user') == (loop.index0 % 2 == 1) %}
        {{- raise_exception('The user and the assistant must speak by turns') }}
    {%- endif %}
    {{- '<start_of_turn>' ~ ('model' if message['role'] == 'assistant' else 'user') }}
    {{- '\\n' ~ message['content'] | trim ~ '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<start_of_turn>model\\n' }}
{%- endif %}
"""

MISTRAL = """\
{%- set rest = messages %}
{%- set first = '' %}
{%- if messages[0]['role'] == 'system' %}
    {%- set first = messages[0]['content'] + '\\n\\n' %}
    {%- set rest = messages[1:] %}
{%- endif %}
{{- bos_token }}
{%- for message in rest %}
    {%- if (message['role'] == 'user') != (loop.index0 is even) %}
        {{- raise_exception('Roles must alternate: user, assistant, user') }}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {{- '[INST] ' + (first if loop.first else '') + message['content'] + '[/INST]' }}
    {%- else %}
        {{- ' ' + message['content'] + eos_token }}
    {%- endif %}
{%- endfor %}
"""

LLAMA = """\
{{- bos_token }}
{%- set day = strftime_now('%d %b %Y') if strftime_now is defined else '26 Jul 2024' %}
{%- set told = '' %}
{%- if messages[0]['role'] == 'system' %}
    {%- set told = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: ' + day + '\\n\\n' + told + '<|eot_id|>' }}
{%- for message in messages %}
    {%- set role = 'ipython' if message.role == 'tool' else message.role %}
    {{- '<|start_header_id|>' + role + '<|end_header_id|>\\n\\n' + message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

LLAMA_TOKENS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|finetune_right_pad_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
)


@dataclass(frozen=True, kw_only=True)
class Family:
    """How one family's folders look."""

    name: str
    template: str
    special: tuple[str, ...]
    more: tuple[str, ...] = ()
    """Added tokens that are not special."""
    sentencepiece: str = ""
    """How white space becomes ▁: "normalizer", "metaspace"; bytes where empty."""
    settings: dict[str, str] = field(default_factory=dict)


FAMILIES = (
    Family(
        name="chatml",
        template=CHATML,
        special=("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        settings={"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    ),
    Family(
        name="thinking",
        template=THINKING,
        special=("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        more=("<think>", "</think>", "<tool_response>", "</tool_response>"),
        settings={"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    ),
    Family(
        name="gemma",
        template=GEMMA,
        special=("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"),
        sentencepiece="normalizer",
        settings={"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"},
    ),
    Family(
        name="mistral",
        template=MISTRAL,
        special=("<unk>", "<s>", "</s>", "[INST]", "[/INST]"),
        sentencepiece="metaspace",
        settings={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    ),
    Family(
        name="llama",
        template=LLAMA,
        special=LLAMA_TOKENS,
        settings={"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    ),
)


def family(name: str) -> Family:
    """The family of that name."""
    return next(each for each in FAMILIES if each.name == name)


def make_foreign_folder(folder: Path, kind: Family, texts: Sequence[str] = TEXTS, **settings: Any) -> Path:
    """A folder with the family's tokenizer and template; `settings` go into tokenizer_config.json."""
    tokenizer = piece_tokenizer(kind, texts) if kind.sentencepiece else byte_tokenizer(kind, texts)
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in kind.more])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    written = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "chat_template": kind.template,
        **kind.settings,
        **settings,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(written))
    return folder


def byte_tokenizer(kind: Family, texts: Sequence[str]) -> Tokenizer:
    """Byte-level BPE, its special tokens outside of the model's vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in kind.special]
    )
    return tokenizer


def piece_tokenizer(kind: Family, texts: Sequence[str]) -> Tokenizer:
    """BPE of pieces as sentencepiece leaves them: spaces are ▁, special tokens come first, then bytes."""
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    if kind.sentencepiece == "normalizer":
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
    # Pieces across words would need no pre-tokenizer; whole words are enough to tell borders apart.
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in kind.special] + bytes_,
        show_progress=False,
    )
    words = (word for text in texts for word in text.replace("\n", " \n ").split(" "))
    tokenizer.train_from_iterator((f"{' '}{word}" for word in words), trainer)
    parsed = json.loads(tokenizer.to_str())
    parsed["added_tokens"] = [token for token in parsed["added_tokens"] if token["content"] in kind.special]
    return Tokenizer.from_str(json.dumps(parsed))
