"""Celery's entry points: each calls one function."""

import logging

from celery import shared_task

from accounts.audit.chain import ChainBroken
from accounts.audit.sealing import audit_seal as seal
from accounts.audit.verifying import audit_verify as verify

logger = logging.getLogger(__name__)


@shared_task
def audit_seal() -> None:
    """The clock's tick: link what was written into the chain."""
    seal()


@shared_task
def audit_verify() -> None:
    """Once a day: is the chain whole? The page says so."""
    try:
        verify()
    except ChainBroken as broken:
        logger.error("The audit log is broken: %s", broken)
