"""The smallest run there is: two perceptrons on eight points, a millisecond an iteration."""

RING = (
    "variant=vanilla",
    "data=ring",
    "network.model.generator.width=16",
    "network.discriminator.width=16",
    "data.batch_size=32",
    "logger=none",
    "callbacks.evaluation.samples=256",
)
