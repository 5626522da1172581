"""The error that the embedded stack raises."""


class StackError(Exception):
    """The stack cannot start or continue. The message gives the reason and what to do, in plain
    words."""
