"""What a variant, a measure and an augmentation ask of the data."""

from datamodules.catalogue import KINDS

SAMPLES = ("image", "planar")

# The kinds of data that a variant takes.
NEEDS: dict[str, tuple[str, ...]] = {
    "vanilla": SAMPLES,
    "dcgan": ("image",),
    "fgan": SAMPLES,
    "lsgan": SAMPLES,
    "geometric": SAMPLES,
    "wgan": SAMPLES,
    "wgan_gp": SAMPLES,
    "dragan": SAMPLES,
    "pacgan": SAMPLES,
    "sngan": ("image",),
    "r3gan": SAMPLES,
    "mcgan": SAMPLES,
    "cgan": ("image",),
    "acgan": ("image",),
    "projection": ("image",),
    "autoencoder": ("image",),
    "bigan": ("image",),
    "ali": ("image",),
    "infogan": ("image",),
    "vaegan": ("image",),
    "vae": ("image",),
    "energy": SAMPLES,
    "cyclegan": ("unpaired",),
    "dann": ("domains",),
    "dann_alternating": ("domains",),
    "triplegan": ("semi_supervised",),
    "disentangle": ("speech",),
    "disentangle_pairs": ("speech",),
    "irgan": ("retrieval",),
    "irgan_pairwise": ("retrieval",),
}

# The same for what measures a run.
METRICS_NEED: dict[str, tuple[str, ...]] = {
    "classifier": ("image", "semi_supervised", "unpaired"),
    "inception": ("image", "semi_supervised", "unpaired"),
    "planar": ("planar",),
    "own": tuple(KINDS),
    "none": tuple(KINDS),
}

# And for what D's inputs go through.
AUGMENT_NEEDS: dict[str, tuple[str, ...]] = {
    "recipe": tuple(KINDS),
    "none": tuple(KINDS),
    "diffaugment": ("image", "semi_supervised", "unpaired"),
    "adaptive": ("image",),
    "rising": ("image", "semi_supervised", "unpaired"),
}
