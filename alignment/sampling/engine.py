"""vLLM inside a program: a policy that answers, a reward model that scores, weights that move.

Comes in: checkpoint folders, token ids. Goes out: generated answers, raw rewards. Engines live in this
process. Every folder that has a canary.json is checked against it when its weights are loaded or swapped.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignment.canary import TOLERANCE, Canary, canary_difference, engine_precision, read_canary
from alignment.programs import EngineConfig, SamplingConfig
from alignment.records import Finish
from alignment.sampling.offline import (
    LLM,
    LlamaForCausalLM,
    ModelRegistry,
    PoolingParams,
    SamplingParams,
    torch,
)
from alignment.sampling.options import (
    EngineOptions,
    engine_options,
    model_config,
    num_cpu_processes,
    num_engine_threads,
    same_architecture,
)
from annotation.records import Message
from pretrain.dialog import MessageLike
from pretrain.encoders import encoder_for
from pretrain.processes import require_device
from pretrain.run import ProgramError


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One generated answer."""

    content: str
    num_tokens: int
    """Tokens sampled, the one that ends the answer included."""
    finish: Finish

    @property
    def message(self) -> Message:
        """The answer as a message of a dialog."""
        return Message(role="assistant", content=self.content, tool_call=self.finish == "tool_call")


@dataclass(frozen=True, kw_only=True)
class DrawnTokens:
    """One answer as tokens, with what the policy thought of each."""

    token_ids: list[int]
    """The one that ends the answer included."""
    logprobs: list[float]
    """The log-probability of each token, at temperature 1 over the whole vocabulary."""


