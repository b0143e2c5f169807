"""Protocols of models and of parts of a game: a model's abilities, never its class."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor, nn

Direction = Literal["a2b", "b2a"]
DIRECTIONS: tuple[Direction, ...] = ("a2b", "b2a")


@runtime_checkable
class Samples(Protocol):
    """Model that samples. `sample` gives global indices start .. start + n - 1; equal seeds, equal samples."""

    def sample(self, n: int, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class SamplesByLabel(Protocol):
    """Model that samples by class, 0 .. classes - 1, or n classes at once.

    Without a label it draws them: `labels` says which, (n,) int64.
    """

    classes: int

    def sample(
        self, n: int, *, label: int | Sequence[int] | Tensor | None = None, seed: int = 0, start: int = 0
    ) -> Tensor: ...

    def labels(self, n: int, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class SamplesByCondition(Protocol):
    """Model that samples for condition vectors of `condition_dim` numbers, in the data's own units.

    Without a condition it draws them: `conditions` says which, (n, condition_dim).
    """

    condition_dim: int

    def sample(self, n: int, *, condition: Any = None, seed: int = 0, start: int = 0) -> Tensor: ...

    def conditions(self, n: int, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class Interpolates(Protocol):
    """Model with a latent space: samples along straight or great-circle paths, (rows, steps, *sample_shape)."""

    def interpolate(self, rows: int, steps: int, *, seed: int = 0) -> Tensor: ...


@runtime_checkable
class SamplesFromCodes(Protocol):
    """Model x = G(z) of codes z of a prior: paths between codes can be decoded, and `sample` takes a truncation.

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
    """Model whose batch-norm statistics can be re-estimated for its present weights."""

    def calibrate(self) -> None: ...


@runtime_checkable
class CalibratesOnSamples(Protocol):
    """Model with an encoder or classifier whose statistics can be re-estimated from samples."""

    def calibrate_on(self, batches: Iterable[Tensor]) -> None: ...


@runtime_checkable
class DetectsMemorisation(Protocol):
    """Game that measures overfitting of D. 0: held-out samples look real to D; 1: they look generated.

    Batches are of the game's own type.
    """

    def memorisation(self, train: Any, held_out: Any, generated: Any) -> float: ...


@runtime_checkable
class Discriminates(Protocol):
    """Game whose D judges samples one by one: higher logits for samples that look real.

    logits: samples (N, ...) -> (N,), D in evaluation mode and its inputs not augmented; None where D judges several
    samples together, or is told more than the sample. boundary: the logit that separates real from generated samples;
    None for a critic, whose zero has no meaning.
    """

    def logits(self, x: Tensor) -> Tensor | None: ...

    @property
    def boundary(self) -> float | None: ...


@runtime_checkable
class ScoresPairs(Protocol):
    """Network with rows for queries and documents, which scores some documents without the others.

    pairs: query (N,), document (N, S) int64 -> scores, and half the squared norms of the documents' and the queries'
        rows: (N, S), (N, S), (N, 1).
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

    reconstruct: samples (N, ...) -> (N, ...). between: two times (N, ...) -> (N, steps, ...), samples along straight
    lines from the codes of the first to those of the second.
    """

    def reconstruct(self, x: Tensor) -> Tensor: ...

    def between(self, a: Tensor, b: Tensor, steps: int) -> Tensor: ...


@runtime_checkable
class Traverses(Protocol):
    """Model that traverses its codes: (axes, steps, *sample_shape), in row i along axis i, all else fixed.

    start: the index of the sample that is held, among those of `seed`.
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
    """Model that predicts which of two domains a sample is of, by features of its own.

    features: samples (N, ...) -> (N, f). domain: -> probabilities (N, 2) of source and target. Both in eval mode.
    """

    def features(self, x: Tensor) -> Tensor: ...

    def domain(self, x: Tensor) -> Tensor: ...


@runtime_checkable
class Evaluates(Protocol):
    """Model with a density that can be estimated (likelihood).

    log_likelihood: samples (N, ...) -> (N,) float64, log p(x) in nats, by importance sampling with `samples` codes
    each. They follow from (seed, index of the sample); the first one's index is `start`.
    """

    def log_likelihood(self, x: Tensor, *, samples: int, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class Descends(Protocol):
    """Energy-based model: samples by descending its own energy.

    energy: samples (N, *shape) -> (N,). evolution: the chains of the first n samples at `frames` times, from noise to
    the end, (n, frames, *shape).
    """

    shape: tuple[int, ...]

    def energy(self, x: Tensor) -> Tensor: ...

    def evolution(self, n: int, frames: int, *, seed: int = 0) -> Tensor: ...


@runtime_checkable
class Inpaints(Protocol):
    """Model that inpaints: completes samples of which a part is known.

    inpaint: samples (N, *shape), known: bool that broadcasts to them -> (N, *shape), the same where it is known. Row i
    has the noise of global index start + i.
    """

    shape: tuple[int, ...]

    def inpaint(self, x: Tensor, known: Tensor, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class Translates(Protocol):
    """Model that translates images between two domains, (N, A, H, W) to (N, B, H, W) in [-1, 1], or back.

    channels: A for "a2b", B for "b2a". check: refuses, with a UserError, a size that `translate` does not take.
    """

    def channels(self, direction: Direction) -> int: ...

    def check(self, height: int, width: int) -> None: ...

    def translate(self, x: Tensor, direction: Direction) -> Tensor: ...


@runtime_checkable
class GeneratesFromImages(Protocol):
    """Model that generates an output for an input image: (N, A, H, W) in [-1, 1] -> (N, B, H, W).

    generate: row i is made with the noise of global index start + i. channels: A. image_size: H and W; None: any that
    `check` lets through. check: refuses another size with a UserError.
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

    convert: two times (N, ...) -> (N, ...), what the first ones say as the speakers of the second ones would.
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
    """Part of a game that changes over the run; told before every iteration, alike on every rank."""

    def follow(self, progress: float) -> None:
        """Update to this share of the run, in [0, 1]."""


@runtime_checkable
class AdaptiveAugmentation(DiscriminatorAugmentation, Protocol):
    """Adaptive augmentation: given D's margins on real samples, and adjusted after each of D's steps.

    p: () in [0, 1], how often it is applied; in the checkpoint, and alike on all ranks.
    """

    p: Tensor

    def observe(self, margins: Tensor) -> None: ...

    def adapt(self, average: Callable[[Tensor], Tensor], *, images: int) -> None: ...
