"""Rankings: pictures of queries with their best documents."""

from types import SimpleNamespace

import torch

from datamodules.retrieval import Judged, filled
from lightning_gans.callbacks.rankings import Rankings, framed
from lightning_gans.models.retrieval import FixedRanking


def data(queries=4):
    numbers = torch.arange(queries)
    rows = filled([[1]] * (queries - 1) + [[3]])
    split = Judged(numbers, rows, filled([[0]] * queries), documents=5, numbers=numbers)
    images = torch.zeros(5, 1, 8, 8)
    return SimpleNamespace(split=lambda name: split, query_images=images, document_images=images)


def test_frames_say_what_is_relevant():
    image = torch.rand(1, 8, 8)
    for relevant, strongest in ((True, 1), (False, 0)):
        picture = framed(image, relevant)
        assert picture.shape == (3, 28, 28)
        assert picture[:, 0, 0].argmax() == strongest
        assert torch.equal(picture[:, 2:5, 2:5], image[:, :1, :1].expand(3, 3, 3))


def test_pictures_are_drawn_when_due(tmp_path):
    model = FixedRanking(torch.tensor([9.0, 4.0, 3.0, 2.0, 1.0]))
    game = SimpleNamespace(iteration=4, iterations=9, model=model, evaluated_model=lambda: model)
    trainer = SimpleNamespace(datamodule=data(), is_global_zero=True, default_root_dir=tmp_path, loggers=[])
    Rankings(every=3).on_train_batch_end(trainer, game, None, None, 0)
    assert not (tmp_path / "samples").exists()
    game.iteration = 6
    Rankings(every=3).on_train_batch_end(trainer, game, None, None, 0)
    assert (tmp_path / "samples" / "rankings-00000006.png").is_file()
