"""What a user or a client can mend: each error is one sentence that says what to do, with an HTTP status."""


class AccordError(Exception):
    """The base; the API answers with `status` and the sentence."""

    status = 400


class NotFound(AccordError):
    """There is no such thing, or none that this person may know of."""

    status = 404


class Forbidden(AccordError):
    """It is there, but not for this person."""

    status = 403


class Conflict(AccordError):
    """It cannot be done in the present state of things."""

    status = 409


class Gone(AccordError):
    """It was there and is over."""

    status = 410


class Invalid(AccordError):
    """A value is wrong."""

    status = 422


class SignInFailed(AccordError):
    """Somebody is not signed in; the sentence says why and what to do."""

    status = 401


class Unavailable(AccordError):
    """Something outside that is needed does not answer: trying again later may help."""

    status = 503
