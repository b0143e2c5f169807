"""The discriminator that generates by itself."""

from experiments.settings.schema import Schema
from experiments.settings.spec import Float, Int, ListOf, Node, Optional

ENTRIES: dict[str, Schema] = {
    "lightning_gans.variants.energy.EnergyBased": Schema(
        {
            "model": Node(),
            "loss": Node(),
            "training": Node(),
            "steps": Int(min=1, help="of a chain in each iteration"),
            "buffer": Int(min=1, help="ends of chains that are kept"),
            "fresh_share": Float(min=0, max=1, help="of the chains that begin anew"),
            "magnitude_weight": Float(min=0, help="of the squared scores in what D descends"),
            "data_noise": Float(min=0, help="standard deviation of what is added to data"),
        }
    ),
    "lightning_gans.models.energy.EnergyModel": Schema(
        {
            "discriminator": Node(),
            "shape": ListOf(Int(min=1)),
            "steps": Int(min=1, help="of a chain from noise, when samples are made"),
            "step_size": Float(above=0, help="of the descent"),
            "noise": Float(min=0, help="standard deviation in each step, in the samples' units"),
            "clip": Optional(Float(above=0), help="largest number of a gradient; null: as they are"),
            "low": Float(help="chains stay above"),
            "high": Float(help="chains stay below"),
        }
    ),
}
