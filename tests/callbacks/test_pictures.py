"""Pictures: the parts that all callbacks share that draw into samples/."""

from lightning_gans.callbacks.pictures import log_picture


def test_pictures_go_to_the_loggers_that_take_them(tmp_path):
    class Takes:
        seen = ()

        def log_picture(self, name, path, iteration):
            self.seen = name, path, iteration

    class Trainer:
        loggers = (Takes(), object(), Takes())

    log_picture(Trainer, "samples/grid", tmp_path / "a.png", 3)
    assert [logger.seen for logger in Trainer.loggers[::2]] == [("samples/grid", tmp_path / "a.png", 3)] * 2
