"""Whether the parts of a run fit each other, as far as that is known without building them."""

from collections.abc import Mapping
from typing import Any

from datamodules.catalogue import CATALOGUE, KINDS
from experiments.settings.registry import AUGMENT_NEEDS, METRICS_NEED, NEEDS
from lightning_gans.core.errors import UserError
from lightning_gans.core.precision import check_precision

CONDITIONAL = ("lightning_gans.variants.cgan.ConditionalGAN", "lightning_gans.variants.acgan.ACGAN")
# Games with an encoder, and the models of lightning_gans.models that they take. Their networks are named after them.
ENCODING = {
    "autoencoder": ("inference.AutoencodingModel",),
    "vae": ("variational.VariationalModel",),
    "vaegan": ("vaegan.VAEGANModel",),
    "bigan": ("inference.InferenceModel", "inference.BoundedInferenceModel"),
    "ali": ("inference.GaussianInferenceModel",),
    "infogan": ("infogan.InfoGANModel",),
}
# Models of one kind of game: who takes them, and the networks that make one.
OWN_MODELS = {
    "translation.TranslationModel": (("cyclegan",), "cyclegan, cyclegan_resnet6 or cyclegan_resnet9"),
    "domain.DomainModel": (("dann", "dann_alternating"), "dann, dann_mnist or dann_svhn"),
    "triple.TripleModel": (("triplegan",), "triplegan"),
    "converting.ConvertingModel": (("disentangle", "disentangle_pairs"), "disentangle"),
    "retrieval.RankingModel": (("irgan", "irgan_pairwise"), "irgan or irgan_features"),
}


def check(config: Mapping[str, Any], choices: Mapping[str, str]) -> None:
    """Refuse parts that do not fit; choices of a user's own are let through.

    Args:
        config: resolved, plain and valid.
        choices: group -> choice.

    Raises:
        UserError: names the parts, and what would fit.
    """
    check_precision(config["trainer"]["precision"])
    _check_followers(config)
    _check_batch(config)
    _check_penalty(config, choices)
    _check_critic(config, choices)
    _check_labels(config, choices)
    _check_decoder(config, choices)
    _check_ranking(config)
    _check_init(config, choices)


def check_network(network: Any, choices: Mapping[str, str]) -> None:
    """Refuse a network without an encoder for a game that needs one, and one made for another game.

    Args:
        network: as composed, unresolved: what does not fit might not resolve.

    Raises:
        UserError: names the networks that fit.
    """
    variant, name = choices.get("variant", ""), choices.get("network", "")
    model = network.get("model") if isinstance(network, Mapping) else None
    target = str(model.get("_target_", "")) if isinstance(model, Mapping) else ""
    made_for = name.partition("_")[0]
    for own, (games, fitting) in OWN_MODELS.items():
        ours = target.startswith("lightning_gans.models.") and variant in NEEDS
        if not ours or target.endswith(own) == (variant in games):
            continue
        if variant in games:
            raise UserError(f"network={name} does not go with variant={variant}. Choose network={fitting}.")
        raise UserError(
            f"network={name} is made for variant={' or '.join(games)}, and variant={variant} has no use for its model. "
            "Leave network= out, or choose another."
        )
    if variant in ENCODING and made_for != variant:
        if target.startswith("lightning_gans.models.") and (
            made_for in ENCODING or target.removeprefix("lightning_gans.models.") not in ENCODING[variant]
        ):
            raise UserError(
                f"network={name} does not go with variant={variant}, which has networks of its own: "
                f"network={variant} or {variant}_mlp."
            )
    elif made_for in ENCODING and made_for != variant:
        raise UserError(
            f"network={name} is made for variant={made_for}, and its encoder would be nobody's in "
            f"variant={variant}. Leave network= out, or choose dcgan, mlp or resnet."
        )


def check_kind(choices: Mapping[str, str]) -> None:
    """Refuse a variant, a measure or an augmentation that the chosen data are not made for.

    Raises:
        UserError: names what fits.
    """
    data = choices.get("data", "")
    if data not in CATALOGUE:
        return
    kind = CATALOGUE[data].kind
    for group, needs in (("variant", NEEDS), ("metrics", METRICS_NEED), ("augment", AUGMENT_NEEDS)):
        choice = choices.get(group, "")
        need = needs.get(choice)
        if need is None or kind in need:
            continue
        fitting = ", ".join(name for name, entry in CATALOGUE.items() if entry.kind in need)
        others = ", ".join(name for name, other in needs.items() if kind in other)
        words = ", or ".join(KINDS[kind] for kind in need)
        raise UserError(
            f"{group}={choice} needs {words}, and data={data} gives {KINDS[kind]}. Data that fit: {fitting}. "
            f"For data={data} choose {group}={others.replace(', ', ' or ')}."
        )


def _check_followers(config: Mapping[str, Any]) -> None:
    """What a game is told of the run is what the run does."""
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
        return  # how many devices there are is known later
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


