"""Checkpoints by content, their descent, deployments, and who may read of them."""

from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.errors import Conflict, Invalid
from accounts.models import Role
from accounts.services import user_create
from registry.content import folder_hash
from registry.models import Checkpoint, CheckpointParent, Deployment
from registry.selectors import lineage
from registry.services import (
    Served,
    checkpoint_adopt,
    checkpoint_register,
    deployment_fail,
    deployment_mark_live,
    deployment_register,
    deployment_request,
    deployment_retire,
)

pytestmark = pytest.mark.django_db

Kind = Checkpoint.Kind


def write_folder(folder: Path, text: str = "weights") -> Path:
    """A checkpoint folder with two files."""
    (folder / "sub").mkdir(parents=True)
    (folder / "model.safetensors").write_text(text)
    (folder / "sub" / "config.json").write_text("{}")
    return folder


def make_checkpoint(folder: Path, name: str, *parents: tuple[Checkpoint, str]) -> Checkpoint:
    """A registered folder whose content is its name."""
    path = write_folder(folder / name, name)
    return checkpoint_register(name=name, kind=Kind.DPO, path=path, parents=parents, produced_by="test")


def test_the_hash_depends_on_names_and_content_alone(tmp_path: Path) -> None:
    first = folder_hash(write_folder(tmp_path / "a"))
    second = write_folder(tmp_path / "b")
    (second / ".leftover").write_text("x")
    (second / "empty").mkdir()
    assert folder_hash(second) == first
    (second / "sub" / "config.json").rename(second / "config.json")
    moved = folder_hash(second)
    (second / "config.json").write_text("{ }")
    assert len({first, moved, folder_hash(second)}) == 3
    with pytest.raises(FileNotFoundError):
        folder_hash(tmp_path / "none")


def test_the_same_checkpoint_is_registered_once_and_a_name_means_one_content(tmp_path: Path) -> None:
    base = make_checkpoint(tmp_path, "base")
    again = checkpoint_register(name="base", kind=Kind.DPO, path=tmp_path / "base", produced_by="test")
    assert again == base
    with pytest.raises(Conflict, match="choose another name"):
        checkpoint_register(name="base", kind=Kind.DPO, path=write_folder(tmp_path / "x"), produced_by="test")
    with pytest.raises(Invalid, match="There is no checkpoint"):
        checkpoint_register(name="none", kind=Kind.DPO, path=tmp_path / "none", produced_by="test")


def test_an_adopted_folder_lies_in_the_store_under_its_hash(tmp_path: Path) -> None:
    folder, store = write_folder(tmp_path / "run"), tmp_path / "store"
    base = make_checkpoint(tmp_path, "base")

    def adopt() -> Checkpoint:
        return checkpoint_adopt(
            folder=folder,
            store=store,
            name="dpo-1",
            kind=Kind.DPO,
            parents=[(base, "initial")],
            recipe={"beta": 0.1},
            metrics={"loss": 1.0},
            produced_by="round 1",
        )

    # Somebody was killed while he put another folder there.
    write_folder(store / ".half")
    checkpoint = adopt()
    assert Path(checkpoint.path) == store / folder_hash(folder)
    assert folder_hash(Path(checkpoint.path)) == checkpoint.content_hash
    assert [path.name for path in store.iterdir()] == [checkpoint.content_hash]
    assert adopt() == checkpoint
    assert CheckpointParent.objects.count() == 1
    with pytest.raises(Invalid, match="the program that should write it did not"):
        checkpoint_adopt(
            folder=tmp_path / "none",
            store=store,
            name="none",
            kind=Kind.DPO,
            parents=[],
            recipe={},
            metrics={},
            produced_by="round 1",
        )


def test_descent_is_walked_to_its_beginning(tmp_path: Path) -> None:
    base = make_checkpoint(tmp_path, "base")
    reward = make_checkpoint(tmp_path, "reward", (base, "initial"))
    sft = make_checkpoint(tmp_path, "sft", (base, "initial"), (reward, "picked the data"))
    average = make_checkpoint(tmp_path, "average", (sft, "averaged"))
    lines = [(line.depth, line.child, line.parent, line.role) for line in lineage(average)]
    assert lines == [
        (1, "average", "sft", "averaged"),
        (2, "sft", "base", "initial"),
        (2, "sft", "reward", "picked the data"),
        (3, "reward", "base", "initial"),
    ]
    assert lineage(base) == []


