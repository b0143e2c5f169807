"""Compatibility check of the parts of a run by their classes' declarations, without importing or building anything.

`check_choices` takes a composed configuration with unresolved interpolations, `check` a resolved one. The declarations
are class attributes, which subclasses inherit:

    batch, contents      types that data provide, and that games, networks, extractors and augmentations accept
    model (annotation)   game: required class or protocol of its model
    role                 model: the task that it is made for; without a role, any game accepts it
    conditional          games and models: conditional on the class; auxiliary: a second head of D predicts the class
    described            retrieval data and networks: documents have features instead of numbers
    lipschitz            game, penalty, constraint or network: enforces a Lipschitz critic, always or under some of its
                         settings ("norm=spectral"); needs_lipschitz: a loss that requires such a critic
    batch_statistics     network: settings under which a sample's output depends on its batch
    honours              game: the inherited settings that it reads, if its methods do not show them

A class passes the check if its source cannot be read, or if it is a user's own and declares nothing.
"""

from collections.abc import Collection, Mapping
from typing import Any

from experiments.settings import fitting
from experiments.settings.declarations import holds, is_ours, names, required_model, role, says, setting, suits, target
from experiments.settings.honoured import ignored
from experiments.settings.signatures import REQUIRED, UNKNOWN, declared, signature
from experiments.settings.spec import plain
from lightning_gans.core.errors import UserError
from lightning_gans.core.precision import check_precision

Config = Mapping[str, Any]
Choices = Mapping[str, str]

INJECTED = ("objective", "penalty", "network")  # groups that a variant's file refers to


def check_choices(config: Config, choices: Choices, said: Collection[str] = ()) -> None:
    """Refuse choices that are incompatible, and choices that would change only the name of a run.

    Args:
        config: composed, in plain containers, with interpolations as text: incompatible parts might not resolve.
        choices: group -> choice.
        said: the groups and settings that the command line names.

    Raises:
        UserError: names the parts, and what would fit.
    """
    _check_data(config, choices)
    _check_network(config, choices)
    _check_idle(config, choices, {name.partition(".")[0] for name in said})


def check(config: Config, choices: Choices) -> None:
    """Refuse settings that do not fit.

    Args:
        config: resolved, plain and valid.
        choices: group -> choice.

    Raises:
        UserError: names the parts, and what would fit.
    """
    check_precision(config["trainer"]["precision"])
    _check_compile(config["trainer"])
    _check_followers(config)
    _check_batch(config)
    _check_penalty(config, choices)
    _check_critic(config, choices)
    _check_decoder(config, choices)
    _check_ranking(config)
    _check_init(config, choices)


# Choices


def _check_network(config: Config, choices: Choices) -> None:
    """Check that the network's model is of the kind that the game needs, and conditional if the game is."""
    game, network = target(config.get("variant")), config.get("network")
    if not game or not isinstance(network, Mapping):
        return
    takes_model = config["variant"].get("model") == "${network.model}"  # otherwise it may use the discriminator only
    if takes_model and is_ours(game) and "_target_" not in (network.get("model") or {}):
        raise UserError(fitting.another_network(choices, game))
    model, discriminator = target(network.get("model")), target(network.get("discriminator"))
    if not is_ours(model) and role(model) is None:
        return
    needed = required_model(game) if takes_model else ""
    fits = suits(model, needed) if takes_model else role(model) is None or not is_ours(game)
    if not fits and role(model) != role(needed):
        elsewhere = role(needed) is None
        raise UserError(
            fitting.another_variant(choices, game, model) if elsewhere else fitting.another_network(choices, game)
        )
    told, tells = says(model, "conditional"), says(game, "conditional")
    if told and not tells:
        raise UserError(fitting.untold(choices))
    two_heads = role(model) is None and says(discriminator, "auxiliary") != says(game, "auxiliary")
    if tells and (not told or two_heads):
        raise UserError(fitting.told_network(choices, game))
    if not fits:
        raise UserError(fitting.another_network(choices, game))


def _check_data(config: Config, choices: Choices) -> None:
    """Check that the game, the extractor and the augmentation accept the batches of the data."""
    data = target(config.get("data"))
    if not names(data, "batch"):
        return
    for group in ("variant", "metrics", "augment"):
        part = target(config.get(group))
        fits = fitting.plays(choices["variant"], data) if group == "variant" and is_ours(part) else True
        if part and not (fits and fitting.takes(part, data)):
            raise UserError(fitting.other_data(group, choices, part, data))


