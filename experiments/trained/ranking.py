"""Ranking: the best documents for queries, by a trained ranking model."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import cli
from experiments.trained import inference
from experiments.trained.loading import using
from experiments.trained.progress import shown
from lightning_gans.core.errors import UserError
from lightning_gans.core.received import printable, read_text

# Nothing above imports torch, so that invalid arguments are reported immediately.
if TYPE_CHECKING:
    from torch import Tensor

    from experiments.trained.sample_request import Request

DOCUMENTS = 10  # default number of documents per query
TOGETHER = 64  # queries scored per batch
SHOWN = 10  # most queries, and documents of each, that are printed
HEADER = ("query", "rank", "document", "score")
Queries = tuple[int, ...] | Path  # numbers of queries, or an .npz with their features


def queries(text: str) -> Queries:
    """Parse queries: comma-separated numbers, a file of numbers, or an .npz.

    Raises:
        UserError: `text` is none of these.
    """
    if re.fullmatch(r"[0-9, ]+", text):
        return _numbers(text, f"rank={text}")
    paths = inference.inputs("rank", text, "Name numbers of queries (rank=1,2,3), a text file of them, or an .npz.")
    if len(paths) != 1 or paths[0].is_dir():
        raise UserError(f"rank={text}: name numbers of queries (rank=1,2,3), one text file of them, or one .npz.")
    (path,) = paths
    if path.suffix.lower() == ".npz":
        return path
    try:
        return _numbers(read_text(path), f"rank={path}")
    except (OSError, ValueError) as error:
        raise UserError(f"rank={path} is not a text file of numbers that can be read ({error}).") from error


def _numbers(text: str, where: str) -> tuple[int, ...]:
    words = [word for word in re.split(r"[\s,;]+", text) if word]
    for word in words:
        if not re.fullmatch(r"[0-9]{1,18}", word):
            raise UserError(f"{where}: {printable(word, 40)!r} is not the number of a query; those are 0 or more.")
    if not words:
        raise UserError(f"{where} holds no number of a query.")
    return tuple(map(int, words))


def need(model: Any, run: Path) -> None:
    """Refuse a model that cannot rank.

    Raises:
        UserError: the model cannot; the message lists variants that can.
    """
    from lightning_gans.core.protocols import Ranks

    if not isinstance(model, Ranks):
        raise UserError(
            f"rank=: the {type(model).__name__} of run={run} does not rank documents. Name a run of variant=irgan or "
            "irgan_pairwise."
        )


def rank(request: "Request", model: Any, iteration: int | None) -> int:
    """Write the n best documents of each query with their scores, best first; return 0.

    Raises:
        UserError: the model does not know a query, or a file cannot be written.
    """
    from experiments.trained.sample_files import table

    assert request.rank is not None
    assert request.out is not None
    start = time.monotonic()
    query = _checked(request.rank, model, request.run)
    names = request.rank if isinstance(request.rank, tuple) else range(len(query))
    with using(request.run), shown("Ranking", len(query)) as report:
        best = list(_best(model, query, request.n, report))
    rows = [
        (name, place, document, score)
        for name, found in zip(names, best, strict=True)
        for place, (document, score) in enumerate(found, 1)
    ]
    table(request.out, HEADER, rows)
    of = f" (iteration {iteration:,})" if iteration is not None else ""
    quer = "query" if len(best) == 1 else "queries"
    cli.tell(f"{len(best):,} {quer} ranked by {request.run}{of} in {time.monotonic() - start:.1f} s, best first:")
    for name, found in list(zip(names, best, strict=True))[:SHOWN]:
        more = " ..." if len(found) > SHOWN else ""
        cli.tell(f"  query {name}: {' '.join(str(document) for document, _ in found[:SHOWN])}{more}")
    if len(best) > SHOWN:
        cli.tell(f"  and {len(best) - SHOWN:,} more")
    cli.tell(f"  out     {request.out}")
    return 0


def _checked(given: Queries, model: Any, run: Path) -> "Tensor":
    """Return the queries as model input: (N,) int64 numbers, or (N, documents, features) float.

    Raises:
        UserError: the queries are of the other kind, or out of the model's range.
    """
    import torch

    from lightning_gans.models.export import described

    network = described(run)["model"].get("generator")
    settings = network if isinstance(network, dict) else {}
    features = settings.get("features")
    by_features = getattr(getattr(model, "generator", None), "described", isinstance(given, Path))
    if isinstance(given, Path):
        if not by_features:
            raise UserError(f"rank={given}: the queries of run={run} are numbers. Say rank=1,2,3, or a text file.")
        return _described(given, features)
    if by_features:
        raise UserError(
            f"rank={given[0]}{',...' if len(given) > 1 else ''}: a query of run={run} is described by "
            f"{features or 'the'} features of each of its documents. Name an .npz with an array `queries` of shape "
            f"(queries, documents, {features or 'features'})."
        )
    bound = settings.get("queries")
    if isinstance(bound, int) and max(given) >= bound:
        raise UserError(f"rank={max(given)}: the queries of run={run} are numbered 0 to {bound - 1:,}.")
    return torch.tensor(given)


def _described(path: Path, features: int | None) -> "Tensor":
    """Read the array `queries` of an .npz: (N, documents, features), float32."""
    import torch

    def fits(shape: tuple[int, ...]) -> bool:
        return len(shape) == 2 and min(shape) > 0 and features in (None, shape[1])

    wanted = f"queries are (queries, documents, {features or 'features'}) here"
    found = inference.array("rank", path, "queries", fits=fits, wanted=wanted)
    return torch.from_numpy(inference.finite("rank", path, "queries", found))


def _best(model: Any, query: "Tensor", n: int, report: Any) -> Iterator[list[tuple[int, float]]]:
    """Yield the n best documents of each query with their scores; ties are ordered by document number."""
    done = 0
    for part in query.split(TOGETHER):
        scores = model.score(part)
        inference.check_finite(scores)
        ordered = scores.sort(dim=1, descending=True, stable=True)
        for values, documents in zip(ordered.values[:, :n].tolist(), ordered.indices[:, :n].tolist(), strict=True):
            yield list(zip(documents, values, strict=True))
        done += len(part)
        report(done)