def test_no_checkpoint_is_its_own_parent(tmp_path: Path) -> None:
    base = make_checkpoint(tmp_path, "base")
    with pytest.raises(IntegrityError), transaction.atomic():
        CheckpointParent.objects.create(child=base, parent=base, role="initial")


def test_a_deployment_goes_from_requested_to_retired(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, "base")
    deployment = deployment_request(name="base", checkpoint=checkpoint)
    assert deployment_request(name="base", checkpoint=checkpoint) == deployment
    with pytest.raises(Conflict, match="Another checkpoint is deployed"):
        deployment_request(name="base", checkpoint=make_checkpoint(tmp_path, "other"))
    deployment_mark_live(deployment, Served(base_url="http://127.0.0.1:1", served_name="served"))
    assert (deployment.state, deployment.base_url, deployment.served_name) == (
        "live",
        "http://127.0.0.1:1",
        "served",
    )
    for _ in range(2):
        deployment_retire(deployment)
    deployment_fail(deployment, "too late")
    deployment_mark_live(deployment, Served(base_url="http://127.0.0.1:2", served_name="served"))
    assert (deployment.state, deployment.error) == ("retired", "")
    newer = deployment_request(name="base", checkpoint=checkpoint, replaces=deployment)
    assert newer != deployment
    deployment_fail(newer, "no memory")
    assert (newer.state, newer.error) == ("failed", "no memory")


def test_a_server_of_someone_elses_is_live_at_once(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, "base")
    deployment = deployment_register(
        name="theirs", checkpoint=checkpoint, base_url="http://127.0.0.1:1", served_name="m"
    )
    assert (deployment.state, deployment.managed) == ("live", False)
    with pytest.raises(Conflict):
        deployment_register(name="theirs", checkpoint=checkpoint, base_url="http://x", served_name="m")


def test_models_are_shown_to_reviewers_and_hidden_from_annotators(tmp_path: Path, client: Client) -> None:
    base = make_checkpoint(tmp_path, "base")
    make_checkpoint(tmp_path, "sft", (base, "initial"))
    deployment_request(name="base", checkpoint=base)
    paths = ["/api/v1/checkpoints", "/api/v1/checkpoints/sft", "/api/v1/deployments"]
    client.force_login(user_create(username="ann"))
    assert [client.get(path).status_code for path in paths] == [403, 403, 403]
    client.force_login(user_create(username="rev", role=Role.REVIEWER))
    checkpoints, sft, deployments = (client.get(path).json() for path in paths)
    assert [row["name"] for row in checkpoints] == ["sft", "base"]
    assert sft["lineage"] == [{"child": "sft", "parent": "base", "role": "initial", "depth": 1}]
    assert [(row["name"], row["state"], row["checkpoint"]) for row in deployments] == [
        ("base", "requested", "base")
    ]
    assert client.get("/api/v1/checkpoints?kind=base").json() == []
    assert client.get("/api/v1/checkpoints?kind=nonsense").status_code == 422
    assert client.get("/api/v1/checkpoints/none").status_code == 404
    assert client.get("/api/v1/checkpoints/a%00b").status_code == 404
    assert client.get("/api/v1/deployments?state=live").json() == []


def test_the_admin_shows_checkpoints_but_changes_none(tmp_path: Path, client: Client) -> None:
    base = make_checkpoint(tmp_path, "base")
    deployment_request(name="base", checkpoint=base)
    client.force_login(user_create(username="root", role=Role.ADMIN))
    assert client.get("/admin/registry/checkpoint/").status_code == 200
    assert client.get(f"/admin/registry/checkpoint/{base.pk}/change/").status_code == 200
    assert client.get("/admin/registry/checkpoint/add/").status_code == 403
    assert client.get("/admin/registry/deployment/").status_code == 200
    assert Deployment.objects.count() == 1
