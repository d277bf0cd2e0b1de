"""What Prometheus reads: requests of all web processes, and the site's state as the database has it now.

In: nothing. Out: metric families. The state is asked for at each scrape, in a dozen statements, so that no
process has to be told what another has done.
"""

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import redis
from django.conf import settings
from django.db.models import Count, Max
from django.utils import timezone
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from alignment.console.run_files import tail_rows
from alignment.models import Program, Round, Stage
from alignment.usage import USAGE_FILE
from annotation.models import Assignment, Comparison, Judgement, PairRequest
from registry.models import Deployment

QUEUES = ("default", "sampling", "training")
ACTIVE = timedelta(minutes=15)
BROKER_SECONDS = 2.0


def site_metrics(folder: str | None) -> bytes:
    """All of it in Prometheus's text form; `folder` is where this machine's web processes count together,
    None for a process that counts alone."""
    registry = CollectorRegistry()
    if folder is not None:
        MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]  # registers itself
    else:
        registry.register(Own())
    registry.register(Site())
    return generate_latest(registry)


class Own:
    """What this process has counted."""

    def collect(self) -> Iterator[Metric]:
        """Ours of all that the process counts."""
        return (metric for metric in REGISTRY.collect() if metric.name.startswith("accord_"))


class Site:
    """The state of the site."""

    def collect(self) -> Iterator[Metric]:
        """Queues, rounds, people, models, disk."""
        yield from queues()
        yield from counted()
        yield from work()
        yield from programs()
        yield from disk()


def queues() -> Iterator[Metric]:
    """Messages that wait for a worker, and whether the broker answers."""
    length = GaugeMetricFamily("accord_queue_length", "Tasks that wait for a worker.", labels=["queue"])
    is_up = 1
    client = redis.Redis.from_url(
        settings.CELERY_BROKER_URL, socket_connect_timeout=BROKER_SECONDS, socket_timeout=BROKER_SECONDS
    )
    try:
        for queue in QUEUES:
            length.add_metric([queue], float(client.llen(queue)))
    except redis.RedisError:
        is_up = 0
    finally:
        client.close()
    yield length
    yield GaugeMetricFamily("accord_broker_up", "Whether the broker answers.", value=is_up)


def counted() -> Iterator[Metric]:
    """Rows by state, each state there is, so that an alert never waits for its first."""
    for name, told, rows in (
        ("accord_rounds", "Rounds by state.", Round),
        ("accord_stages", "Stages of rounds by state.", Stage),
        ("accord_programs", "Programs of stages by state.", Program),
        ("accord_deployments", "Deployments of models by state.", Deployment),
        ("accord_pair_requests", "Pairs of answers that people asked for, by state.", PairRequest),
    ):
        numbers = dict(rows.objects.order_by().values_list("state").annotate(Count("pk")))
        family = GaugeMetricFamily(name, told, labels=["state"])
        for state in rows.State.values:
            family.add_metric([state], numbers.get(state, 0))
        yield family


def work() -> Iterator[Metric]:
    """People's work, by project."""
    comparisons = GaugeMetricFamily("accord_comparisons", "By state.", labels=["project", "state"])
    for project, state, number in (
        Comparison.objects.order_by().values_list("project__slug", "state").annotate(Count("pk"))
    ):
        comparisons.add_metric([project, state], number)
    yield comparisons
    judgements = GaugeMetricFamily("accord_judgements", "Judgements there are.", labels=["project"])
    judged = Judgement.objects.order_by().values_list("comparison__project__slug").annotate(Count("pk"))
    for project, number in judged:
        judgements.add_metric([project], number)
    yield judgements
    since = timezone.now() - ACTIVE
    active = Assignment.objects.filter(created_at__gt=since).values("annotator").distinct().count()
    yield GaugeMetricFamily("accord_people_active", "Who was handed work in 15 minutes.", value=active)
    latest = Judgement.objects.aggregate(latest=Max("created_at"))["latest"]
    if latest is not None:
        age = (timezone.now() - latest).total_seconds()
        yield GaugeMetricFamily("accord_last_judgement_seconds", "Since the last judgement.", value=age)


def programs() -> Iterator[Metric]:
    """What runs now: whether its worker lives, how far it is, what it uses."""
    now = timezone.now()
    labels = ["program", "stage", "round"]
    late = GaugeMetricFamily("accord_program_lease_seconds", "Left of its worker's lease.", labels=labels)
    still = GaugeMetricFamily("accord_program_still_seconds", "Since it last said anything.", labels=labels)
    used = {
        "cpu": GaugeMetricFamily("accord_program_cpu_cores", "Cores that it uses.", labels=labels),
        "memory": GaugeMetricFamily("accord_program_memory_bytes", "Resident.", labels=labels),
        "gpu": GaugeMetricFamily("accord_program_gpu_ratio", "Share of time its GPUs worked.", labels=labels),
        "gpu_memory": GaugeMetricFamily("accord_program_gpu_memory_bytes", "Used.", labels=labels),
    }
    running = Program.objects.filter(state=Program.State.RUNNING).select_related("stage").order_by("pk")
    for program in running:
        stage = "" if program.stage is None else program.stage.name
        label = [str(program.pk), stage, str(program.round_id or "")]
        if program.lease_expires_at is not None:
            late.add_metric(label, (program.lease_expires_at - now).total_seconds())
        if program.progressed_at is not None:
            still.add_metric(label, (now - program.progressed_at).total_seconds())
        rows = tail_rows(Path(program.folder) / USAGE_FILE)
        for name, family in used.items():
            if rows and isinstance(rows[-1].get(name), int | float):
                family.add_metric(label, float(rows[-1][name]))
    yield from (late, still, *used.values())


def disk() -> Iterator[Metric]:
    """Of what holds run folders and checkpoints."""
    usage = shutil.disk_usage(settings.ACCORD_VAR)
    yield GaugeMetricFamily(
        "accord_disk_free_bytes", "Free where runs and checkpoints lie.", value=usage.free
    )
    yield GaugeMetricFamily("accord_disk_size_bytes", "Of the disk they lie on.", value=usage.total)
    load = os.getloadavg()[0]
    yield GaugeMetricFamily("accord_load", "Processes that want a core, over a minute.", value=load)
