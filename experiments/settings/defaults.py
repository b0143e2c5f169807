"""Defaults of constructors, filled into a composed configuration."""

from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from experiments.settings.signatures import REQUIRED, UNKNOWN, signature


def fill(config: DictConfig) -> None:
    """Add, in place, every argument with a literal default to the nodes whose class can be read."""
    plain: Any = OmegaConf.to_container(config, resolve=False)
    with open_dict(config):
        _fill(config, plain)


def _fill(node: Any, plain: Any) -> None:
    if isinstance(plain, dict) and isinstance(node, DictConfig):
        for key, value in plain.items():
            if isinstance(value, dict | list):
                _fill(node[key], value)
        found = signature(str(plain["_target_"])) if "_target_" in plain else None
        from experiments.settings.registry import SCHEMAS  # FIXME temporary

        given = SCHEMAS[plain["_target_"]].given if found and plain["_target_"] in SCHEMAS else ()
        for name, argument in found.settings.items() if found else ():
            if (
                name not in plain
                and name not in given
                and argument.default is not REQUIRED
                and argument.default is not UNKNOWN
            ):
                node[name] = list(argument.default) if isinstance(argument.default, tuple) else argument.default
    elif isinstance(plain, list) and isinstance(node, ListConfig):
        for item, value in zip(node, plain, strict=True):
            _fill(item, value)
