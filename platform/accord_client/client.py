"""The client: one person at one site, over kept connections. May be shared by threads.

Every method raises an ApiError with the server's sentence where it says no, and ConnectionLost where it
stays out of reach.
"""

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from accord_client.downloading import Parameters, download
from accord_client.errors import raise_for
from accord_client.retrying import Retrying
from accord_client.shapes import (
    Comparison,
    Encoding,
    FlagReason,
    Format,
    Judgement,
    Manifest,
    Project,
    Side,
    Strength,
)

TIMEOUT_SECONDS = 30.0


class AccordClient:
    """Accord's API under `url`, as the person whose token this is."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        retrying: Retrying = Retrying(),  # noqa: B008  # frozen
    ) -> None:
        self._retrying = retrying
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def projects(self) -> list[Project]:
        """The caller's projects."""
        return [Project.model_validate(each) for each in self._ask("GET", "/projects").json()]

    def project(self, slug: str) -> Project:
        """One project with its guidelines."""
        return Project.model_validate(self._ask("GET", f"/projects/{slug}").json())

    def next(self, project: str) -> Comparison | None:
        """The comparison in hand, else a new one; None where there is none for the caller."""
        # Safe: asked again, the server hands out the same one.
        response = self._ask("POST", f"/projects/{project}/next", body={})
        return None if response.status_code == httpx.codes.NO_CONTENT else _comparison(response)

    def judge(
        self,
        comparison: Comparison,
        *,
        preferred: Side,
        strength: Strength,
        edited: str | None = None,
        reasons: Sequence[str] = (),
        comment: str = "",
        seconds: float | None = None,
        safety: Mapping[Side, Sequence[str]] | None = None,
        key: str | None = None,
    ) -> Judgement:
        """Judge; `edited` is the preferred answer as it should be, `safety` what is unsafe in each answer.

        However often a broken connection makes this ask, the judgement counts once. To go on after a crash of
        your own, give the same `key` again.
        """
        response = self._ask(
            "POST",
            f"/comparisons/{comparison.id}/judgement",
            body={
                "lease": str(comparison.lease),
                "preferred": preferred,
                "strength": strength,
                "edited": edited,
                "reasons": list(reasons),
                "comment": comment,
                "seconds": seconds,
                **({} if safety is None else {"safety": {side: list(safety[side]) for side in safety}}),
            },
            headers={"Idempotency-Key": key or str(uuid.uuid4())},
        )
        return Judgement.model_validate(response.json())

    def draft(self, comparison: Comparison, **fields: Any) -> None:  # Any: fields of the API's draft
        """Keep what is chosen and written so far, and the comparison in hand."""
        body = {**fields, "lease": str(comparison.lease)}
        self._ask("PUT", f"/comparisons/{comparison.id}/draft", body=body)

    def skip(self, comparison: Comparison, *, reason: str = "") -> None:
        """Leave this one to others."""
        body = {"lease": str(comparison.lease), "reason": reason}
        self._ask("POST", f"/comparisons/{comparison.id}/skip", body=body, safe=False)

    def flag(self, comparison: Comparison, *, reason: FlagReason, comment: str = "") -> None:
        """Take this one out of everybody's hands, for a reviewer to look at."""
        body = {"lease": str(comparison.lease), "reason": reason, "comment": comment}
        self._ask("POST", f"/comparisons/{comparison.id}/flag", body=body, safe=False)

    def turn(self, dialog: int, content: str) -> Comparison:
        """Say the next thing in a dialog, and wait for the two answers to it."""
        # Safe: the same message again is the same turn.
        return _comparison(self._ask("POST", f"/dialogs/{dialog}/turn", body={"content": content}))

    def manifest(self, project: str, **parameters: Any) -> Manifest:  # Any: as of `export`
        """What `export` would give right now."""
        asked = _parameters(parameters)
        response = self._ask("GET", f"/projects/{project}/export/manifest", parameters=asked, timeout=None)
        return Manifest.model_validate(response.json())

    def export(
        self,
        project: str,
        path: str | Path,
        *,
        format: Format = "accord",  # the API's word
        encoding: Encoding | None = None,
        chosen: Mapping[str, Any] | None = None,  # Any: values of the API's parameters
    ) -> Manifest:
        """Write the project's judgements to `path`, and their manifest beside it.

        `encoding` follows from the path's ending where it is not given. `chosen` filters, by the API's names:
        `{"round": [1, 2], "strength": ["better"], "from": "2026-01-31", "edited": True}`, or
        `{"saved": "a filter's name"}`. Broken off, the download starts again; `path` is whole or as it was.
        Raises ExportMismatch if what came never was what its manifest said.
        """
        path = Path(path)
        asked = _parameters({**(chosen or {}), "format": format, "encoding": encoding or _encoding_of(path)})
        return download(self._http, self._retrying, project, path, asked)

    def _ask(
        self,
        method: str,
        address: str,
        *,
        body: Mapping[str, Any] | None = None,  # Any: JSON
        parameters: Parameters = (),
        headers: Mapping[str, str] | None = None,
        safe: bool = True,
        timeout: float | None = -1.0,
    ) -> httpx.Response:
        given = httpx.USE_CLIENT_DEFAULT if timeout == -1.0 else timeout
        response = self._retrying.call(
            lambda: self._http.request(
                method, address, json=body, params=list(parameters), headers=headers, timeout=given
            ),
            safe=safe,
        )
        raise_for(response)
        return response


def _comparison(response: httpx.Response) -> Comparison:
    return Comparison.model_validate(response.json()["comparison"])


def _parameters(chosen: Mapping[str, Any]) -> Parameters:  # Any: text, numbers, days, or several of them
    pairs: list[tuple[str, str]] = []
    for name, value in chosen.items():
        values = value if isinstance(value, list | tuple | set | frozenset) else [value]
        pairs.extend(
            (name, "true" if each is True else str(each)) for each in values if each not in (None, False)
        )
    return pairs


def _encoding_of(path: Path) -> str:
    for encoding in ("jsonl.gz", "jsonl", "parquet"):
        if path.name.endswith(f".{encoding}"):
            return encoding
    raise ValueError(f"{path.name} must end in .jsonl, .jsonl.gz or .parquet, or name the encoding.")
