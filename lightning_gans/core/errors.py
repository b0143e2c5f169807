"""Errors that a user can fix: shown as one paragraph without a traceback."""

from typing import Literal

Cause = Literal["data", "network", "loss", "gradient"]


class UserError(Exception):
    """Error that a user can fix: its message gives the value, what would fit and what to type next (exit code 2)."""


class Diverged(Exception):
    """Divergence: a number became NaN or infinite (exit code 3). The message names the first one and its iteration.

    Attributes:
        cause: "data", a training batch; "network", the output of a network of the player; "loss", a term of the
            player's loss; "gradient", the player's gradient, where its loss was finite.
        player: the player to blame; "" for data.
    """

    def __init__(self, message: str, *, cause: Cause = "loss", player: str = "") -> None:
        super().__init__(message)
        self.cause: Cause = cause
        self.player = player
