"""Two domains: data, networks, model and variants."""

from experiments.settings.schema import PROBABILITY, WIDTH, Schema
from experiments.settings.spec import Bool, Choice, Float, Int, Node, Optional, Path, Spec, Text

_SIZE = Choice((8, 16, 28, 32, 64, 128), help="pixels, wide and high")
_CHANNELS = Choice((1, 3), help="1 is grey, 3 is RGB")
_PHOTOS = Optional(Path(), help="folder of photographs, for mnistm")
_PAIR: dict[str, Spec] = {
    "source": Text(help="a set of images or a folder; its labels are learnt from"),
    "target": Text(help="another; without labels in training"),
    "batch_size": Int(min=2, help="of all processes, half of it source and half target"),
    "image_size": _SIZE,
    "channels": _CHANNELS,
}
_NETWORK: dict[str, Spec] = {
    "channels": Int(min=1),
    "image_size": Int(min=8),
    "classes": Int(min=1, help="of the labels"),
}
_DANN: dict[str, Spec] = {
    "model": Node(),
    "training": Node(),
    "adaptation_weight": Float(min=0, help="of the reversed gradient at the end of the run; 0: source only"),
    "steepness": Float(min=0, help="of its rise"),
}

ENTRIES: dict[str, Schema] = {
    "datamodules.EmbeddedDomains": Schema(_PAIR),
    "datamodules.Domains": Schema(
        _PAIR
        | {
            "photos": _PHOTOS,
            "data_dir": Path(help="where real sets lie"),
            "download": Bool(help="fetch what is not there"),
        }
    ),
    "datamodules.DigitsShifted": Schema(
        {
            "batch_size": Int(min=1, help="global: of all processes together"),
            "image_size": Choice((8, 16, 32, 64, 128), help="pixels, wide and high"),
            "channels": _CHANNELS,
            "dequantize": Bool(help="add noise below one level to training images"),
        }
    ),
    "datamodules.MNISTM": Schema(
        {
            "photos": _PHOTOS,
            "root": Path(help="where the files lie"),
            "download": Bool(help="fetch what is not in root"),
            "batch_size": Int(min=1, help="global: of all processes together"),
            "image_size": _SIZE,
            "channels": _CHANNELS,
        }
    ),
    "lightning_gans.models.domain.DomainModel": Schema(
        {"network": Node(), "classes": Int(min=1, help="of the data"), "channels": Int(min=1)}
    ),
    "lightning_gans.networks.domain.MNISTDomainNetwork": Schema(_NETWORK),
    "lightning_gans.networks.domain.SVHNDomainNetwork": Schema(
        _NETWORK | {"width": WIDTH, "label_width": WIDTH, "domain_width": WIDTH}
    ),
    "lightning_gans.networks.domain.SmallDomainNetwork": Schema(
        _NETWORK | {"width": WIDTH, "domain_dropout": PROBABILITY}
    ),
    "lightning_gans.core.schedules.InverseDecay": Schema(
        {
            "iterations": Int(min=1, help="of the whole run"),
            "steepness": Float(min=0, help="alpha of (1 + alpha p)^-beta"),
            "power": Float(min=0, help="beta of (1 + alpha p)^-beta"),
        },
        given=("optimizer",),
    ),
    "lightning_gans.variants.dann.DANN": Schema(_DANN),
    "lightning_gans.variants.dann.DANNAlternating": Schema(_DANN),
}
