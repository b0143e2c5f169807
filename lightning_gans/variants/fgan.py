"""f-GAN: generators trained with any f-divergence."""

from collections.abc import Sequence
from typing import Annotated, Any

from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import Stage
from lightning_gans.losses.adversarial import AdversarialLoss
from lightning_gans.losses.divergences import DIVERGENCES, FDivergence
from lightning_gans.settings import Among
from lightning_gans.variants.simultaneous import SimultaneousGAN


class FGAN(SimultaneousGAN):
    """f-GAN (Nowozin et al. 2016, 1606.00709, Algorithm 1): D and G step simultaneously, with gradients of one pass.

    D, the paper's V under its output activation g_f, ascends E_p g_f(V(x)) - E_z f*(g_f(V(G(z)))), a lower bound of the
    f-divergence; G ascends E_z g_f(V(G(z))), as in the paper's experiments. The settings are GAN's; `loss` is one of
    `losses.divergences`, or else `divergence` names it.

    Args:
        loss: f-divergence of `losses.divergences`.
        divergence: name of the f-divergence, instead of `loss`; short for objective=f_<divergence>.
    """

    def __init__(
        self, *, loss: AdversarialLoss, divergence: Annotated[str, Among(*DIVERGENCES)] | None = None, **settings: Any
    ) -> None:
        if divergence is not None and divergence not in DIVERGENCES:
            raise UserError(f"variant.divergence={divergence}: there is none of that name. {', '.join(DIVERGENCES)}.")
        super().__init__(loss=loss if divergence is None else DIVERGENCES[divergence](), **settings)

    def stages(self) -> Sequence[Stage]:
        if not isinstance(self.loss, FDivergence):
            raise UserError(
                f"f-GAN descends an f-divergence, and {type(self.loss).__name__} is none. Choose objective="
                f"{' or '.join(f'f_{name}' for name in DIVERGENCES)}."
            )
        return super().stages()