def _check_idle(config: Config, choices: Choices, said: Collection[str]) -> None:
    """Check that the variant uses every choice made, and that the game reads every changed setting."""
    variant = config.get("variant")
    text = " ".join(fitting.texts(variant))
    for group in INJECTED:
        if group in said and f"${{{group}}}" not in text and f"${{{group}." not in text:
            raise UserError(fitting.unasked(choices, group, variant))
    game = target(variant)
    taken = signature(game) if isinstance(variant, Mapping) and game else None
    if taken is None or not isinstance(variant, Mapping):
        return
    if config.get("augment") is not None and "augment" not in taken.arguments and not taken.open:
        raise UserError(fitting.unaugmented(choices, game))
    for name, methods in ignored(game).items():
        given = variant.get(name)
        group = given[2:-1] if isinstance(given, str) and given.startswith("${") and given.endswith("}") else ""
        value = config.get(group) if group in config else given
        default = taken.arguments[name].default
        changed = group in said if default is REQUIRED else name in variant and not _equal(value, default)
        if changed and default is not UNKNOWN and not (isinstance(value, str) and "${" in value):
            shown = f"{group}={choices[group]}" if group in choices else f"variant.{name}={plain(value)}"
            raise UserError(fitting.unread(choices, game, name, methods, shown))


def _equal(value: Any, default: Any) -> bool:
    """Return True if a value of a file equals a constructor's default; a list equals the same tuple."""
    return bool(value == (list(default) if isinstance(default, tuple) else default))


# Settings


def _check_compile(trainer: Mapping[str, Any]) -> None:
    """Refuse a mode of torch.compile if no network is compiled."""
    mode = trainer.get("compile_mode")
    if mode is not None and not trainer.get("compile"):
        raise UserError(
            f"trainer.compile_mode={mode} has no effect: no network is compiled. Set trainer.compile=true as well."
        )


def _check_followers(config: Mapping[str, Any]) -> None:
    """Refuse settings of `training` that differ from those of the run: iterations, seed, batch size."""
    variant, data = config["variant"], config["data"]
    training = variant.get("training") if isinstance(variant, Mapping) else None
    if not isinstance(training, Mapping) or not isinstance(data, Mapping):
        return
    for key, leader, value in (
        ("iterations", "iterations", config["iterations"]),
        ("seed", "seed", config["seed"]),
        ("batch_size", "data.batch_size", data.get("batch_size")),
    ):
        if value is not None and key in training and training[key] != value:
            raise UserError(
                f"variant.training.{key}={training[key]} follows {leader}, which is {value}. Say {leader}="
                f"{training[key]} instead."
            )


def _check_batch(config: Mapping[str, Any]) -> None:
    batch = config["data"].get("batch_size") if isinstance(config["data"], Mapping) else None
    trainer = config["trainer"]
    devices = trainer["devices"]
    if isinstance(devices, list):
        devices = len(devices)
    if not isinstance(batch, int) or not isinstance(devices, int):
        return  # the number of devices is known later
    training = config["variant"].get("training") if isinstance(config["variant"], Mapping) else None
    micro = training.get("accumulate", 1) if isinstance(training, Mapping) else 1
    packing = config["variant"].get("packing", 1) if isinstance(config["variant"], Mapping) else 1
    parts = devices * trainer["num_nodes"]
    for factor in (micro, packing):
        parts *= factor if isinstance(factor, int) else 1
    if batch % parts:
        shares = [f"trainer.devices={devices}"]
        shares += [f"trainer.num_nodes={trainer['num_nodes']}"] if trainer["num_nodes"] != 1 else []
        shares += [f"variant.training.accumulate={micro}"] if micro != 1 else []
        shares += [f"variant.packing={packing}"] if packing != 1 else []
        nearby = sorted({max(parts, batch - batch % parts), batch - batch % parts + parts})
        raise UserError(
            f"data.batch_size={batch} is the batch of all processes together, and {' x '.join(shares)} cannot share it "
            f"evenly. Try data.batch_size={' or '.join(map(str, nearby))}."
        )


def _discriminator(config: Config) -> Config:
    """Return the settings of the discriminator; empty if unknown."""
    variant = config["variant"]
    network = variant.get("dis", variant.get("discriminator")) if isinstance(variant, Mapping) else None
    return network if isinstance(network, Mapping) else {}


