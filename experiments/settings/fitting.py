"""Compatible choices for a part of a run, and the messages that list them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from datamodules.catalogue import CATALOGUE, IN_WORDS
from experiments.settings import offered
from experiments.settings.declarations import is_ours, names, required_model, role, says, suits, target
from experiments.settings.signatures import lineage, signature

Choices = Mapping[str, str]
ARGUMENT = {"objective": "loss"}  # group -> a game's argument, where their names differ
INTERPOLATION = re.compile(r"\$\{(\w+)\}")
ENCODING = "lightning_gans.models.inference.EncodingModel"


# Data


def takes(part: str, data: str) -> bool:
    """Return True if a class accepts the batches of a data module, or if either side declares nothing."""
    return all(
        not wanted or not given or bool(set(wanted) & set(given))
        for wanted, given in ((names(part, kind), names(data, kind)) for kind in ("batch", "contents"))
    )


def plays(variant: str, data: str) -> bool:
    """Return True if a variant trains on such data: its game accepts them, and so does its network or a recipe."""
    game, network = offered.variant_class(variant), offered.usual_network(variant)
    if game and not takes(game, data):
        return False
    return not network or _network_takes(network, data) or _has_recipe(variant, data)


def _network_takes(network: str, data: str) -> bool:
    return all(takes(part, data) for part in _parts(offered.files("network").get(network, {})) if part)


def _parts(node: object) -> Iterable[str]:
    if isinstance(node, Mapping):
        yield target(node)
        for value in node.values():
            yield from _parts(value)


def _has_recipe(variant: str, data: str) -> bool:
    """Return True if a recipe of the variant is for data with the same batches and contents."""
    given = _given(data)
    return any(_given(offered.data_class(name)) == given for name in offered.recipes(variant) if name in CATALOGUE)


def _given(data: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return names(data, "batch"), names(data, "contents")


def other_data(group: str, choices: Choices, part: str, data: str) -> str:
    """Explain why a choice does not fit the data; list data that fit the choice, and choices that fit the data."""
    chosen = choices.get(group, "")

    def fits(module: str) -> bool:
        return takes(part, module) and (group != "variant" or not is_ours(part) or plays(chosen, module))

    fitting = [name for name in CATALOGUE if fits(offered.data_class(name))]
    wanted = [words for kind, words in IN_WORDS.items() if any(_kind(offered.data_class(n)) == kind for n in fitting)]
    needs = ", or ".join(wanted) or f"batches of type {' or '.join(names(part, 'batch'))}"
    others = _others(group, chosen, data)
    choose = f" For data={choices['data']} choose {group}={' or '.join(others)}." if others else ""
    data_that_fit = f" Data that fit: {', '.join(fitting)}." if fitting else ""
    return f"{group}={chosen} needs {needs}, and data={choices['data']} gives {_words(data)}.{data_that_fit}{choose}"


def _kind(data: str) -> tuple[str, str]:
    batch, contents = _given(data)
    return (batch or ("",))[0], (contents or ("",))[0]


def _words(data: str) -> str:
    return IN_WORDS.get(_kind(data), f"batches of type {_kind(data)[0]}")


def _others(group: str, chosen: str, data: str) -> list[str]:
    """Return a group's choices that fit the data: relatives of the chosen one first, then those made for the data."""
    if group == "variant":
        fits = [name for name in offered.files("variant") if plays(name, data)]
        return sorted(fits, key=lambda name: name not in offered.bases("variant", chosen))
    made = {name: target(node.get(group, node)) for name, node in offered.files(group).items()}
    fits = [name for name, part in made.items() if takes(part, data)]
    return sorted(fits, key=lambda name: (not names(made[name], "batch"), name == "none"))


# Networks


def another_network(choices: Choices, game: str) -> str:
    """Explain why a game with networks of its own does not accept this network; list those that it accepts."""
    needed = required_model(game)
    fitting = [name for name in offered.files("network") if (made := offered.model_class(name)) and suits(made, needed)]
    network, variant = choices.get("network"), choices.get("variant")
    if any(f"{found.module}.{found.name}" == ENCODING for found in lineage(needed)):
        own = f"which has networks of its own: network={_either(fitting)}"
        return f"network={network} does not go with variant={variant}, {own}."
    return f"network={network} does not go with variant={variant}. Choose network={_either(fitting)}."


