"""Requests that we would make for somebody else (server-side request forgery): judges, beside webhooks."""

import socket
from pathlib import Path
from typing import Any

import pytest

from alignment.programs import JudgeConfig
from alignment.quality.judging import object_form
from alignment.sampling.chat_endpoint import ChatEndpoint
from alignment.sampling.outside_address import check_outside
from pretrain.run import ProgramError
from tests.alignment.sampling.fake_judge import judge_on_loopback

INSIDE = (
    "http://169.254.169.254/latest/meta-data",
    "http://[::ffff:169.254.169.254]/v1",
    "http://2852039166/v1",
    "http://0xa9fea9fe/v1",
    "http://[fe80::1]/v1",
    "http://[fd00:ec2::254]/v1",
    "http://100.100.100.200/v1",
    "http://224.0.0.1/v1",
    "http://0.0.0.0/v1",
)


@pytest.mark.parametrize("url", INSIDE)
def test_a_judge_is_not_where_a_machine_keeps_its_secrets(url: str) -> None:
    with pytest.raises(ProgramError, match="where machines keep their own secrets"):
        ChatEndpoint(JudgeConfig(url=url, model="m"), otherwise="stop.")


def test_a_name_that_leads_there_is_no_better(monkeypatch: pytest.MonkeyPatch) -> None:
    def answered(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:  # Any: as socket has it
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in ("1.1.1.1", "169.254.1.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answered)
    with pytest.raises(ProgramError, match="machines keep their own secrets"):
        check_outside("https://judge.example/v1")


@pytest.mark.parametrize("url", ["ftp://judge/v1", "http://user:word@judge/v1", "http:///v1"])
def test_what_is_no_address_of_a_judge_is_refused(url: str) -> None:
    with pytest.raises(ProgramError, match=r"must be http\(s\)"):
        check_outside(url)


def test_a_judge_cannot_send_us_elsewhere(tmp_path: Path) -> None:
    with judge_on_loopback() as judge:
        judge.statuses = [302]
        with (
            ChatEndpoint(judge.config, otherwise="stop.", sleep=lambda _: None) as endpoint,
            pytest.raises(ProgramError, match="stop"),
        ):
            endpoint.reply([{"role": "user", "content": "?"}], object_form({}))
        assert judge.requests == []
