"""Triple-GAN: its data of few labels, its networks and its game."""

from experiments.settings.schema import PROBABILITY, SEED, SHAPE, WIDTH, Schema
from experiments.settings.spec import Bool, Choice, Float, Int, Node, Optional, Path, Spec, Text

_CLASSES = Int(min=1, help="of the data")
_NOISE = Float(min=0, help="deviation of Gaussian noise in training")


def _weight(of: str) -> Spec:
    return Float(min=0, help=f"of {of} in what C descends")


_SEMI: dict[str, Spec] = {
    "batch_size": Int(min=1, help="labelled images, of all processes together"),
    "unlabelled_batches": Int(min=1, help="unlabelled images for each labelled one"),
    "labels": Optional(Int(min=1), help="images that keep their label, as many of each class; null: all"),
    "label_seed": Optional(SEED, help="which ones; null: the run's seed"),
    "channels": Choice((1, 3), help="1 is grey, 3 is RGB"),
}

ENTRIES: dict[str, Schema] = {
    "datamodules.DigitsSemi": Schema(_SEMI | {"image_size": Choice((8, 16, 32, 64, 128), help="pixels")}),
    "datamodules.VisionSemi": Schema(
        _SEMI
        | {
            "name": Text(help="of a labelled set: mnist, svhn, cifar10, ..."),
            "root": Path(help="where the files lie"),
            "download": Bool(help="fetch what is not in root"),
            "image_size": Choice((8, 16, 28, 32, 64, 128), help="pixels; 28 is MNIST's own"),
            "horizontal_flip": Bool(help="mirror at random in training"),
        }
    ),
    "lightning_gans.models.triple.TripleModel": Schema(
        {"generator": Node(), "prior": Node(), "classifier": Node(), "classes": _CLASSES}
    ),
    "lightning_gans.networks.triplegan.TripleGenerator": Schema(
        {"latent_dim": Int(min=1), "sample_shape": SHAPE, "width": WIDTH, "classes": _CLASSES}
    ),
    "lightning_gans.networks.triplegan.TripleDiscriminator": Schema(
        {
            "sample_shape": SHAPE,
            "width": Int(min=1, help="units of the first layer; then a half and three quarters of it"),
            "classes": _CLASSES,
            "input_noise": _NOISE,
            "hidden_noise": _NOISE,
        }
    ),
    "lightning_gans.networks.triplegan.TripleClassifier": Schema(
        {
            "channels": Int(min=1),
            "image_size": Int(min=8),
            "classes": _CLASSES,
            "width": Int(min=1, help="channels of the first layer; then twice and four times as many"),
            "dropout": PROBABILITY,
            "input_noise": _NOISE,
        }
    ),
    "lightning_gans.variants.triplegan.TripleGAN": Schema(
        {
            "model": Node(),
            "discriminator": Node(help="of samples and their labels"),
            "loss": Node(),
            "training": Node(),
            "alpha": Float(min=0, max=1, help="share of the classifier's pairs in what D holds against the data"),
            "classifier_labels": Choice(
                ("argmax", "sampled", "all"),
                help="argmax: biased, with pseudo-labels among D's real pairs; sampled: Algorithm 1; all: exact",
            ),
            "labelled_share": Float(
                min=0, max=1, help="of labelled pairs in D's real term, beside pseudo-labelled ones"
            ),
            "adversarial_weight": _weight("the adversarial term, beside alpha,"),
            "pseudo_weight": Float(min=0, help="alpha_P, of the cross-entropy on generated pairs"),
            "pseudo_start": Float(min=0, max=1, help="share of the run before alpha_P"),
            "pseudo_ramp": Float(min=0, max=1, help="share of the run in which alpha_P rises"),
            "entropy_weight": _weight("the entropy of p_c(y | x)"),
            "balance_weight": _weight("the balance of classes in the average p_c(y | x)"),
            "consistency_weight": _weight("the squared distance of two passes"),
            "consistency_ramp": Float(min=0, max=1, help="share of the run in which that rises"),
            "pretraining_share": Float(min=0, below=1, help="of the run, in which C learns by itself"),
            "pretraining_entropy_weight": _weight("the entropy, before the game,"),
            "pretraining_balance_weight": _weight("the balance, before the game,"),
        }
    ),
}
