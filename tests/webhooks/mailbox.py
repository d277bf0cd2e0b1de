"""A mail server on loopback: speaks as much SMTP as a client needs, keeps what it took, fails when told."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage


class Mailbox:
    """What arrived."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.failures: list[str] = []
        """Answers to the next mails' content in place of "250": each is used once."""
        box = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 test")
                while line := self.rfile.readline().strip().upper():
                    if line == b"DATA":
                        self._say("354 go on")
                        self._take()
                    elif line == b"QUIT":
                        self._say("221 bye")
                        return
                    else:
                        self._say("250 ok")

            def _take(self) -> None:
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line)
                if box.failures:
                    self._say(box.failures.pop(0))
                    return
                mail = message_from_bytes(b"".join(lines), policy=policy.default)
                assert isinstance(mail, EmailMessage)
                box.mails.append(mail)
                self._say("250 taken")

            def _say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server.server_address[1])


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A running one."""
    box = Mailbox()
    thread = threading.Thread(target=box.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield box
    finally:
        box.server.shutdown()
        box.server.server_close()
        thread.join()
