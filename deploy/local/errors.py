"""What can go wrong with the local stack, said in one sentence to the person who starts it."""


class StackError(Exception):
    """The local stack cannot start or go on; the sentence says why and what to do."""