def _discriminator(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is known of D's network."""
    variant = config["variant"]
    network = variant.get("dis", variant.get("discriminator")) if isinstance(variant, Mapping) else None
    return network if isinstance(network, Mapping) else {}


def _check_penalty(config: Mapping[str, Any], choices: Mapping[str, str]) -> None:
    """A penalty is on each sample's own gradient."""
    variant = config["variant"]
    if not isinstance(variant, Mapping) or not variant.get("penalty"):
        return
    if _discriminator(config).get("norm") == "batch":
        raise UserError(
            f"penalty={choices.get('penalty')} is a function of each sample's own gradient, and batch norm in D makes "
            "each logit depend on the whole batch. Say network.discriminator.norm=none (or layer), or network=resnet, "
            "whose discriminator has none; or penalty=none."
        )


def _check_critic(config: Mapping[str, Any], choices: Mapping[str, str]) -> None:
    """The Wasserstein objective has no optimum unless something holds the critic Lipschitz."""
    variant = config["variant"]
    loss = variant.get("loss") if isinstance(variant, Mapping) else None
    if not isinstance(loss, Mapping) or loss.get("_target_") != "lightning_gans.losses.adversarial.Wasserstein":
        return
    network = _discriminator(config)
    spectral = network.get("norm") == "spectral" or network.get("spectral_norm") is True
    held = any(variant.get(name) for name in ("penalty", "constraint", "magnitude_weight"))
    if held or spectral:
        return
    ways = ["penalty=gradient_penalty"] * ("penalty" in variant)
    ways += ["network.discriminator.norm=spectral"] * ("norm" in network)
    start = " start from variant=wgan_gp or variant=wgan," if "penalty" in variant else ""
    add = f"Add {' or '.join(ways)},{start} or choose" if ways else "Choose"
    raise UserError(
        "objective=wasserstein: nothing here holds the critic Lipschitz, so that its loss falls without end. "
        f"{add} another objective for {choices.get('variant')}."
    )


def _check_labels(config: Mapping[str, Any], choices: Mapping[str, str]) -> None:
    """Networks that are told the class go with games that tell it, one head with one, two with two."""
    variant = config["variant"]
    target = variant.get("_target_", "") if isinstance(variant, Mapping) else ""
    model = variant.get("model") if isinstance(variant, Mapping) else None
    if not target.startswith("lightning_gans.variants.") or not isinstance(model, Mapping):
        return
    network, tells = choices.get("network"), target in CONDITIONAL
    if model.get("_target_") == "lightning_gans.models.conditional.ConditionalGenerativeModel" and not tells:
        raise UserError(
            f"network={network} is told the class, and variant={choices.get('variant')} tells none. Choose "
            "variant=cgan, acgan or projection; or another network."
        )
    two_heads = ".auxiliary." in _discriminator(config).get("_target_", "")
    if tells and two_heads != target.endswith(".ACGAN"):
        fitting = "acgan or acgan_mlp" if target.endswith(".ACGAN") else "cgan, cgan_mlp or projection"
        raise UserError(
            f"network={network} does not go with variant={choices.get('variant')}: choose network={fitting}."
        )


def _check_ranking(config: Mapping[str, Any]) -> None:
    """Factors are of queries and documents that are numbers, a layer of features is of documents that have some."""
    data, network = config["data"], str(_discriminator(config).get("_target_", ""))
    target = str(data.get("_target_")) if isinstance(data, Mapping) else ""
    described = target in ("datamodules.DigitsRetrieval", "datamodules.Letor")
    wanted = network.endswith(".FeatureScorer")
    ours = network.startswith("lightning_gans.networks.retrieval.") and target.startswith("datamodules.")
    if ours and described != wanted:
        raise UserError(
            f"{network.rpartition('.')[2]} scores {'described' if wanted else 'numbered'} documents; {target} gives "
            "none. Leave network= out: it is irgan for data=movielens, irgan_features for data=digits_retrieval and "
            "data=letor."
        )


def _check_init(config: Mapping[str, Any], choices: Mapping[str, str]) -> None:
    """Residual branches that begin at 0 are what R3GAN's networks have in the place of norms."""
    if config["init"] is None or ".networks.r3gan." not in str(_discriminator(config).get("_target_", "")):
        return
    raise UserError(
        f"init={choices.get('init')}: the networks of {choices.get('network')} have no norms and rest on Fix-up "
        "initialisation, their residual branches 0 at first. Say init=own, or choose network=resnet or dcgan."
    )


def _check_decoder(config: Mapping[str, Any], choices: Mapping[str, str]) -> None:
    """Logits have no bounds."""
    variant = config["variant"]
    model = variant.get("model") if isinstance(variant, Mapping) else None
    parts = model if isinstance(model, Mapping) else {}
    likelihood, decoder = parts.get("likelihood"), parts.get("generator")
    if not isinstance(likelihood, Mapping) or not isinstance(decoder, Mapping) or decoder.get("output") != "tanh":
        return
    if str(likelihood.get("_target_")).endswith(("likelihoods.Bernoulli", "likelihoods.Categorical")):
        raise UserError(
            f"likelihood={choices.get('likelihood')} is given logits, and a decoder that ends in tanh gives none "
            "beyond -1 and 1. Leave network.model.generator.output out, or say linear."
        )
