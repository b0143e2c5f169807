"""Networks, priors and models."""

from experiments.settings.schema import CLASSES, DEPTH, PROBABILITY, SHAPE, WIDTH, Schema
from experiments.settings.spec import Bool, Choice, Float, Int, ListOf, Node, Optional, Spec

_R3GAN: dict[str, Spec] = {
    "channels": Int(min=1),
    "image_size": Choice((8, 16, 32, 64, 128)),
    "width": Int(min=1, help="channels up to 32 px, halved with each doubling"),
    "blocks": Int(min=1, help="residual blocks at each size"),
    "cardinality": Int(min=1, help="groups of the 3x3 convolutions up to 32 px"),
    "expansion": Int(min=1, help="how many times wider a block is inside"),
    "classes": CLASSES,
}
_DIM = {"dim": Int(min=1, help="length of a code")}

ENTRIES: dict[str, Schema] = {
    "lightning_gans.networks.initialization.Normal": Schema({"std": Float(above=0, help="of every weight")}),
    "lightning_gans.networks.initialization.Xavier": Schema({"gain": Float(above=0, help="times Glorot's bound")}),
    "lightning_gans.networks.initialization.He": Schema({"slope": Float(min=0, help="of the leaky ReLUs; 0: ReLUs")}),
    "lightning_gans.networks.initialization.Orthogonal": Schema(
        {"gain": Float(above=0, help="every singular value of a weight")}
    ),
    "lightning_gans.networks.augment.Translation": Schema(
        {"ratio": Float(min=0, max=0.5, help="largest shift, as a share of the image")}
    ),
    "lightning_gans.networks.augment.Color": Schema({}),
    "lightning_gans.networks.augment.Cutout": Schema(
        {"ratio": Float(min=0, max=1, help="side of the square, as a share of the image")}
    ),
    "lightning_gans.networks.augment.Composition": Schema({"parts": ListOf(Node(), help="one after the other")}),
    "lightning_gans.networks.augment.Adaptive": Schema(
        {
            "parts": ListOf(Node(), help="one after the other, each with probability p"),
            "target": Float(min=-1, max=1, help="of the mean sign of D's logits on real samples"),
            "speed": Float(above=0, help="images that take p from 0 to 1"),
        }
    ),
    "lightning_gans.networks.augment.Rising": Schema(
        {
            "parts": ListOf(Node(), help="one after the other, each with probability p"),
            "end": Float(min=0, max=1, help="p at the end of the run"),
        }
    ),
    "lightning_gans.core.prior.Normal": Schema(_DIM),
    "lightning_gans.core.prior.Uniform": Schema(_DIM | {"bound": Float(above=0, help="U(-bound, bound)")}),
    "lightning_gans.core.prior.Categorical": Schema(_DIM),
    "lightning_gans.core.prior.Mixed": Schema({"parts": ListOf(Node())}),
    "lightning_gans.models.generative.GenerativeModel": Schema({"generator": Node(), "prior": Node()}),
    "lightning_gans.models.conditional.ConditionalGenerativeModel": Schema(
        {"generator": Node(), "prior": Node(), "classes": Int(min=1, help="of the data")}
    ),
    "lightning_gans.networks.mlp.MLPGenerator": Schema(
        {
            "latent_dim": Int(min=1),
            "sample_shape": SHAPE,
            "width": WIDTH,
            "depth": DEPTH,
            "batch_norm": Bool(),
            "output": Choice(("tanh", "linear"), help="tanh for images, linear for points"),
        }
    ),
    "lightning_gans.networks.mlp.MLPDiscriminator": Schema(
        {"sample_shape": SHAPE, "width": WIDTH, "depth": DEPTH, "dropout": PROBABILITY}
    ),
    "lightning_gans.networks.mlp.MaxoutDiscriminator": Schema(
        {
            "sample_shape": SHAPE,
            "units": WIDTH,
            "pieces": Int(min=1),
            "depth": DEPTH,
            "input_dropout": PROBABILITY,
            "hidden_dropout": PROBABILITY,
        }
    ),
    "lightning_gans.networks.mlp.AffineGenerator": Schema({"scale": ListOf(Float()), "shift": ListOf(Float())}),
    "lightning_gans.networks.dcgan.DCGANGenerator": Schema(
        {"latent_dim": Int(min=1), "channels": Int(min=1), "image_size": Choice((8, 16, 32, 64, 128)), "width": WIDTH}
    ),
    "lightning_gans.networks.dcgan.DCGANDiscriminator": Schema(
        {
            "channels": Int(min=1),
            "image_size": Choice((8, 16, 32, 64, 128)),
            "width": WIDTH,
            "norm": Choice(("batch", "layer", "instance", "none", "spectral"), help="gradient penalties: not batch"),
        }
    ),
    "lightning_gans.networks.resnet.ResNetGenerator": Schema(
        {
            "latent_dim": Int(min=1),
            "channels": Int(min=1),
            "image_size": Choice((8, 16, 32, 64, 128)),
            "width": WIDTH,
            "classes": CLASSES,
        }
    ),
    "lightning_gans.networks.resnet.ResNetDiscriminator": Schema(
        {
            "channels": Int(min=1),
            "image_size": Choice((8, 16, 32, 64, 128)),
            "width": WIDTH,
            "pool": Choice(("mean", "sum"), help="of the last maps"),
            "spectral_norm": Bool(help="of every weight"),
            "bias": Bool(help="of the last layer"),
            "classes": CLASSES,
        }
    ),
    "lightning_gans.networks.r3gan.R3GANGenerator": Schema({"latent_dim": Int(min=1)} | _R3GAN),
    "lightning_gans.networks.r3gan.R3GANDiscriminator": Schema(_R3GAN),
}


