"""Every variant's own configuration, with networks small enough for a test."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

import experiments
from experiments.configuration.composing import Composed, shared
from lightning_gans.core.game import Game
from lightning_gans.core.rng import isolated
from lightning_gans.models import build

CONF = Path(experiments.__file__).parent / "conf"
VARIANTS = sorted(path.stem for path in CONF.glob("variant/*.yaml"))
BATCH = 8
SMALL = {
    "width": 4,
    "units": 4,
    "pieces": 2,
    "feature_dim": 8,
    "layers": 1,
    "label_width": 12,
    "domain_width": 8,
    "levels": 1001,  # so many that codes of so few channels differ between samples
}


def composed(
    variant: str, *overrides: str, iterations: int = 12, small: bool = True, image_size: int = 8
) -> dict[str, Any]:
    """Compose the configuration of `python -m experiments.train variant=... <overrides>`, resolved and plain."""
    found = unresolved(variant, *overrides, iterations=iterations, small=small, image_size=image_size)
    return shared().resolve(found)


def resolved(found: Composed) -> dict[str, Any]:
    """The same of a composed configuration."""
    return shared().resolve(found)


def unresolved(
    variant: str, *overrides: str, iterations: int = 12, small: bool = True, image_size: int = 8
) -> Composed:
    """The same before values that refer to others take theirs, and which choice was made of each group."""
    composer = shared()
    found = composer.compose(
        composer.parse([f"variant={variant}", "logger=none", f"iterations={iterations}", *overrides])
    )
    config = found.config
    with open_dict(config):
        config.run_dir, config.group, config.data.batch_size = "unused", "unused", BATCH
        if small and "image_size" in config.data:
            config.data.image_size = image_size
        if small and "speakers" in config.data:
            config.data.speakers = 3
        if small:
            _shrink(config.network)
    return found


def _shrink(node: DictConfig) -> None:
    for key in list(node):
        if OmegaConf.is_dict(node[key]):
            _shrink(node[key])
        elif key in SMALL and not OmegaConf.is_interpolation(node, key):
            node[key] = SMALL[key]


def game_of(config: dict[str, Any], *, key: str = "init") -> Game:
    """The variant of a configuration; equal keys, equal weights."""
    with isolated(config["seed"], key):
        game: Game = build(config["variant"], trusted=True)
    return game


def data_of(config: dict[str, Any]) -> Any:
    """The data module of a configuration; what is equal is read once a process."""
    return _data(json.dumps(config["data"], sort_keys=True))


@cache
def _data(settings: str) -> Any:
    return build(json.loads(settings), trusted=True)
