"""InfoGAN model: a generator of noise and codes, and a recognition network of the codes."""

from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from lightning_gans.core.prior import Axis, Categorical, Mixed, Normal, Prior, Uniform
from lightning_gans.models.inference import EncodingModel


class InfoGANModel(EncodingModel):
    """InfoGAN model x = G(z, c), z ~ noise, c ~ codes, with q(c | x) (Chen et al. 2016, 1606.03657).

    The prior concatenates noise and codes. q is a categorical distribution for a categorical code, and a Gaussian of
    variance 1 for any other. The first categorical code, if there is one, sorts samples into `categories`.

    Args:
        generator: (z, c) (N, noise.dim + sum of the codes' dims) -> samples (N, ...).
        noise: prior of the numbers that the recognition network q does not recover.
        codes: priors of the codes that q recovers: Categorical, Uniform and Normal, in any number and order.
        encoder: samples (N, ...) -> (N, sum of the codes' dims), logits and means in the order of `codes`: its `head`
            on its `features` (N, feature_dim), which a discriminator may read as well.

    Raises:
        ValueError: no codes, or a code of another kind.
    """

    role: ClassVar[str | None] = "recognition of codes"
    categories: int

    def __init__(self, *, generator: nn.Module, noise: Prior, codes: Sequence[Prior], encoder: nn.Module) -> None:
        known = [isinstance(code, Categorical | Uniform | Normal) for code in codes]
        if not known or not all(known):
            raise ValueError(
                f"codes=[{', '.join(type(code).__name__ for code in codes)}]: one or more, each of them Categorical, "
                "Uniform or Normal"
            )
        super().__init__(generator=generator, prior=Mixed(parts=[noise, *codes]), encoder=encoder)
        self.noise, self.code_priors = noise, tuple(codes)
        categorical = [number for number, code in enumerate(codes) if isinstance(code, Categorical)]
        if categorical:
            self._categorical = categorical[0]
            self.categories = codes[categorical[0]].dim

    @property
    def trunk(self) -> nn.Module:
        """Layers that a discriminator may share: samples (N, ...) -> (N, feature_dim)."""
        return cast(nn.Module, self.encoder.features)

    @property
    def recognition(self) -> nn.Module:
        """Recognition head Q on the discriminator's features: (N, feature_dim) -> (N, sum of the codes' dims)."""
        return cast(nn.Module, self.encoder.head)

    def recognise(self, x: Tensor) -> Tensor:
        """Parameters of q(c | x), with gradients, in the current mode: (N, ...) -> (N, sum of codes' dims)."""
        recognised: Tensor = self.recognition(self.trunk(x))
        return recognised

    def by_code(self, c: Tensor) -> tuple[Tensor, ...]:
        """Split a tensor for all codes (N, sum of their dims), or (z, c), into one (N, code.dim) for each code."""
        dims = [code.dim for code in self.code_priors]
        parts: tuple[Tensor, ...] = c[:, c.shape[1] - sum(dims) :].split(dims, dim=1)
        return parts

    def code(self, x: Tensor) -> Tensor:
        """Mean of c under q(c | x), probabilities and means concatenated: (N, ...) -> (N, sum of the codes' dims)."""
        expected = [
            part.softmax(1) if isinstance(code, Categorical) else part
            for code, part in zip(self.code_priors, self.by_code(self.recognise(x)), strict=True)
        ]
        return torch.cat(expected, dim=1)

    def category(self, x: Tensor) -> Tensor:
        """Most likely value of the first categorical code of samples (N, ...), in eval mode: (N,) int64."""
        return self.by_code(self.encode(x))[self._categorical].argmax(1)

    def traverse(self, steps: int, *, seed: int = 0, start: int = 0) -> Tensor:
        """Latent traversal of sample `start` of `seed`, one code varied at a time, noise fixed: (axes, steps, ...)."""
        axes = [axis for axis in self.prior.axes(steps) if axis.first >= self.noise.dim]
        return self.traversed(axes, seed=seed, start=start)

    def by_category(self, n: int, *, seed: int = 0) -> Tensor:
        """Samples by category: n of each value of the first categorical code, else equal: (categories, n, ...)."""
        before = sum(code.dim for code in self.code_priors[: self._categorical])
        (each,) = self.code_priors[self._categorical].axes(self.categories)
        axis = Axis(self.noise.dim + before, each.values)
        return torch.stack([self.traversed([axis], seed=seed, start=start)[0] for start in range(n)], dim=1)