def _like(target: str, **more: Spec) -> Schema:
    """The settings of another class, and some more."""
    return Schema({**ENTRIES[target].settings, **more})


ENTRIES |= {
    f"lightning_gans.networks.{file}.{kind}{network}": _like(
        f"lightning_gans.networks.{home}", classes=Int(min=1, help="of the data")
    )
    for file, kind, home in (
        ("concatenation", "Conditional", "mlp.MLPGenerator"),
        ("concatenation", "Conditional", "mlp.MLPDiscriminator"),
        ("concatenation", "Conditional", "dcgan.DCGANGenerator"),
        ("concatenation", "Conditional", "dcgan.DCGANDiscriminator"),
        ("auxiliary", "Auxiliary", "mlp.MLPDiscriminator"),
        ("auxiliary", "Auxiliary", "dcgan.DCGANDiscriminator"),
    )
    for network in [home.partition(".")[2]]
}

# Encoders

_CODE: dict[str, Spec] = {
    "code_dim": Int(min=1, help="length of a code"),
    "moments": Choice((1, 2), help="1: a code; 2: mean and log variance of one"),
    "normalize": Bool(help="batch norm of the code, without gain and bias"),
}

ENTRIES |= {
    "lightning_gans.models.inference.InferenceModel": Schema({"generator": Node(), "prior": Node(), "encoder": Node()}),
    "lightning_gans.models.inference.AutoencodingModel": Schema(
        {"generator": Node(), "prior": Node(), "encoder": Node()}
    ),
    "lightning_gans.models.inference.GaussianInferenceModel": Schema(
        {"generator": Node(), "prior": Node(), "encoder": Node()}
    ),
    "lightning_gans.models.vaegan.VAEGANModel": Schema({"generator": Node(), "prior": Node(), "encoder": Node()}),
    "lightning_gans.networks.encoders.MLPEncoder": Schema(
        {"sample_shape": SHAPE, "width": WIDTH, "depth": DEPTH, "batch_norm": Bool(help="of all hidden layers but one")}
        | _CODE
    ),
    "lightning_gans.networks.encoders.DCGANEncoder": _like("lightning_gans.networks.dcgan.DCGANDiscriminator", **_CODE),
}

# Pairs of samples and codes

