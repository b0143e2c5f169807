"""Protocols of models and of parts of a game: code depends on a model's abilities, not on its class."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor, nn

Direction = Literal["a2b", "b2a"]
DIRECTIONS: tuple[Direction, ...] = ("a2b", "b2a")


@runtime_checkable
class Samples(Protocol):
    """Model that samples. `sample` returns global indices start .. start + n - 1; equal seeds give equal samples."""

    def sample(self, n: int, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class SamplesByLabel(Protocol):
    """Class-conditional model: samples one class in 0 .. classes - 1, or one class for each of n samples.

    Without `label`, classes are drawn at random; `labels` returns them, (n,) int64.
    """

    classes: int

    def sample(
        self, n: int, *, label: int | Sequence[int] | Tensor | None = None, seed: int = 0, start: int = 0
    ) -> Tensor: ...

    def labels(self, n: int, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class SamplesByCondition(Protocol):
    """Model that samples for condition vectors of `condition_dim` components, in the data's own units.

    Without `condition`, conditions are drawn at random; `conditions` returns them, (n, condition_dim).
    """

    condition_dim: int

    def sample(self, n: int, *, condition: Any = None, seed: int = 0, start: int = 0) -> Tensor: ...

    def conditions(self, n: int, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class Interpolates(Protocol):
    """Model with a latent space: samples along linear or great-circle paths, (rows, steps, *sample_shape)."""

    def interpolate(self, rows: int, steps: int, *, seed: int = 0) -> Tensor: ...


@runtime_checkable
class SamplesFromCodes(Protocol):
    """Model x = G(z) with codes z of a prior: decodes paths between codes, and `sample` accepts a truncation.

    codes: of samples chunk * 64 ... chunk * 64 + 63, (64, prior.dim). path: "spherical" or "linear".
    """

    def codes(self, chunk: int, *, seed: int = 0, truncation: float | None = None) -> Tensor: ...

    def interpolate(
        self,
        rows: int,
        steps: int,
        *,
        seed: int = 0,
        path: Literal["spherical", "linear"] = "spherical",
        truncation: float | None = None,
    ) -> Tensor: ...


@runtime_checkable
class Calibrates(Protocol):
    """Model whose batch-norm statistics can be re-estimated for its current weights."""

    def calibrate(self) -> None: ...


@runtime_checkable
class CalibratesOnSamples(Protocol):
    """Model with an encoder or classifier whose batch-norm statistics can be re-estimated from samples."""

    def calibrate_on(self, batches: Iterable[Tensor]) -> None: ...


@runtime_checkable
class DetectsMemorisation(Protocol):
    """Game that measures overfitting of D: 0 if held-out samples look real to D, 1 if they look generated.

    Batches have the game's own type.
    """

    def memorisation(self, train: Any, held_out: Any, generated: Any) -> float: ...


@runtime_checkable
class Discriminates(Protocol):
    """Game whose D judges samples one by one: higher logits for samples that look real.

    logits: samples (N, ...) -> (N,), D in eval mode and its inputs not augmented; None if D judges several samples
    together, or has other inputs than the sample. boundary: the logit that separates real from generated samples; None
    for a critic, whose zero has no meaning.
    """

    def logits(self, x: Tensor) -> Tensor | None: ...

    @property
    def boundary(self) -> float | None: ...


@runtime_checkable
class ScoresPairs(Protocol):
    """Network with embeddings of queries and documents, which can score some documents without the others.

    pairs: query (N,), document (N, S) int64 -> scores, and half the squared norms of the documents' and the queries'
    embeddings: (N, S), (N, S), (N, 1).
    """

    def pairs(self, query: Tensor, document: Tensor) -> tuple[Tensor, Tensor, Tensor]: ...


@runtime_checkable
class Encodes(Protocol):
    """Model that infers codes. encode: samples (N, ...) -> codes (N, d); features: -> (N, f), the last hidden layer."""

    def encode(self, x: Tensor) -> Tensor: ...

    def features(self, x: Tensor) -> Tensor: ...


@runtime_checkable
class Reconstructs(Encodes, Protocol):
    """Model that reconstructs samples from their codes.

    reconstruct: samples (N, ...) -> (N, ...). between: two batches (N, ...) -> (N, steps, ...), samples decoded along
    straight lines from the codes of the first to those of the second.
    """

    def reconstruct(self, x: Tensor) -> Tensor: ...

    def between(self, a: Tensor, b: Tensor, steps: int) -> Tensor: ...


@runtime_checkable
class Traverses(Protocol):
    """Model that traverses its codes: (axes, steps, *sample_shape); row i varies axis i and keeps all else fixed.

    start: index of the sample that is kept fixed, among those of `seed`.
    """

    def traverse(self, steps: int, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class Categorises(Protocol):
    """Model with a categorical code. category: samples (N, ...) -> (N,) int64, 0 .. categories - 1."""

    categories: int

    def category(self, x: Tensor) -> Tensor: ...


@runtime_checkable
class Classifies(Protocol):
    """Classifier of classes 0 .. classes - 1: samples (N, ...) -> probabilities (N, classes), in eval mode."""

    classes: int

    def classify(self, x: Tensor) -> Tensor: ...


@runtime_checkable
class TellsDomains(Protocol):
    """Model that predicts the domain of a sample from features that it learns.

    features: samples (N, ...) -> (N, f). domain: samples -> probabilities (N, 2) of source and target. Both in eval
    mode.
    """

    def features(self, x: Tensor) -> Tensor: ...

    def domain(self, x: Tensor) -> Tensor: ...


@runtime_checkable
class Evaluates(Protocol):
    """Model with a density that can be estimated (likelihood).

    log_likelihood: samples (N, ...) -> (N,) float64, log p(x) in nats, by importance sampling with `samples` codes
    each. The codes follow from (seed, index of the sample); the first one's index is `start`.
    """

    def log_likelihood(self, x: Tensor, *, samples: int, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class Descends(Protocol):
    """Energy-based model: samples by descending its energy.

    energy: samples (N, *shape) -> (N,). evolution: the chains of the first n samples at `frames` times, from noise to
    the end, (n, frames, *shape).
    """

    shape: tuple[int, ...]

    def energy(self, x: Tensor) -> Tensor: ...

    def evolution(self, n: int, frames: int, *, seed: int = 0) -> Tensor: ...


@runtime_checkable
class Inpaints(Protocol):
    """Model that inpaints: completes samples that are known in part.

    inpaint: samples (N, *shape), known: bool that broadcasts to them -> (N, *shape), unchanged where known. Row i uses
    the noise of global index start + i.
    """

    shape: tuple[int, ...]

    def inpaint(self, x: Tensor, known: Tensor, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class Translates(Protocol):
    """Model that translates images between two domains, (N, A, H, W) to (N, B, H, W) in [-1, 1], or back.

    channels: A for "a2b", B for "b2a". check: raises UserError for a size that `translate` does not support.
    """

    def channels(self, direction: Direction) -> int: ...

    def check(self, height: int, width: int) -> None: ...

    def translate(self, x: Tensor, direction: Direction) -> Tensor: ...


@runtime_checkable
class GeneratesFromImages(Protocol):
    """Model that generates an output for an input image: (N, A, H, W) in [-1, 1] -> (N, B, H, W).

    generate: row i uses the noise of global index start + i. channels: A. image_size: H and W; None: any size that
    `check` accepts. check: raises UserError for any other size.
    """

    @property
    def channels(self) -> int: ...

    @property
    def image_size(self) -> int | None: ...

    def check(self, height: int, width: int) -> None: ...

    def generate(self, x: Tensor, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class Converts(Protocol):
    """Voice conversion model with content and speaker codes. content, speaker: samples (N, ...) -> codes (N, d).

    convert: two batches (N, ...) -> (N, ...), the content of the first in the voices of the second.
    """

    def content(self, x: Tensor) -> Tensor: ...

    def speaker(self, x: Tensor) -> Tensor: ...

    def convert(self, x: Tensor, like: Tensor) -> Tensor: ...


@runtime_checkable
class Ranks(Protocol):
    """Model that ranks documents. score: queries (N, ...) -> (N, documents), higher is more relevant; in eval mode."""

    def score(self, query: Tensor) -> Tensor: ...


class OffersFeatures(Protocol):
    """Network that is linear in its features: samples (N, ...) -> `features` (N, feature_dim)."""

    feature_dim: int

    @property
    def features(self) -> nn.Module: ...


class DiscriminatorAugmentation(Protocol):
    """Augmentation of D's inputs: samples (N, ...), `numbers` uniform numbers each -> samples (N, ...)."""

    numbers: int

    def __call__(self, x: Tensor, uniform: Tensor) -> Tensor: ...


@runtime_checkable
class FollowsRun(Protocol):
    """Part of a game that changes over the run; updated before every iteration, equally on every rank."""

    def follow(self, progress: float) -> None:
        """Update to this share of the run, in [0, 1]."""


@runtime_checkable
class AdaptiveAugmentation(DiscriminatorAugmentation, Protocol):
    """Adaptive augmentation: adjusted after each step of D, from D's margins on real samples.

    p: () in [0, 1], probability of the augmentation; saved in checkpoints, equal on all ranks.
    """

    p: Tensor

    def observe(self, margins: Tensor) -> None: ...

    def adapt(self, average: Callable[[Tensor], Tensor], *, images: int) -> None: ...