def _check_penalty(config: Config, choices: Choices) -> None:
    """Refuse a penalty on per-sample gradients with a discriminator whose output depends on the batch."""
    variant = config["variant"]
    if not isinstance(variant, Mapping) or not variant.get("penalty"):
        return
    if holds(_discriminator(config), "batch_statistics"):
        network, game = signature(target(_discriminator(config))), target(variant)
        ways = ["network.discriminator.norm=none (or layer)"] * (network is None or "norm" in network.arguments)
        plain_game = is_ours(game) and not says(game, "conditional") and role(required_model(game)) is None
        ways += ["network=resnet, whose discriminator has none"] * plain_game
        raise UserError(
            f"penalty={choices.get('penalty')} is a function of each sample's own gradient, and batch norm in D makes "
            f"each logit depend on the whole batch. Say {', or '.join(ways) or 'penalty=none'}"
            f"{'; or penalty=none' if ways else ''}."
        )


def _check_critic(config: Config, choices: Choices) -> None:
    """Refuse a Wasserstein objective without a Lipschitz constraint on the critic: it has no optimum."""
    variant = config["variant"]
    loss = variant.get("loss") if isinstance(variant, Mapping) else None
    if not isinstance(variant, Mapping) or not says(target(loss), "needs_lipschitz"):
        return
    parts = [variant, *(part for name, part in variant.items() if isinstance(part, Mapping) and name != "model")]
    known = (variant.get(name) for name in ("penalty", "constraint"))
    unknown = any(part and not is_ours(target(part)) and declared(target(part), "lipschitz") is None for part in known)
    if unknown or any(holds(part, "lipschitz") for part in parts):
        return
    taken = signature(target(variant))
    penalised = "penalty" in (taken.arguments if taken else variant)
    network = signature(target(_discriminator(config)))
    normed = network is not None and "norm" in network.arguments
    batch_norm = holds(_discriminator(config), "batch_statistics")
    without = " with network.discriminator.norm=none" if batch_norm else ""
    ways = [f"penalty=gradient_penalty{without}"] * (penalised and (normed or not batch_norm))
    ways += ["network.discriminator.norm=spectral"] * normed
    start = " start from variant=wgan_gp or variant=wgan," if penalised else ""
    add = f"Add {' or '.join(ways)},{start} or choose" if ways else "Choose"
    own = [name for part in parts if (name := target(part)) and not is_ours(name) and name.partition(".")[0] != "torch"]
    declare = f" A class that holds it itself declares so: lipschitz = True in {' or '.join(own)}." if own else ""
    raise UserError(
        "objective=wasserstein: nothing here holds the critic Lipschitz, so that its loss falls without end. "
        f"{add} another objective for {choices.get('variant')}.{declare}"
    )


def _check_ranking(config: Config) -> None:
    """Check that factor models rank numbered documents, and feature models documents with features."""
    data, network = target(config["data"]), target(_discriminator(config))
    described, wanted = declared(data, "described"), declared(network, "described")
    if described is not None and wanted is not None and described != wanted:
        raise UserError(
            f"{network.rpartition('.')[2]} scores {'described' if wanted else 'numbered'} documents; {data} gives "
            "none. Leave network= out: it is irgan for data=movielens, irgan_features for data=digits_retrieval and "
            "data=letor."
        )


def _check_init(config: Config, choices: Choices) -> None:
    """Refuse to reinitialise a network that depends on its own initial weights."""
    rests = declared(target(_discriminator(config)), "own_initialization")
    if config["init"] is None or not isinstance(rests, str):
        return
    raise UserError(
        f"init={choices.get('init')}: the networks of {choices.get('network')} {rests}. Say init=own, or choose "
        "network=resnet or dcgan."
    )


def _check_decoder(config: Config, choices: Choices) -> None:
    """Refuse a decoder with a tanh output for a likelihood that takes logits, which are unbounded."""
    variant = config["variant"]
    model = variant.get("model") if isinstance(variant, Mapping) else None
    parts = model if isinstance(model, Mapping) else {}
    likelihood, decoder = parts.get("likelihood"), parts.get("generator")
    if not isinstance(likelihood, Mapping) or not isinstance(decoder, Mapping) or setting(decoder, "output") != "tanh":
        return
    if says(target(likelihood), "logits"):
        raise UserError(
            f"likelihood={choices.get('likelihood')} is given logits, and a decoder that ends in tanh gives none "
            "beyond -1 and 1. Leave network.model.generator.output out, or say linear."
        )