_CODE_DIM = Int(min=1, help="length of a code")
_TOLD_DEPTH = Int(min=2, help="layers, all but the first of which are told the code")
ENTRIES |= {
    "lightning_gans.models.inference.BoundedInferenceModel": Schema(
        {
            "generator": Node(),
            "prior": Node(help="uniform"),
            "encoder": Node(),
            "link": Choice(("normal", "logistic"), help="the encoder's numbers to codes: which distribution function"),
        }
    ),
    "lightning_gans.networks.bigan.BiGANEncoder": Schema(
        {"sample_shape": SHAPE, "code_dim": _CODE_DIM, "width": WIDTH, "moments": _CODE["moments"]}
    ),
    "lightning_gans.networks.bigan.BiGANGenerator": Schema(
        {"latent_dim": Int(min=1), "sample_shape": SHAPE, "width": WIDTH}
    ),
    "lightning_gans.networks.bigan.BiGANDiscriminator": Schema(
        {"sample_shape": SHAPE, "code_dim": _CODE_DIM, "width": WIDTH}
    ),
    "lightning_gans.networks.joint.JointMLPDiscriminator": Schema(
        {
            "sample_shape": SHAPE,
            "code_dim": _CODE_DIM,
            "width": WIDTH,
            "depth": _TOLD_DEPTH,
            "batch_norm": Bool(help="of the layers that are told the code"),
            "dropout": PROBABILITY,
            "unit_range": Bool(help="images in [-1, 1] are seen in [0, 1]"),
        }
    ),
    "lightning_gans.networks.joint.JointDCGANDiscriminator": _like(
        "lightning_gans.networks.dcgan.DCGANDiscriminator", code_dim=_CODE_DIM, dropout=PROBABILITY
    ),
}

# InfoGAN

_INFOGAN: dict[str, Spec] = {
    "channels": Int(min=1),
    "image_size": Choice(tuple(range(8, 65, 4))),
    "width": Int(min=1, help="channels of the map next to the image"),
}

ENTRIES |= {
    "lightning_gans.models.infogan.InfoGANModel": Schema(
        {
            "generator": Node(),
            "noise": Node(help="what the recognition network does not look for"),
            "codes": ListOf(Node(), help="what it does: categorical, uniform and normal ones"),
            "encoder": Node(),
        }
    ),
    "lightning_gans.networks.infogan.InfoGANGenerator": Schema({"latent_dim": Int(min=1)} | _INFOGAN),
    "lightning_gans.networks.infogan.InfoGANEncoder": Schema(
        _INFOGAN
        | {
            "code_dim": Int(min=1, help="length of a code"),
            "slope": Float(min=0, help="of leaky ReLUs below 0"),
        }
    ),
    "lightning_gans.networks.infogan.InfoGANJudge": Schema({"width": WIDTH}),
}

# Discriminators that give a hidden layer

ENTRIES |= {
    f"lightning_gans.networks.similarity.Similarity{home.partition('.')[2]}": _like(
        f"lightning_gans.networks.{home}",
        outputs=Int(min=1, help="logits"),
        feature_level=Int(min=1, help="hidden layer in which samples are compared, counted from the logits"),
    )
    for home in ("mlp.MLPDiscriminator", "dcgan.DCGANDiscriminator")
}

# Variational auto-encoders

_OUTPUT: dict[str, Spec] = {"output": Choice(("tanh", "linear"), help="tanh for images, linear for logits")}

ENTRIES |= {
    "lightning_gans.networks.dcgan.DCGANGenerator": _like("lightning_gans.networks.dcgan.DCGANGenerator", **_OUTPUT),
    "lightning_gans.models.variational.VariationalModel": Schema(
        {"generator": Node(), "prior": Node(), "encoder": Node(), "likelihood": Node(help="of x, given the decoder's")}
    ),
    "lightning_gans.models.likelihoods.Gaussian": Schema(
        {"std": Float(above=0, help="of every number, in [-1, 1]"), "learned": Bool(help="one std for all numbers")}
    ),
    "lightning_gans.models.likelihoods.Bernoulli": Schema(
        {
            "binarize": Optional(
                Choice(("stochastic", "threshold")), help="how grey becomes binary; null: taken as probabilities"
            )
        }
    ),
    "lightning_gans.models.likelihoods.Categorical": Schema({}),
}
