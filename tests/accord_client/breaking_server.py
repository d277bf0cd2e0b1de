"""A server of real connections that answers as a test has written it down, or breaks off."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

BREAK = b""
"""In place of an answer: close the connection."""


@dataclass(kw_only=True)
class BreakingServer:
    """Its address, and the requests that came, whole."""

    url: str
    requests: list[str] = field(default_factory=list)

    def headers(self, name: str) -> list[str]:
        """This header of each request."""
        lines = [line for request in self.requests for line in request.splitlines()]
        return [line.partition(": ")[2] for line in lines if line.lower().startswith(f"{name.lower()}:")]


def answer(status: str, body: bytes = b"{}", *headers: str, length: int | None = None) -> bytes:
    """An answer; with `length` it promises more than it has."""
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", "Content-Type: application/json", *headers]
    return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode() + body


@contextmanager
def breaking_server(answers: Sequence[bytes]) -> Iterator[BreakingServer]:
    """Give these answers to the connections that come, one each."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = BreakingServer(url=f"http://127.0.0.1:{listening.getsockname()[1]}")

        def serve() -> None:
            for said in answers:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    server.requests.append(_request(connection))
                    connection.sendall(said)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server
        # Wakes a thread that waits for a connection that never came.
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _request(connection: socket.socket) -> str:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    size = next(
        (
            int(line.split(b":")[1])
            for line in head.splitlines()
            if line.lower().startswith(b"content-length")
        ),
        0,
    )
    while len(body) < size:
        body += connection.recv(65536)
    return (head + b"\r\n\r\n" + body).decode()
