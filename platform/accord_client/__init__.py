"""A small typed client of Accord's HTTP API: judge, and take judgements out.

Needs httpx and pydantic alone, nothing of Accord's server.
"""

from accord_client.client import AccordClient
from accord_client.errors import (
    AccordClientError,
    ApiError,
    Conflict,
    ConnectionLost,
    ExportMismatch,
    Forbidden,
    Invalid,
    NotFound,
    ServerError,
    TooManyRequests,
    Unauthorized,
)
from accord_client.retrying import Retrying
from accord_client.shapes import Answer, Comparison, Judgement, Manifest, Message, Project, Safety

__all__ = [
    "AccordClient",
    "AccordClientError",
    "Answer",
    "ApiError",
    "Comparison",
    "Conflict",
    "ConnectionLost",
    "ExportMismatch",
    "Forbidden",
    "Invalid",
    "Judgement",
    "Manifest",
    "Message",
    "NotFound",
    "Project",
    "Retrying",
    "Safety",
    "ServerError",
    "TooManyRequests",
    "Unauthorized",
]
