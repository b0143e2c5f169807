"""Data modules."""

from experiments.settings.schema import Schema
from experiments.settings.spec import Bool, Choice, Float, Int, Path, Text

_BATCH = {"batch_size": Int(min=1, help="global: of all processes together")}
_IMAGES = _BATCH | {
    "image_size": Choice((8, 16, 32, 64, 128), help="pixels, wide and high"),
    "channels": Choice((1, 3), help="1 is grey, 3 is RGB"),
    "dequantize": Bool(help="add noise below one level to training images"),
}
_FILES = _IMAGES | {
    "root": Path(help="where the files lie"),
    "horizontal_flip": Bool(help="mirror at random in training"),
    "in_memory": Choice(("auto", True, False), help="hold all pixels in memory"),
    "workers": Int(min=0, help="reading processes where the pixels are not held in memory"),
}
_PLANE = _BATCH | {"dimension": Choice((2,))}
SHARE = Float(min=0, below=1)

DATA = {
    "Digits": Schema(_IMAGES),
    "DigitsTextured": Schema(_IMAGES),
    "Vision": Schema(
        _FILES
        | {
            "name": Text(),
            "download": Bool(help="fetch what is not in root"),
            "image_size": Choice((8, 16, 28, 32, 64, 128), help="pixels, wide and high; 28 is MNIST's own"),
        }
    ),
    "Folder": Schema(
        _FILES
        | {
            "validation_share": SHARE,
            "test_share": SHARE,
            "on_bad_file": Choice(("skip", "error"), help="what an unreadable file does"),
        }
    ),
    "Ring": Schema(_PLANE | {"radius": Float(above=0), "std": Float(above=0)}),
    "Grid": Schema(_PLANE | {"std": Float(above=0)}),
    "Spiral": Schema(_PLANE | {"std": Float(min=0)}),
    "SwissRoll": Schema(_PLANE | {"std": Float(min=0)}),
    "TwoPoints": Schema(_PLANE | {"std": Float(min=0)}),
    "RefPair": Schema(_BATCH | {"dimension": Choice((1,))}),
}


ENTRIES: dict[str, Schema] = {f"datamodules.{name}": schema for name, schema in DATA.items()}
