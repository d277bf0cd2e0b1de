"""The web server on a socket that the supervisor already listens on.

    python -m deploy.local.web FILE_DESCRIPTOR

So the port is chosen once without a race, and a restarted web server answers the requests that came
while it was away.
"""

import socket
import sys

import uvicorn

SECONDS_TO_FINISH = 2
"""How long open requests and event streams may go on after SIGTERM."""


def main() -> None:
    """Serve until SIGTERM."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    config = uvicorn.Config(
        "accord.asgi:application",
        lifespan="off",
        access_log=False,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
