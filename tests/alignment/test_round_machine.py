"""No events and crashes bring a round into a state it cannot leave, or run a stage twice at once.

Hypothesis draws what happens: advancers one at a time, overtaking each other or dying in the middle; messages
delivered late, twice or never; workers that finish, fail, vanish or come back from the dead; admins. Only the
processes of programs and the broker are stood in for. ROUND_MACHINE_EXAMPLES asks for more than the few
sequences that the suite can afford.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from accounts.errors import Conflict
from alignment import advancing
from alignment.advancing import program_release, rounds_advance
from alignment.control import round_cancel, round_pause, round_rerun, round_resume, round_retry
from alignment.models import Program, Round, Stage
from alignment.running import program_claim, program_run
from alignment.services import gate_override, round_create
from annotation.models import Project
from pretrain.run import RunFolder
from tests.alignment.machine_world import World
from tests.alignment.scaled_rounds import compute, recipe

pytestmark = pytest.mark.django_db(transaction=True)

MORE = int(os.environ.get("ROUND_MACHINE_EXAMPLES", "0"))
UNDER_WAY = (Round.State.RUNNING, Round.State.PAUSED)
NUMBERS = st.integers(min_value=0, max_value=7)


class Killed(BaseException):
    """The process was killed: nothing of it may catch this."""


class RoundMachine(RuleBasedStateMachine):
    """One project's rounds, and what happens to them."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.world.messages.clear()
        number = Project.objects.count()
        self.project = Project.objects.create(slug=f"machine-{number}", name="Machine")
        self.newest = round_create(
            Round(
                project=self.project,
                number=1,
                base=self.world.base,
                recipe=recipe(3.0).model_dump(mode="json"),
            )
        )
        self.at_work: list[Program] = []
        """Claims of workers that live and know of nothing."""
        self.dead: list[Program] = []
        """Claims of workers that stopped renewing: gone, or to come back."""
        self.finished: dict[int, Any] = {}  # Any: the results of stages, JSON

    @rule()
    def advance(self) -> None:
        rounds_advance()

    @rule(statements=st.integers(min_value=0, max_value=60))
    def advance_and_die(self, statements: int) -> None:
        with dying(statements):
            rounds_advance()

    @rule(statements=st.integers(min_value=0, max_value=40))
    def advance_and_be_overtaken(self, statements: int) -> None:
        with overtaken(statements, rounds_advance):
            rounds_advance()

    @rule(statements=st.integers(min_value=0, max_value=40))
    def advance_while_an_admin_cancels(self, statements: int) -> None:
        with overtaken(statements, lambda: self.act(round_cancel)):
            rounds_advance()

    @rule(statements=st.integers(min_value=0, max_value=40))
    def advance_while_an_admin_pauses(self, statements: int) -> None:
        with overtaken(statements, lambda: self.act(round_pause)):
            rounds_advance()

    @rule(which=NUMBERS)
    def deliver(self, which: int) -> None:
        if self.world.messages:
            program_id, attempt = self.world.messages[which % len(self.world.messages)]
            claimed = program_claim(program_id, attempt)
            if claimed is not None:
                self.at_work.append(claimed)

    @rule()
    def deliver_the_last(self) -> None:
        self.deliver(len(self.world.messages) - 1)

    @rule(which=NUMBERS)
    def finish(self, which: int) -> None:
        if self.at_work:
            self.end(self.at_work.pop(which % len(self.at_work)), fails=False)

    @rule(which=NUMBERS)
    def fail(self, which: int) -> None:
        if self.at_work:
            self.end(self.at_work.pop(which % len(self.at_work)), fails=True)

    @rule(which=NUMBERS)
    def notice_that_it_was_taken_away(self, which: int) -> None:
        for claim in [each for each in self.at_work if not is_its(each)]:
            self.at_work.remove(claim)
            program_release(claim)

    @rule(which=NUMBERS)
    def vanish(self, which: int) -> None:
        if self.at_work:
            claim = self.at_work.pop(which % len(self.at_work))
            Program.objects.filter(pk=claim.pk, attempt=claim.attempt, lease_expires_at__isnull=False).update(
                lease_expires_at=timezone.now() - timedelta(seconds=1)
            )
            self.dead.append(claim)

    @rule(which=NUMBERS, fails=st.booleans())
    def come_back_from_the_dead(self, which: int, fails: bool) -> None:
        if self.dead:
            self.end(self.dead.pop(which % len(self.dead)), fails=fails)

    @rule()
    def wait_for_half_a_minute(self) -> None:
        ago = timezone.now() - timedelta(seconds=31)
        Program.objects.filter(stage__round__project=self.project, state="queued").update(started_at=ago)

    @rule(statements=st.none() | st.integers(min_value=0, max_value=12))
    def pause(self, statements: int | None) -> None:
        self.act(round_pause, dies_after=statements)

    @rule(statements=st.none() | st.integers(min_value=0, max_value=12))
    def resume(self, statements: int | None) -> None:
        self.act(round_resume, dies_after=statements)

    @rule(statements=st.none() | st.integers(min_value=0, max_value=12))
    def cancel(self, statements: int | None) -> None:
        self.act(round_cancel, dies_after=statements)

    @rule(statements=st.none() | st.integers(min_value=0, max_value=12))
    def retry(self, statements: int | None) -> None:
        self.act(round_retry, dies_after=statements)

    @rule(statements=st.none() | st.integers(min_value=0, max_value=12))
    def run_again(self, statements: int | None) -> None:
        self.act(round_rerun, dies_after=statements)
        self.newest = self.project.rounds.order_by("-run")[0]

    @rule()
    def override(self) -> None:
        with suppress(Conflict):
            gate = self.newest.stages.get(name=Stage.Name.GATE)
            gate_override(gate, self.world.admin, "Good enough.")

    @invariant()
    def one_stage_at_a_time(self) -> None:
        for round_ in self.project.rounds.all():
            states = list(round_.stages.values_list("state", flat=True))
            begun = [state for state in states if state != Stage.State.FINISHED]
            assert states == [Stage.State.FINISHED] * (len(states) - len(begun)) + begun, states
            assert set(begun[1:]) <= {Stage.State.PENDING}, states
            if round_.state == Round.State.FINISHED:
                assert not begun, states

    @invariant()
    def nobody_works_beside_another(self) -> None:
        working = [claim.pk for claim in self.at_work]
        assert len(working) == len(set(working)), self.at_work

    @invariant()
    def programs_run_in_their_order(self) -> None:
        going = Program.objects.filter(stage__round__project=self.project, state__in=["queued", "running"])
        for program in going.filter(group=1):
            before = Program.objects.filter(stage=program.stage_id, group=0)
            assert not before.exclude(state="finished").exists(), program
        assert not going.exclude(stage__state=Stage.State.RUNNING).exists()
        assert not going.exclude(stage__round__state=Round.State.RUNNING).exists()

    @invariant()
    def leases_are_of_programs_that_somebody_holds(self) -> None:
        leased = Program.objects.filter(stage__round__project=self.project, lease_expires_at__isnull=False)
        held = {claim.pk for claim in (*self.at_work, *self.dead)}
        stale = leased.exclude(state=Program.State.RUNNING)
        assert held.issuperset(stale.values_list("pk", flat=True))
        assert not leased.filter(state=Program.State.FINISHED).exists()

    @invariant()
    def finished_work_is_kept(self) -> None:
        stages = Stage.objects.filter(round__project=self.project, state=Stage.State.FINISHED)
        found = {stage.pk: stage.result for stage in stages}
        assert found.items() >= self.finished.items()
        self.finished = found
        computed = Program.objects.filter(
            stage__round__project=self.project, state=Program.State.FINISHED, reused_from=None
        )
        twice = computed.exclude(fingerprint="").values("fingerprint").annotate(num=Count("pk"))
        assert not twice.filter(num__gt=1).exists(), list(computed)

    def teardown(self) -> None:
        """Whatever has happened, the newest round can be brought to its end."""
        for claim in [*self.at_work, *self.dead]:
            Program.objects.filter(pk=claim.pk, attempt=claim.attempt).update(
                lease_expires_at=timezone.now() - timedelta(seconds=1)
            )
        self.at_work, self.dead = [], []
        if not self.project.rounds.filter(state__in=UNDER_WAY).exists():
            self.act(round_retry)
        self.newest = self.project.rounds.filter(state__in=UNDER_WAY).first() or self.newest
        for _ in range(30):
            self.newest.refresh_from_db()
            if self.newest.state == Round.State.FINISHED:
                break
            self.act(round_resume)
            self.act(round_retry)
            rounds_advance()
            self.wait_for_half_a_minute()
            for program in Program.objects.filter(stage__round=self.newest, state="queued"):
                claimed = program_claim(program.pk, program.attempt)
                assert claimed is not None
                self.end(claimed, fails=False)
            self.override()
        states = list(self.newest.stages.values_list("name", "state", "error"))
        assert self.newest.state == Round.State.FINISHED, (self.newest.state, states)
        self.finished_work_is_kept()
        assert not Program.objects.filter(
            stage__round__project=self.project, lease_expires_at__isnull=False
        ).exists()

    def act(self, deed: Callable[..., Any], *, dies_after: int | None = None) -> None:
        """Have the admin do it, to no avail where the round is in another state."""
        with suppress(Conflict), dying(dies_after):
            deed(self.newest, self.world.admin)

    def end(self, claim: Program, *, fails: bool) -> None:
        """What a worker does at the end of its program, whether or not it is still its own."""
        if not is_its(claim):
            program_release(claim)
        elif fails:
            mine = Program.objects.filter(pk=claim.pk, attempt=claim.attempt, state=Program.State.RUNNING)
            mine.update(state=Program.State.FAILED, error="It broke.", lease_expires_at=None)
        else:
            if RunFolder(Path(claim.folder)).read_result() is None:
                compute(claim)
            program_run(claim)


