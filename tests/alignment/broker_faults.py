"""Settings, for DJANGO_SETTINGS_MODULE, of a Celery worker whose broker does what brokers do.

The broker is a real Valkey. With `BROKER_FAULT=twice` every message is put into its queue two times, as two
deliveries; with `BROKER_FAULT=late` a message that no worker has begun within a second is given to another.
What a worker receives is logged.
"""

import copy
import os
import uuid
from typing import Any

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import Channel, Transport

from accord.settings import *  # noqa: F403  # the site's settings, with a few others
from accord.settings import LOGGING as SITE_LOGGING

FAULT = os.environ["BROKER_FAULT"]


class TwiceChannel(Channel):
    """Puts every message twice."""

    def _put(self, queue: str, message: dict[str, Any], **options: Any) -> None:  # Any: kombu's own
        again = copy.deepcopy(message)
        again["properties"]["delivery_tag"] = str(uuid.uuid4())
        for each in (message, again):
            super()._put(queue, each, **options)


class TwiceTransport(Transport):
    """Valkey, every message twice."""

    Channel = TwiceChannel


if FAULT == "twice":
    TRANSPORT_ALIASES["redis"] = f"{__name__}:TwiceTransport"
if FAULT == "late":
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 1}

LOGGING = {**SITE_LOGGING, "loggers": {"celery.beat": {"level": "WARNING"}}}
