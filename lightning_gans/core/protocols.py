"""Protocols of models and of parts of a game: abilities, never classes."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor, nn

Direction = Literal["a2b", "b2a"]
DIRECTIONS: tuple[Direction, ...] = ("a2b", "b2a")


@runtime_checkable
class Samples(Protocol):
    """Generates. `sample` gives the samples of global indices start .. start + n - 1; equal seeds, equal samples."""

    def sample(self, n: int, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class SamplesByLabel(Protocol):
    """Generates samples of a class, 0 .. classes - 1, or n of them.

    Without a label it draws them: `labels` says which, (n,) int64.
    """

    classes: int

    def sample(
        self, n: int, *, label: int | Sequence[int] | Tensor | None = None, seed: int = 0, start: int = 0
    ) -> Tensor: ...

    def labels(self, n: int, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class SamplesByCondition(Protocol):
    """Generates samples for condition vectors of `condition_dim` numbers, in the data's own units.

    Without a condition it draws them: `conditions` says which, (n, condition_dim).
    """

    condition_dim: int

    def sample(self, n: int, *, condition: Any = None, seed: int = 0, start: int = 0) -> Tensor: ...

    def conditions(self, n: int, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class Interpolates(Protocol):
    """Has a latent space: rows of samples along straight or great-circle paths, (rows, steps, *sample_shape)."""

    def interpolate(self, rows: int, steps: int, *, seed: int = 0) -> Tensor: ...


@runtime_checkable
class SamplesFromCodes(Protocol):
    """Generates x = G(z) from codes z of a prior: paths between them can be decoded, and `sample` takes a truncation.

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
    """Holds batch statistics that can be re-estimated for its present weights."""

    def calibrate(self) -> None: ...


@runtime_checkable
class CalibratesOnSamples(Protocol):
    """Holds statistics of batches of samples, those of an encoder or a classifier, that can be re-estimated so."""

    def calibrate_on(self, batches: Iterable[Tensor]) -> None: ...


@runtime_checkable
class DetectsMemorisation(Protocol):
    """A game that measures overfitting of D. 0: held-out samples look real to D; 1: they look generated.

    Batches are of the game's own type.
    """

    def memorisation(self, train: Any, held_out: Any, generated: Any) -> float: ...


@runtime_checkable
class Discriminates(Protocol):
    """A game whose D judges samples one by one: higher logits for samples that look real.

    logits: samples (N, ...) -> (N,), D in evaluation mode and its inputs not augmented; None where D judges several
    samples together, or is told more than the sample. boundary: the logit that separates real from generated samples;
    None for a critic, whose zero has no meaning.
    """

    def logits(self, x: Tensor) -> Tensor | None: ...

    @property
    def boundary(self) -> float | None: ...


@runtime_checkable
class ScoresPairs(Protocol):
    """A network of rows for queries and documents, which scores some documents without the others.

    pairs: query (N,), document (N, S) int64 -> scores, and half the squared norms of the documents' and the queries'
        rows: (N, S), (N, S), (N, 1).
    """

    def pairs(self, query: Tensor, document: Tensor) -> tuple[Tensor, Tensor, Tensor]: ...


@runtime_checkable
class Encodes(Protocol):
    """Infers codes. encode: samples (N, ...) -> (N, d); features: -> (N, f), the encoder's last hidden layer."""

    def encode(self, x: Tensor) -> Tensor: ...

    def features(self, x: Tensor) -> Tensor: ...


@runtime_checkable
class Reconstructs(Encodes, Protocol):
    """Goes to codes and back.

    reconstruct: samples (N, ...) -> (N, ...). between: two times (N, ...) -> (N, steps, ...), samples along straight
    lines from the codes of the first to those of the second.
    """

    def reconstruct(self, x: Tensor) -> Tensor: ...

    def between(self, a: Tensor, b: Tensor, steps: int) -> Tensor: ...