def is_its(claim: Program) -> bool:
    """Whether the program is still its worker's."""
    return Program.objects.filter(pk=claim.pk, attempt=claim.attempt, state=Program.State.RUNNING).exists()


@contextmanager
def dying(statements: int | None) -> Iterator[None]:
    """Kill the process after so many statements, if it gets that far."""
    left = [statements]

    def count(execute: Callable[..., Any], *call: Any) -> Any:  # Any: as Django has it
        if left[0] is not None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
        return execute(*call)

    with suppress(Killed), connection.execute_wrapper(count):
        yield
    if left[0] is not None and left[0] < 0:
        # With its locks, as of a process that is gone: the pool would keep them.
        if connection.connection is not None:
            connection.connection.close()
        connection.close()


@contextmanager
def overtaken(statements: int, other: Callable[[], None]) -> Iterator[None]:
    """After so many statements `other` happens elsewhere, as if our lock were lost with its connection."""
    left = [statements]
    threads: list[threading.Thread] = []
    errors: list[BaseException] = []

    def happen() -> None:
        try:
            other()
        except BaseException as error:  # noqa: BLE001  # raised again by the thread that waits
            errors.append(error)
        finally:
            connection.close()

    def count(execute: Callable[..., Any], *call: Any) -> Any:  # Any: as Django has it
        left[0] -= 1
        if left[0] == -1:
            threads.append(threading.Thread(target=happen))
            threads[0].start()
            threads[0].join(0.2)  # it may wait for a row that we have locked
        return execute(*call)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(advancing, "_advisory_lock", never_locked)
        with connection.execute_wrapper(count):
            yield
        for thread in threads:
            thread.join()
    assert not errors, errors


@contextmanager
def never_locked(round_id: int) -> Iterator[bool]:
    """The lock of somebody who believes to have it."""
    yield True


def test_rounds_can_always_be_left_and_run_nothing_twice_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker: str
) -> None:
    RoundMachine.world = World(tmp_path, monkeypatch)
    run_state_machine_as_test(
        RoundMachine,
        settings=settings(
            max_examples=MORE or 6,
            stateful_step_count=40 if MORE else 25,
            derandomize=not MORE,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
