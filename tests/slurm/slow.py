"""A callback that makes a small run last."""

import time

import pytorch_lightning as pl


class Slow(pl.Callback):
    """Sleep after every iteration; what is computed stays the same."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_train_batch_end(self, *_: object) -> None:
        time.sleep(self.seconds)
