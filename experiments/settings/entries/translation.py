"""Translation between two domains of images."""

from experiments.settings.schema import WIDTH, Schema
from experiments.settings.spec import Bool, Choice, Float, Int, ListOf, Node, Optional, Path, Spec, Text

_PAIR: dict[str, Spec] = {
    "batch_size": Int(min=1, help="global: of all processes together, of each domain"),
    "image_size": Choice((8, 16, 32, 64, 128), help="pixels, wide and high"),
    "channels": Choice((1, 3), help="1 is grey, 3 is RGB"),
}

ENTRIES: dict[str, Schema] = {
    "datamodules.DigitsUnpaired": Schema(
        _PAIR
        | {
            "brightness": Float(
                min=0, max=1, help="share of the photographs' own; at 0.3 digits are lighter everywhere"
            ),
            "contrast": Float(above=0, max=1, help="of B, about mid-grey"),
        }
    ),
    "datamodules.Unpaired": Schema(
        _PAIR
        | {
            "a": Optional(Text(), help="domain A: a folder, or the name of a set of images"),
            "b": Optional(Text(), help="domain B"),
            "root": Optional(Path(), help="a folder with trainA/ and trainB/, in the place of a and b"),
            "data_dir": Path(help="where the files of sets lie"),
            "horizontal_flip": Bool(help="mirror at random in training"),
        }
    ),
    "lightning_gans.variants.cyclegan.CycleGAN": Schema(
        {
            "model": Node(),
            "discriminator_a": Node(),
            "discriminator_b": Node(),
            "loss": Node(),
            "training": Node(),
            "sample_shape": ListOf(Int(min=1)),
            "adversarial_weight": Float(min=0, help="of what the discriminators say in what G descends"),
            "cycle_weight_a": Float(min=0, help="lambda_A, of A's way there and back"),
            "cycle_weight_b": Float(min=0, help="lambda_B, of B's"),
            "identity_weight": Float(min=0, help="of leaving the target domain as it is, in cycle weights"),
            "pool_size": Int(min=0, help="translations kept for each discriminator; 0: none"),
            "augment": Optional(Node(), help="what both discriminators' inputs go through first; null: nothing"),
        }
    ),
    "lightning_gans.models.translation.TranslationModel": Schema({"a2b": Node(), "b2a": Node()}),
    "lightning_gans.networks.translation.ResNetTranslator": Schema(
        {
            "channels": Int(min=1),
            "width": WIDTH,
            "downsamplings": Int(min=0, help="halvings of the size"),
            "blocks": Int(min=0, help="residual ones"),
        }
    ),
    "lightning_gans.networks.translation.PatchDiscriminator": Schema(
        {
            "channels": Int(min=1),
            "image_size": Int(min=1),
            "width": WIDTH,
            "layers": Int(min=1, help="of stride 2; 3 judge patches of 70 pixels"),
        }
    ),
    "lightning_gans.core.schedules.HoldThenLinear": Schema(
        {
            "iterations": Int(min=1, help="of the whole run"),
            "hold": Float(min=0, below=1, help="share of them before the rate falls"),
        },
        given=("optimizer",),
    ),
}
