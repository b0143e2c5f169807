"""Errors that a user can mend: shown as one paragraph without a traceback."""


class UserError(Exception):
    """A request that cannot be met: says what was given, what would fit and what to type next (exit code 2)."""


class Diverged(Exception):
    """A loss or gradient became NaN or infinite: says which player and at which iteration (exit code 3)."""
