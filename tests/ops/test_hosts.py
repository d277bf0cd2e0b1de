"""A round on three hosts, two of which are cut off from the others in turn, in the middle of their work."""

import json
import os
import time
from pathlib import Path

import pytest

from alignment.recipe import RoundRecipe
from tests.benchmarks.chaos_site import RoundSize, chaos_recipe
from tests.benchmarks.chaos_traces import stray_programs
from tests.ops.hosts import Host
from tests.ops.hosts_site import HostsSite, hosts_site

pytestmark = pytest.mark.ops

SIZE = RoundSize(num_epochs=4, num_prompts=48, checkpoint_seconds=0.5)
DPO_EPOCHS = 80
CANDIDATES, TOKENS = 30, 64
SECONDS = 900.0


class Cutting:
    """Cuts a host in the middle of sampling, joins it when its work is done, then the same in training."""

    def __init__(self, site: HostsSite, round_id: int) -> None:
        self._site = site
        self._round_id = round_id
        self._waiting = ["rejection_sampling", "dpo"]
        self._cut: tuple[Host, int, int] | None = None
        self.stages: list[str] = []
        """Those in whose middle a host was cut off."""

    def look(self, _progress: int) -> None:
        """Once more, for as long as the round runs."""
        if self._cut is not None:
            host, program, attempt = self._cut
            state, now = self._site.attempts(program)
            if state == "finished":
                assert now > attempt, "somebody else has done it"
                host.join()
                self._cut = None
        elif self._waiting and (found := self._site.at_work(self._round_id, self._waiting[0])) is not None:
            found[0].cut()
            self._cut = found
            self.stages.append(self._waiting.pop(0))


def recipe() -> RoundRecipe:
    """A small round that samples and runs DPO for some seconds."""
    small = chaos_recipe(SIZE)
    dpo = tuple(
        variant.model_copy(
            update={"optimizer": variant.optimizer.model_copy(update={"num_epochs": DPO_EPOCHS})}
        )
        for variant in small.dpo
    )
    sampling = small.rejection.sampling.model_copy(update={"max_tokens": TOKENS})
    rejection = small.rejection.model_copy(update={"num_candidates": CANDIDATES, "sampling": sampling})
    return small.model_copy(update={"dpo": dpo, "rejection": rejection})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes network namespaces")
def test_a_round_goes_on_when_hosts_are_cut_off_and_gives_the_same_weights(tmp_path: Path) -> None:
    with hosts_site(tmp_path) as hosts:
        site, until = hosts.site, time.monotonic() + SECONDS
        site.write_inputs()
        calm = site.follow(site.launch("calm", recipe()), until=until, weights_alone=True)
        assert calm.state == "averaged", calm.error
        site.manage("cancel_round", "--project", "calm", "--number", "1")
        expected = site.checkpoints("calm")
        round_id = site.launch("cut", recipe())
        cutting = Cutting(hosts, round_id)
        end = site.follow(round_id, until=until, meanwhile=cutting.look)
        assert end.state == "finished", end.error
        assert cutting.stages == ["rejection_sampling", "dpo"]
        found = site.checkpoints("cut")
        assert {name: found[name] for name in expected} == expected
        (candidates,) = (site.var / "runs" / "cut").rglob("candidates.jsonl")
        prompts = [json.loads(line)["prompt"]["id"] for line in candidates.read_text().splitlines()]
        assert len(prompts) == len(set(prompts)) == SIZE.num_prompts
        assert stray_programs(site.var) == []