def another_variant(choices: Choices, game: str, model: str) -> str:
    """Explain why a network made for certain games does not fit another game."""
    made_for = [
        name for name in offered.files("variant") if role(required_model(offered.variant_class(name))) == role(model)
    ]
    variant = choices.get("variant")
    named = f"network={choices.get('network')} is made for variant={' or '.join(made_for)}"
    declare = "" if is_ours(game) else f" A game that takes it says so: `model: {model.rpartition('.')[2]}` in {game}."
    if any(f"{found.module}.{found.name}" == ENCODING for found in lineage(model)):
        return (
            f"{named}, and its encoder would be nobody's in variant={variant}. Leave network= out, or choose dcgan, "
            f"mlp or resnet.{declare}"
        )
    return f"{named}, and variant={variant} has no use for its model. Leave network= out, or choose another.{declare}"


def untold(choices: Choices) -> str:
    """Explain why a class-conditional network does not fit an unconditional game."""
    telling = [
        name
        for name in offered.files("variant")
        if says(game := offered.variant_class(name), "conditional") and role(required_model(game)) is None
    ]
    return (
        f"network={choices.get('network')} is told the class, and variant={choices.get('variant')} tells none. Choose "
        f"variant={_either(telling)}; or another network."
    )


def told_network(choices: Choices, game: str) -> str:
    """Name the networks that fit a class-conditional game."""
    fitting = [
        name
        for name in offered.files("network")
        if says(made := offered.model_class(name), "conditional")
        and suits(made, required_model(game))
        and says(offered.discriminator_class(name), "auxiliary") == says(game, "auxiliary")
    ]
    network, variant = choices.get("network"), choices.get("variant")
    return f"network={network} does not go with variant={variant}: choose network={_either(fitting)}."


# Settings


def texts(node: object) -> Iterator[str]:
    """Yield every string in a configuration, at any depth."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)


def unasked(choices: Choices, group: str, variant: object) -> str:
    """Explain why a choice of a group has no effect on a variant whose file does not refer to the group.

    Args:
        variant: the variant's node, with interpolations as text.
    """
    name, node = choices.get("variant"), variant if isinstance(variant, Mapping) else {}
    argument = ARGUMENT.get(group, group)
    taken = signature(target(node))
    own = target(node).rpartition(".")[2] or f"variant={name}"
    follows = INTERPOLATION.fullmatch(str(node.get(argument)))
    if taken is not None and not taken.open and argument not in taken.arguments:
        why = f"{own} takes no {group}"
    elif follows and follows[1] in choices:
        why = f"its {argument} is chosen by {follows[1]}={choices[follows[1]]}"
    elif node.get(argument) is not None:
        why = f"its file sets variant.{argument} itself"
    else:
        why = "nothing in its file refers to it"
    asking = [other for other, file in offered.files("variant").items() if f"${{{group}}}" in texts(file)]
    others = f", or choose variant={_either(asking)}" if asking else ""
    return f"{group}= has no effect on variant={name}: {why}. Leave {group}= out{others}."


def unaugmented(choices: Choices, game: str) -> str:
    """Explain why an augmentation has no effect on a game that applies none."""
    taking = [
        name
        for name in offered.files("variant")
        if (taken := signature(offered.variant_class(name))) is not None and "augment" in taken.arguments
    ]
    name, variant = game.rpartition(".")[2], choices.get("variant")
    return (
        f"augment={choices.get('augment')} has no effect on variant={variant}: {name} takes no augmentation. Leave "
        f"augment= out, or choose variant={_either(taking)}."
    )


def unread(choices: Choices, game: str, name: str, methods: Sequence[str], shown: str) -> str:
    """Explain why a setting has no effect on a game that inherits it but never reads it."""
    own = game.rpartition(".")[2]
    why = f"overrides {_all(methods)}, and no method that is left reads it" if methods else "does not honour it"
    return (
        f"{shown} has no effect on variant={choices.get('variant')}: {own} inherits the setting {name}, {why}. Leave "
        f"it out, or read self.{name} in {own}."
    )


def _either(words: Sequence[str]) -> str:
    return _listed(words, "or")


def _all(words: Sequence[str]) -> str:
    return _listed(words, "and")


def _listed(words: Sequence[str], last: str) -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)