@runtime_checkable
class Traverses(Protocol):
    """Shows what the numbers of its codes do: (axes, steps, *sample_shape), in row i along axis i, all else held.

    start: the index of the sample that is held, among those of `seed`.
    """

    def traverse(self, steps: int, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class Categorises(Protocol):
    """Has a categorical code. category: samples (N, ...) -> (N,) int64, 0 .. categories - 1."""

    categories: int

    def category(self, x: Tensor) -> Tensor: ...


@runtime_checkable
class Classifies(Protocol):
    """Knows classes 0 .. classes - 1. classify: samples (N, ...) -> probabilities (N, classes), in eval mode."""

    classes: int

    def classify(self, x: Tensor) -> Tensor: ...


@runtime_checkable
class TellsDomains(Protocol):
    """Guesses which of two domains a sample is of, by features of its own.

    features: samples (N, ...) -> (N, f). domain: -> probabilities (N, 2) of source and target. Both in eval mode.
    """

    def features(self, x: Tensor) -> Tensor: ...

    def domain(self, x: Tensor) -> Tensor: ...


@runtime_checkable
class Evaluates(Protocol):
    """Has a density that can be estimated.

    log_likelihood: samples (N, ...) -> (N,) float64, log p(x) in nats, by importance sampling with `samples` codes
    each. They follow from (seed, index of the sample); the first one's index is `start`.
    """

    def log_likelihood(self, x: Tensor, *, samples: int, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class Descends(Protocol):
    """Generates by going down its own energy.

    energy: samples (N, *shape) -> (N,). evolution: the chains of the first n samples at `frames` times, from noise to
    the end, (n, frames, *shape).
    """

    shape: tuple[int, ...]

    def energy(self, x: Tensor) -> Tensor: ...

    def evolution(self, n: int, frames: int, *, seed: int = 0) -> Tensor: ...


@runtime_checkable
class Inpaints(Protocol):
    """Completes samples of which a part is known.

    inpaint: samples (N, *shape), known: bool that broadcasts to them -> (N, *shape), the same where it is known. Row i
    has the noise of global index start + i.
    """

    shape: tuple[int, ...]

    def inpaint(self, x: Tensor, known: Tensor, *, seed: int = 0, start: int = 0) -> Tensor: ...


@runtime_checkable
class Translates(Protocol):
    """Goes from either of two domains of images to the other, (N, A, H, W) to (N, B, H, W) in [-1, 1], or back.

    channels: A for "a2b", B for "b2a". check: refuses, with a UserError, a size that `translate` does not take.
    """

    def channels(self, direction: Direction) -> int: ...

    def check(self, height: int, width: int) -> None: ...

    def translate(self, x: Tensor, direction: Direction) -> Tensor: ...


@runtime_checkable
class GeneratesFromImages(Protocol):
    """Generates an output for an input image: (N, A, H, W) in [-1, 1] -> (N, B, H, W).

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
    """Tells what is said from who says it. content, speaker: samples (N, ...) -> codes (N, d).

    convert: two times (N, ...) -> (N, ...), what the first ones say as the speakers of the second ones would.
    """

    def content(self, x: Tensor) -> Tensor: ...

    def speaker(self, x: Tensor) -> Tensor: ...

    def convert(self, x: Tensor, like: Tensor) -> Tensor: ...


@runtime_checkable
class Ranks(Protocol):
    """Orders documents. score: queries (N, ...) -> (N, documents), higher is more relevant; in eval mode."""

    def score(self, query: Tensor) -> Tensor: ...


class OffersFeatures(Protocol):
    """A network that is linear in its features: samples (N, ...) -> `features` (N, feature_dim)."""

    feature_dim: int

    @property
    def features(self) -> nn.Module: ...


class DiscriminatorAugmentation(Protocol):
    """A differentiable change of D's inputs: samples (N, ...), `numbers` uniform numbers each -> samples (N, ...)."""

    numbers: int

    def __call__(self, x: Tensor, uniform: Tensor) -> Tensor: ...


@runtime_checkable
class FollowsRun(Protocol):
    """A part of a game that is another at each stage of the run; told before every iteration, alike on every rank."""

    def follow(self, progress: float) -> None:
        """Be what it is after this share of the run, in [0, 1]."""


@runtime_checkable
class AdaptiveAugmentation(DiscriminatorAugmentation, Protocol):
    """An augmentation that follows D: it is shown D's margins on real samples, and adjusted after each of D's steps.

    p: () in [0, 1], how often it is applied; in the checkpoint, and alike on all ranks.
    """

    p: Tensor

    def observe(self, margins: Tensor) -> None: ...

    def adapt(self, average: Callable[[Tensor], Tensor], *, images: int) -> None: ...
