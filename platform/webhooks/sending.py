"""One POST to a checked address: no redirects, no proxy, no cookies, a bounded answer, a bounded time."""

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping

from webhooks.guard import Target

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
MOST_ANSWER_BYTES = 4096


class SendingFailed(Exception):
    """The endpoint could not be reached or did not answer in time; says which, and no more of the network."""


class _Pinned(http.client.HTTPConnection):
    """A connection to addresses that are given, whatever the host's name would resolve to now."""

    def __init__(self, target: Target, tls: ssl.SSLContext | None) -> None:
        super().__init__(target.host, target.port, timeout=CONNECT_SECONDS)
        self._target = target
        self._tls = tls

    def connect(self) -> None:
        """Try one address after the other."""
        error: OSError | None = None
        for address in self._target.addresses:
            try:
                connected = socket.create_connection((address, self._target.port), CONNECT_SECONDS)
            except OSError as refused:
                error = refused
                continue
            if self._tls is not None:
                connected = self._tls.wrap_socket(connected, server_hostname=self._target.host)
            self.sock = connected
            return
        raise error or OSError("no address")


def post(target: Target, body: bytes, headers: Mapping[str, str], *, seconds: float = TOTAL_SECONDS) -> int:
    """Send the body; the status of the answer, whose content is read a little and thrown away.

    Raises SendingFailed. A redirect is an answer like others: nobody follows it.
    """
    tls = ssl.create_default_context() if target.scheme == "https" else None
    connection = _Pinned(target, tls)
    # A server that sends one byte a second would never run into a timeout of the socket.
    watchdog = threading.Timer(seconds, _cut, [connection])
    watchdog.daemon = True
    watchdog.start()
    try:
        connection.request("POST", target.path, body, {"Host": _host(target), **headers})
        answer = connection.getresponse()
        answer.read(MOST_ANSWER_BYTES)
        return answer.status
    except TimeoutError as error:
        raise SendingFailed("It did not answer in time.") from error
    except ssl.SSLError as error:
        raise SendingFailed("Its certificate or TLS is not in order.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SendingFailed("It cannot be reached, or broke off the connection.") from error
    finally:
        watchdog.cancel()
        connection.close()


def _cut(connection: _Pinned) -> None:
    """End whatever the connection waits for."""
    if connection.sock is not None:
        try:
            connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:  # it has ended by itself
            return


def _host(target: Target) -> str:
    name = f"[{target.host}]" if ":" in target.host else target.host
    usual = 443 if target.scheme == "https" else 80
    return name if target.port == usual else f"{name}:{target.port}"