class PolicyEngine:
    """A causal language model that answers dialogs."""

    def __init__(self, folder: Path, config: EngineConfig, *, num_engines: int = 1) -> None:
        """Load `folder`; `num_engines` engines share the device's memory.

        Raises ProgramError where the loaded model does not give the folder's canary log-probabilities.
        """
        self._config = config
        self._num_engines = num_engines
        self._load(folder)

    def encode(self, context: Sequence[MessageLike]) -> list[int]:
        """The token ids that the policy continues."""
        return self.encoder.encode_context(context)

    def max_prompt_tokens(self, sampling: SamplingConfig) -> int:
        """The longest prompt that leaves room for an answer."""
        return self.max_model_len - sampling.max_tokens

    def answer(
        self, prompts: Sequence[Sequence[int]], seeds: Sequence[int], sampling: SamplingConfig, *, n: int
    ) -> list[list[Answer]]:
        """`n` answers to each prompt of token ids. The same seed and weights give the same answers.

        Answer i of a prompt draws with its seed + i, so seeds must lie apart (`prompt_seed`).
        """
        return self.answer_each(prompts, seeds, [sampling] * len(prompts), n=n)

    def answer_each(
        self,
        prompts: Sequence[Sequence[int]],
        seeds: Sequence[int],
        samplings: Sequence[SamplingConfig],
        *,
        n: int,
    ) -> list[list[Answer]]:
        """`answer`, each prompt with a sampling of its own."""
        params = [
            SamplingParams(
                n=n,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_tokens,
                seed=seed,
                stop_token_ids=list(self.encoder.stop_ids),
                detokenize=False,
            )
            for seed, sampling in zip(seeds, samplings, strict=True)
        ]
        outputs = self._llm.generate(token_prompts(prompts), params, use_tqdm=False)
        return [[self._answer(completion) for completion in output.outputs] for output in outputs]

    def draw(
        self, prompts: Sequence[Sequence[int]], seeds: Sequence[int], *, max_tokens: int
    ) -> list[DrawnTokens]:
        """One answer to each prompt of token ids, at temperature 1 over the whole vocabulary."""
        params = [
            SamplingParams(
                temperature=1.0,
                max_tokens=max_tokens,
                seed=seed,
                stop_token_ids=list(self.encoder.stop_ids),
                logprobs=0,
                detokenize=False,
            )
            for seed in seeds
        ]
        outputs = self._llm.generate(token_prompts(prompts), params, use_tqdm=False)
        return [
            DrawnTokens(
                token_ids=list(completion.token_ids),
                logprobs=told_logprobs(completion.token_ids, completion.logprobs),
            )
            for (completion,) in (output.outputs for output in outputs)
        ]

    def logprobs(self, rows: Sequence[Sequence[int]]) -> list[list[float]]:
        """The log-probability of each row's tokens but the first, which has none.

        A row must leave room for one more token.
        """
        params = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0, detokenize=False)
        outputs = self._llm.generate(token_prompts(rows), params, use_tqdm=False)
        return [
            told_logprobs(row[1:], output.prompt_logprobs[1:])
            for row, output in zip(rows, outputs, strict=True)
        ]

    def swap_weights(self, folder: Path) -> bool:
        """Hold the weights of `folder` from now on.

        True when they moved into the running engine and the canary proved it, False when a new engine had
        to be built: another architecture, no canary, or weights that did not arrive (vLLM keeps stale
        ones of tied embeddings without a word).
        """
        if same_architecture(self.folder, folder):
            self._llm.collective_rpc("reload_weights", kwargs={"weights_path": str(folder)})
            self._llm.reset_prefix_cache()
            canary = read_canary(folder)
            if canary is not None and self.canary_difference(canary) <= TOLERANCE[engine_precision(folder)]:
                self._adopt(folder)
                return True
        self.close()
        self._load(folder)
        return False

    def canary_difference(self, canary: Canary) -> float:
        """How far the engine's log-probabilities are from the canary's."""
        return canary_difference(canary, self.logprobs([canary.token_ids])[0])

    def forget_prompts(self) -> None:
        """Empty the prefix cache, so that answers do not depend on what was asked before."""
        self._llm.reset_prefix_cache()

    def close(self) -> None:
        """Free the engine's memory. Other engines of this process stand still until a new one is made."""
        shut_down(self._llm)
        del self._llm

    def _load(self, folder: Path) -> None:
        options = offline_options(folder, self._config, num_engines=self._num_engines)
        self._llm = LLM(**options, skip_tokenizer_init=True)
        self._adopt(folder)
        canary = read_canary(folder)
        if canary is None:
            return
        difference = self.canary_difference(canary)
        if difference > TOLERANCE[engine_precision(folder)]:
            self.close()
            raise ProgramError(
                f"vLLM's log-probabilities for {folder} are {difference:.4f} away from its canary.json: "
                "the folder was changed after it was written, register the model again."
            )

    def _adopt(self, folder: Path) -> None:
        self.folder = folder
        self.encoder = encoder_for(folder)
        self.max_model_len: int = self._llm.model_config.max_model_len

    def _answer(self, completion: Any) -> Answer:  # Any: vLLM's CompletionOutput
        assert completion.finish_reason in ("stop", "length"), completion.finish_reason
        ids = list(completion.token_ids)
        read = self.encoder.read_response(ids)
        finish: Finish = "tool_call" if read.tool_call else "stop"
        if completion.finish_reason == "length":
            finish = "length"
        elif not read.well_formed:
            finish = "malformed"
        return Answer(content=read.content, num_tokens=len(ids), finish=finish)


