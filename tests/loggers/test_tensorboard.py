from pathlib import Path

import pytest
from PIL import Image

from lightning_gans.core.errors import UserError
from lightning_gans.loggers import tensorboard as module
from lightning_gans.loggers.tensorboard import TensorBoardLogger


def test_numbers_and_pictures_arrive(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    Image.new("RGB", (6, 4)).save(tmp_path / "a.gif", save_all=True, append_images=[Image.new("RGB", (6, 4), "red")])
    logger = TensorBoardLogger(run_dir=tmp_path)
    logger.log_hyperparams({"seed": 0})
    logger.log_metrics({"fid": 2.5}, step=100)
    logger.log_picture("samples/progress", tmp_path / "a.gif", 100)
    logger.log_summary({"status": "running", "fid.best": 2.5})
    logger.log_summary({"status": "finished"})
    logger.finalize("success")
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    (score,), (image,) = events.Scalars("fid"), events.Images("samples/progress")
    assert (score.step, score.value) == (100, 2.5)
    assert (image.step, image.width, image.height) == (100, 6, 4)
    (summary,) = events.Tensors("summary/text_summary")
    assert summary.tensor_proto.string_val[0].decode().splitlines()[2:] == [
        "| status | finished |",
        "| fid.best | 2.5 |",
    ]
    assert image.encoded_image_string == (tmp_path / "a.gif").read_bytes()


def test_without_the_package_it_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install tensorboard.*logger=none"):
        TensorBoardLogger(run_dir=tmp_path)
