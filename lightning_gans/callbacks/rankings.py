"""Rankings: pictures of queries with their best documents."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_gans.callbacks.pictures import Pictures, picture
from lightning_gans.core.data import RetrievalImages
from lightning_gans.core.protocols import Ranks
from lightning_gans.reporting.images import image_grid

FRAMES = {None: (0.0, 0.0, 0.0), True: (-1.0, 0.4, -1.0), False: (0.8, -1.0, -1.0)}  # RGB in [-1, 1]


@picture
class Rankings(Pictures[RetrievalImages]):
    """Draws queries (left) and their best documents, relevant ones framed green, others red, into run_dir/samples.

    Every `every` iterations and at the end, rankings-00002000.png; of data whose queries and documents are images.
    """

    series = ("rankings",)

    def applies(self, game: Any, data: object) -> bool:
        return isinstance(game.model, Ranks) and isinstance(data, RetrievalImages)

    def draw(self, trainer: pl.Trainer, game: Any, model: Any, data: RetrievalImages) -> None:
        asked = next(data.split("validation").at_most(self.rows).batches(self.rows))
        best = model.score(asked.query).cpu().masked_fill(~asked.candidate, -torch.inf)
        columns = min(self.columns, best.shape[1])
        best = best.topk(columns).indices
        rows: list[Tensor] = []
        for number, found, relevant in zip(asked.number, best, asked.relevant, strict=True):
            rows.append(framed(data.query_images[number], None))
            rows += [framed(data.document_images[d], bool(relevant[d])) for d in found]
        self.save(trainer, image_grid(torch.stack(rows), columns + 1), "rankings", game.iteration)


def framed(image: Tensor, relevant: bool | None) -> Tensor:
    """Frame an image (C, H, W), enlarged three times: (3, H', W'); relevant None, for a query, is grey."""
    large = image.repeat_interleave(3, dim=1).repeat_interleave(3, dim=2).expand(3, -1, -1)
    height, width = large.shape[1:]
    picture = torch.tensor(FRAMES[relevant])[:, None, None].repeat(1, height + 4, width + 4)
    picture[:, 2:-2, 2:-2] = large
    return picture
