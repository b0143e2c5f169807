"""Check of the training precision, without torch, for checks of a command line."""

from lightning_gans.core.errors import UserError


def check_precision(precision: str | int) -> None:
    """Refuse float16, which needs a loss scale for each player.

    Raises:
        UserError: gives the reason and the precisions that fit.
    """
    if str(precision) in ("16", "16-mixed"):
        raise UserError(
            f"trainer.precision={precision}: float16 needs its losses scaled, and one scale does not fit players who "
            "move in turn. Say trainer.precision=bf16-mixed, which needs none, or 32-true."
        )
    if precision == "16-true":
        raise UserError(
            "trainer.precision=16-true: float16 has no numbers between 0 and 6e-8, so the squares of small gradients "
            "and Adam's eps of 1e-8 become 0, and a step divides by them. Say trainer.precision=bf16-mixed, or 32-true."
        )
