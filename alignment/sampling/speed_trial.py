"""Times a few sampled tokens and a few training steps of a base: what a forecast starts from.

Training is timed in transformers' own layers, which are somewhat slower than those of the training programs.
"""

import platform
import time
from statistics import fmean

from alignment.programs import SamplingConfig
from alignment.programs.speed import SpeedTrialConfig
from alignment.sampling.engine import PolicyEngine
from alignment.sampling.offline import torch
from pretrain.run import RunFolder, program_main

PROMPT_TOKENS = 8


def run(config: SpeedTrialConfig, folder: RunFolder) -> None:
    """The program."""
    folder.progress(0, 2, "timings")
    sampled = sample_seconds(config)
    folder.progress(1, 2, "timings")
    parameters, trained = train_seconds(config)
    folder.progress(2, 2, "timings")
    folder.finish(
        {
            "parameters": parameters,
            "sample_seconds_per_token": sampled,
            "train_seconds_per_token": trained,
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor(),
        }
    )


def sample_seconds(config: SpeedTrialConfig) -> float:
    """Seconds of one token, drawn together with many others; the first batch warms up."""
    engine = PolicyEngine(config.base, config.engine, num_engines=2)
    sampling = SamplingConfig(max_tokens=config.answer_tokens)
    prompts = [[number + 3] * PROMPT_TOKENS for number in range(max(1, config.num_answers // 8))]
    seeds = [1000 * number for number in range(len(prompts))]
    engine.answer(prompts[:1], seeds[:1], sampling, n=2)
    started = time.monotonic()
    answers = engine.answer(prompts, seeds, sampling, n=8)
    seconds = time.monotonic() - started
    engine.close()
    return seconds / sum(answer.num_tokens for row in answers for answer in row)


def train_seconds(config: SpeedTrialConfig) -> tuple[int, float]:
    """The model's parameters, and the seconds of one token trained on."""
    from transformers import AutoModelForCausalLM  # noqa: PLC0415  # after vLLM's environment

    torch.set_num_threads(config.num_threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if config.precision == "pure_bf16" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(config.base, dtype=dtype).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    generator = torch.Generator().manual_seed(0)
    vocabulary = model.config.vocab_size
    rows = torch.randint(vocabulary, (config.num_rows, config.row_tokens), generator=generator).to(device)
    seconds = []
    for _ in range(config.num_steps):
        started = time.monotonic()
        with torch.autocast(device, torch.bfloat16, enabled=config.precision == "bf16"):
            loss = model(input_ids=rows, labels=rows).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.monotonic() - started)
    return sum(each.numel() for each in model.parameters()), fmean(seconds[1:]) / rows.numel()


if __name__ == "__main__":
    program_main(SpeedTrialConfig, run)
