"""Watches vLLM servers and moves weights into them while they run. Pure: HTTP alone, no torch.

Comes in: the base URL of a server started by `alignment.sampling.serve`, a checkpoint folder of the same
architecture. A server answers nobody from the beginning of an exchange until the canary has proved that
the new weights arrived; where it has not, the server stays shut and its owner starts it anew.
"""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from alignment.canary import TOLERANCE, canary_difference, engine_precision, read_canary

READY_SECONDS = 2.0
"""How long to wait for a server that may not be up."""

SWAP_SECONDS = 300.0
"""How long one step of an exchange may take: answers that were begun are finished first."""


class CanaryError(Exception):
    """It is not proved that the server holds the new weights: start it anew."""


def server_ready(base_url: str) -> bool:
    """Whether the server is up and can answer."""
    try:
        return httpx.get(f"{base_url}/health", timeout=READY_SECONDS).is_success
    except httpx.TransportError:
        return False


def server_swap(base_url: str, folder: Path) -> None:
    """Move the weights of `folder` into a running server and prove it.

    Raises CanaryError with the numbers where the server's log-probabilities are not the folder's, and
    with the reason where they could not be compared; the server stays shut then.
    """
    canary = read_canary(folder)
    if canary is None:
        raise CanaryError(f"{folder} has no canary.json to check an exchange of weights with.")
    key = secrets.token_hex(16)
    with httpx.Client(base_url=base_url, timeout=SWAP_SECONDS, headers={"X-Gate-Key": key}) as server:
        try:
            # Comes back when the requests that came before are answered.
            _post(server, "/gate/close")
            _exchange(server, folder)
            difference = canary_difference(canary, _server_logprobs(server, canary.token_ids))
            if difference > TOLERANCE[engine_precision(folder)]:
                raise CanaryError(
                    f"After the exchange the server's log-probabilities are {difference:.4f} away from "
                    f"those of {folder}, more than {TOLERANCE[engine_precision(folder)]}."
                )
            _post(server, "/gate/open")
        except httpx.HTTPError as error:
            raise CanaryError(f"The exchange of weights at {base_url} broke off: {error!r}.") from error


def _exchange(server: httpx.Client, folder: Path) -> None:
    """The exchange itself, with no request under way."""
    arguments = {"weights_path": str(folder)}
    _post(server, "/collective_rpc", json={"method": "reload_weights", "kwargs": arguments})
    # vLLM keeps the prompts that the old weights have read otherwise.
    if not _post(server, "/reset_prefix_cache").json()["success"]:
        raise CanaryError("The server could not empty its prefix cache, which holds the old weights' work.")


def _server_logprobs(server: httpx.Client, token_ids: Sequence[int]) -> list[float]:
    """The log-probability of each token but the first, from the server."""
    body = {"prompt": list(token_ids), "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
    (choice,) = _post(server, "/v1/completions", json=body).json()["choices"]
    told: list[dict[str, dict[str, Any]]] = choice["prompt_logprobs"][1:]  # Any: vLLM's figures of a token
    return [
        float(logprobs[str(token_id)]["logprob"])
        for token_id, logprobs in zip(token_ids[1:], told, strict=True)
    ]


def _post(server: httpx.Client, path: str, **arguments: Any) -> httpx.Response:  # Any: httpx's own
    return server.post(path, **arguments).raise_for_status()
