"""Proves what a vLLM server holds, and moves weights into it while it runs. HTTP alone, no torch.

Comes in: the base URL of a server started by `alignment.sampling.serve` (or of somebody else's, to prove), a
checkpoint folder. A server answers nobody from the beginning of an exchange until its owner opens it again,
which it does once the canary has proved the weights; where it has not, the server stays shut.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from alignment.canary import TOLERANCE, Canary, canary_difference, engine_precision, read_canary

READY_SECONDS = 2.0
"""How long to wait for a server that may not be up."""

PROOF_SECONDS = 60.0
"""How long a server may take for the canary's few tokens; the first request of a fresh one warms it up."""

SWAP_SECONDS = 300.0
"""How long one step of an exchange may take: answers that were begun are finished first."""


class CanaryError(Exception):
    """It is not proved that the server holds the weights."""


class CanaryUnanswered(CanaryError):
    """The server did not tell the log-probabilities: it may hold the right weights or not."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """How near a server's log-probabilities of the canary's text are to the checkpoint's."""

    difference: float
    """Mean absolute."""
    tolerance: float
    """At most this, or there would be no proof."""


def server_ready(base_url: str) -> bool:
    """Whether the server is up and can answer."""
    try:
        return httpx.get(f"{base_url}/health", timeout=READY_SECONDS).is_success
    except httpx.TransportError:
        return False


def server_prove(base_url: str, folder: Path, *, served_name: str | None = None) -> Proof | None:
    """Prove that a running server holds the weights of `folder`; None where the folder has no canary.

    Raises CanaryError with the numbers where it holds others, CanaryUnanswered where it does not tell.
    """
    canary = read_canary(folder)
    if canary is None:
        return None
    try:
        with httpx.Client(base_url=base_url, timeout=PROOF_SECONDS) as server:
            return _proof(server, canary, folder, served_name)
    except (httpx.HTTPError, KeyError, ValueError, TypeError, IndexError) as error:
        raise CanaryUnanswered(f"{base_url} did not tell log-probabilities: {error!r}.") from error


def server_label(base_url: str, checkpoint: str) -> None:
    """Tell the gate of an open server of ours which checkpoint, by its content hash, it holds."""
    headers = {"Accord-Checkpoint": checkpoint}
    httpx.post(f"{base_url}/gate/open", headers=headers, timeout=PROOF_SECONDS).raise_for_status()


class ServerExchange:
    """The exchange of one running server's weights: shut, load, open; or load the old again, and open."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._headers = {"X-Gate-Key": secrets.token_hex(16)}

    def shut(self) -> None:
        """Answer nobody from now on; comes back when the requests that came before are answered."""
        self._ask("/gate/close")

    def load(self, folder: Path) -> Proof:
        """Move the weights of `folder` into the shut server and prove it.

        Raises CanaryError with the numbers where the server's log-probabilities are not the folder's, and
        with the reason where they could not be compared.
        """
        canary = read_canary(folder)
        if canary is None:
            raise CanaryError(f"{folder} has no canary.json to check an exchange of weights with.")
        try:
            with self._client() as server:
                arguments = {"weights_path": str(folder)}
                _post(server, "/collective_rpc", json={"method": "reload_weights", "kwargs": arguments})
                # vLLM keeps the prompts that the old weights have read otherwise.
                if not _post(server, "/reset_prefix_cache").json()["success"]:
                    raise CanaryError("The server could not empty its prefix cache of the old weights' work.")
                return _proof(server, canary, folder, None)
        except httpx.HTTPError as error:
            raise self._broken(error) from error

    def open(self, checkpoint: str | None = None) -> None:
        """Answer again, and to nobody who asks for another checkpoint than this content hash."""
        self._ask("/gate/open", {} if checkpoint is None else {"Accord-Checkpoint": checkpoint})

    def _ask(self, path: str, headers: dict[str, str] | None = None) -> None:
        try:
            with self._client() as server:
                _post(server, path, headers=headers)
        except httpx.HTTPError as error:
            raise self._broken(error) from error

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self._base_url, timeout=SWAP_SECONDS, headers=self._headers)

    def _broken(self, error: httpx.HTTPError) -> CanaryError:
        return CanaryError(f"The exchange of weights at {self._base_url} broke off: {error!r}.")


def server_swap(base_url: str, folder: Path, *, checkpoint: str | None = None) -> Proof:
    """Move the weights of `folder` into one running server, prove it, and let it answer again.

    Raises what `ServerExchange.load` raises; the server stays shut then.
    """
    if read_canary(folder) is None:
        raise CanaryError(f"{folder} has no canary.json to check an exchange of weights with.")
    exchange = ServerExchange(base_url)
    exchange.shut()
    proof = exchange.load(folder)
    exchange.open(checkpoint)
    return proof


def _proof(server: httpx.Client, canary: Canary, folder: Path, served_name: str | None) -> Proof:
    tolerance = TOLERANCE[engine_precision(folder)]
    found = _server_logprobs(server, canary.token_ids, served_name)
    difference = canary_difference(canary, found)
    # Not `>`: a server that says NaN has proved nothing.
    if not difference <= tolerance:
        raise CanaryError(
            f"The server's log-probabilities are {difference:.4f} away from those of {folder}, more than "
            f"{tolerance}: it holds other weights."
        )
    return Proof(difference=difference, tolerance=tolerance)


def _server_logprobs(server: httpx.Client, token_ids: Sequence[int], served_name: str | None) -> list[float]:
    """The log-probability of each token but the first, from the server."""
    body = {"prompt": list(token_ids), "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
    named = {} if served_name is None else {"model": served_name}
    (choice,) = _post(server, "/v1/completions", json=body | named).json()["choices"]
    told: list[dict[str, dict[str, Any]]] = choice["prompt_logprobs"][1:]  # Any: vLLM's figures of a token
    return [
        float(logprobs[str(token_id)]["logprob"])
        for token_id, logprobs in zip(token_ids[1:], told, strict=True)
    ]


def _post(server: httpx.Client, path: str, **arguments: Any) -> httpx.Response:  # Any: httpx's own
    return server.post(path, **arguments).raise_for_status()