class RewardEngine:
    """A reward model: one number for a context and a response."""

    def __init__(self, folder: Path, config: EngineConfig, *, num_engines: int = 1) -> None:
        self.encoder = encoder_for(folder)
        self._llm = LLM(
            **offline_options(folder, config, num_engines=num_engines),
            runner="pooling",
            convert="classify",
            # vLLM's own causal model with a head on top; by its own name the class would come from
            # transformers, slower.
            hf_overrides={"architectures": causal_architectures(folder)},
        )
        self._max_model_len: int = self._llm.model_config.max_model_len

    def rewards(self, context: Sequence[MessageLike], responses: Sequence[str | MessageLike]) -> list[float]:
        """The raw reward of each response to one context."""
        return self.rewards_many([(context, responses)])[0]

    def rewards_many(
        self, cases: Sequence[tuple[Sequence[MessageLike], Sequence[str | MessageLike]]]
    ) -> list[list[float]]:
        """The raw rewards of each case's responses, in order. Equal responses are scored once.

        A response is a text, or a message where it may be a tool call. A row longer than the model's limit
        loses its beginning.
        """
        rows: dict[tuple[int, str, bool], list[int]] = {}
        keys: list[list[tuple[int, str, bool]]] = []
        for number, (context, responses) in enumerate(cases):
            prompt = self.encoder.encode_context(context)
            keys.append([(number, *spoken(response)) for response in responses])
            for key in keys[-1]:
                _, content, tool_call = key
                response_ids, _ = self.encoder.encode_response(content, tool_call=tool_call, context=context)
                rows[key] = (prompt + response_ids)[-self._max_model_len :]
        found = dict(zip(rows, self.score(list(rows.values())), strict=True))
        return [[found[key] for key in case_keys] for case_keys in keys]

    def fits(self, context: Sequence[MessageLike], responses: Sequence[str | MessageLike]) -> bool:
        """Whether each response can be scored with its whole context."""
        prompt = self.encoder.encode_context(context)
        return all(
            len(prompt) + self._num_tokens(context, response) <= self._max_model_len for response in responses
        )

    def _num_tokens(self, context: Sequence[MessageLike], response: str | MessageLike) -> int:
        content, tool_call = spoken(response)
        return len(self.encoder.encode_response(content, tool_call=tool_call, context=context)[0])

    def forget_prompts(self) -> None:
        """Empty the prefix cache, so that rewards do not depend on what was scored before."""
        self._llm.reset_prefix_cache()

    def close(self) -> None:
        """Free the engine's memory. Other engines of this process stand still until a new one is made."""
        shut_down(self._llm)
        del self._llm

    def score(self, rows: Sequence[Sequence[int]]) -> list[float]:
        """The raw reward of each row of token ids; rows that begin alike share what they have in common."""
        # vLLM would put a sigmoid on the reward.
        params = PoolingParams(use_activation=False)
        outputs = self._llm.encode(token_prompts(rows), params, pooling_task="classify", use_tqdm=False)
        return [float(output.outputs.data[0]) for output in outputs]


def spoken(response: str | MessageLike) -> tuple[str, bool]:
    """What a response says, and whether it says it to a tool."""
    return (response, False) if isinstance(response, str) else (response.content, response.tool_call)


def prompt_seed(seed: int, prompt_id: str) -> int:
    """A seed for one prompt: far from other prompts' seeds, the same in every run and on every worker."""
    digest = hashlib.sha256(f"{seed}:{prompt_id}".encode()).digest()
    return int.from_bytes(digest[:6], "big")


def on_cpu() -> bool:
    """Whether engines compute on the CPU."""
    return not torch.accelerator.is_available()


def num_workers(folder: Path, config: EngineConfig) -> int:
    """How many processes should sample from this model, each with engines of its own."""
    return num_cpu_processes(folder, config) if on_cpu() else 1


def offline_options(folder: Path, config: EngineConfig, *, num_engines: int) -> EngineOptions:
    """The arguments of an offline engine; torch gets the engine's number of threads."""
    require_device(config.device)
    cpu = on_cpu()
    if cpu and torch.get_num_threads() != (num_threads := num_engine_threads(folder, config)):
        torch.set_num_threads(num_threads)
    if "LlamaForCausalLM" in causal_architectures(folder):
        # With the class at hand vLLM need not start a process that imports it all to look at it: 14 s
        # for the first engine on a machine.
        ModelRegistry.register_model("LlamaForCausalLM", LlamaForCausalLM)
    return engine_options(folder, config, num_engines=num_engines, on_cpu=cpu)


def causal_architectures(folder: Path) -> list[str]:
    """The folder's architectures as causal language models, whatever head they have."""
    names: list[str] = model_config(folder)["architectures"]
    return [name.replace("ForSequenceClassification", "ForCausalLM") for name in names]


def token_prompts(rows: Sequence[Sequence[int]]) -> list[dict[str, list[int]]]:
    """Rows of token ids as vLLM takes them."""
    return [{"prompt_token_ids": list(row)} for row in rows]


def told_logprobs(token_ids: Sequence[int], told: Any) -> list[float]:  # Any: vLLM's, a mapping a token
    """The log-probability of each token in what vLLM told."""
    return [logprobs[token_id].logprob for token_id, logprobs in zip(token_ids, told, strict=True)]


def shut_down(llm: LLM) -> None:
    """Stop an engine. vLLM tears down what all engines of a process share; a new engine builds it again."""
    llm.llm_engine.engine_core.shutdown()
