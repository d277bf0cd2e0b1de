"""What an e-mail about an event says, and sending it. No texts of people, no model: a link to the page."""

import smtplib
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.core.mail import EmailMessage

from webhooks.events import Event

WORDS = {
    Event.PING: "A try: e-mails from Accord arrive",
    Event.ROUND_FINISHED: "{project}, round {number}: finished",
    Event.ROUND_FAILED: "{project}, round {number}: failed in {stage}",
    Event.ROUND_STUCK: "{project}, round {number}: no progress in {stage}",
    Event.GATE_WAITING: "{project}, round {number}: waits at its gate",
    Event.DEPLOY_FINISHED: "{project}: release {release} answers now",
    Event.DEPLOY_FAILED: "{project}: release {release} could not be deployed, or lost a model",
    Event.DEPLOY_ROLLED_BACK: "{project}: rolled back, release {release} answers now",
    Event.DISK_LOW: "The disk is nearly full: {free_gib} GiB are free",
}
"""The subject; the text begins with it."""

ADVICE = {
    Event.ROUND_FAILED: "The page says why, and offers to retry.",
    Event.ROUND_STUCK: "See the program's log, and whether a worker of its queue is running.",
    Event.GATE_WAITING: "Decide at the gate, or compare the pairs that it asks for.",
    Event.DEPLOY_FAILED: "What answered before goes on where it can. The page says what is wrong.",
    Event.DISK_LOW: "Make room before programs end for the lack of it: old run folders, unused checkpoints.",
}


class MailFailed(Exception):
    """It could not be sent; says why, in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Mail:
    """Subject and text."""

    subject: str
    text: str


def mail_of(event: str, data: Mapping[str, object], *, site_url: str) -> Mail:
    """The e-mail about an event."""
    known = Event(event)
    subject = WORDS[known].format_map({name: str(value).replace("_", " ") for name, value in data.items()})
    lines = [f"{subject}.", ADVICE.get(known, ""), f"{site_url}{_path(known, data)}"]
    chosen = f"You chose this under Account, Notifications: {site_url}/account/notifications/"
    return Mail(subject=f"[Accord] {subject}", text="\n\n".join([*filter(None, lines), chosen]) + "\n")


def mail_send(mail: Mail, *, to: str, message_id: str) -> None:
    """Send it; the same `message_id` in each attempt lets a mailbox drop a repeat. Raises MailFailed."""
    if not settings.EMAIL_HOST:
        raise MailFailed("No mail server is set: the site's operator sets EMAIL_URL and EMAIL_FROM.")
    if not to:
        raise MailFailed("The account has no e-mail address: enter one under Notifications.")
    headers = {"Message-ID": f"<{message_id}@accord>", "Auto-Submitted": "auto-generated"}
    try:
        EmailMessage(mail.subject, mail.text, None, [to], headers=headers).send()
    except smtplib.SMTPRecipientsRefused as error:
        raise MailFailed("The mail server refused the address.") from error
    except smtplib.SMTPAuthenticationError as error:
        raise MailFailed("The mail server refused the name or password of EMAIL_URL.") from error
    except (smtplib.SMTPException, OSError) as error:
        # Not the server's own words: they may quote the address or the password's user.
        raise MailFailed(f"The mail server did not take it ({type(error).__name__}).") from error


def _path(event: Event, data: Mapping[str, object]) -> str:
    if "round" in data:
        return f"/rounds/{data['round']}/"
    if "release" in data:
        return f"/projects/{data['project']}/deployments/"
    return "/rounds/" if event is Event.DISK_LOW else "/account/notifications/"
