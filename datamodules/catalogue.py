"""Catalogue of the choices of `data=`, available without importing torch."""

from importlib import import_module
from typing import Any, NamedTuple

# Descriptions of kinds of data, by `batch` and `contents` of their data modules.
IN_WORDS = {
    ("SampleBatch", "images"): "images",
    ("SampleBatch", "points"): "points of the plane or the line",
    ("DomainBatch", "images"): "a labelled source and an unlabelled target",
    ("SemiSupervisedBatch", "images"): "images of which few are labelled",
    ("UnpairedBatch", "images"): "images of two domains",
    ("ConditionedBatch", "images"): "images with condition vectors",
    ("PairedBatch", "images"): "images in pairs, an input and its output",
    ("UtteranceBatch", ""): "utterances of several speakers",
    ("RetrievalBatch", ""): "queries and the documents that are relevant to them",
}


class Images(NamedTuple):
    """Facts about a set of images, for the choice of a recipe.

    samples: number of training images; for two domains, that of the first.
    size: height and width of the files in pixels.
    channels: 1 (grey) or 3 (RGB).
    """

    samples: int
    size: int
    channels: int


class Data(NamedTuple):
    """A choice of `data=`: its data module and known facts.

    module: its data module: a name exported by `datamodules`, or FILE.CLASS of a file in the package.
    needs_download: True if its files are downloaded unless data_dir already holds them.
    classes: number of classes; None for unlabelled data, or if a user's files determine it.
    images: known facts about a set of images; None for other data, or if a user's files determine them.
    condition_dim: length of a condition vector; None for unconditional data, or if a user's files determine it.
    """

    module: str
    needs_download: bool
    description: str
    classes: int | None
    images: Images | None = None
    condition_dim: int | None = None


CATALOGUE: dict[str, Data] = {
    "digits": Data(
        "Digits", False, "1,797 handwritten digits of scikit-learn, 8x8 resized, 10 classes", 10, Images(1_437, 8, 1)
    ),
    "ring": Data("Ring", False, "8 Gaussians on a circle of radius 1, std 0.01", 8),
    "grid": Data("Grid", False, "25 Gaussians on a grid from -4 to 4, std 0.05", 25),
    "spiral": Data("Spiral", False, "two interleaved spiral arms out to radius 1", 2),
    "swiss_roll": Data("SwissRoll", False, "a rolled sheet seen from its edge, no modes", None),
    "two_points": Data("TwoPoints", False, "point masses at (-1, 0) and (1, 0)", 2),
    "ref_pair": Data("RefPair", False, "N(0, 1) on the line: divergences in closed form", None),
    "folder": Data("Folder", False, "your own image files, with or without class folders", None),
    "mnist": Data("Vision", True, "70,000 handwritten digits, 28x28 grey, 10 classes", 10, Images(55_000, 28, 1)),
    "fashion_mnist": Data(
        "Vision", True, "70,000 articles of clothing, 28x28 grey, 10 classes", 10, Images(55_000, 28, 1)
    ),
    "kmnist": Data(
        "Vision", True, "70,000 cursive Japanese characters, 28x28 grey, 10 classes", 10, Images(55_000, 28, 1)
    ),
    "emnist": Data(
        "Vision", True, "131,600 handwritten characters (balanced), 28x28 grey, 47 classes", 47, Images(103_400, 28, 1)
    ),
    "usps": Data("Vision", True, "9,298 scanned digits, 16x16 grey, 10 classes", 10, Images(6_591, 16, 1)),
    "svhn": Data("Vision", True, "99,289 house number digits, 32x32 RGB, 10 classes", 10, Images(68_257, 32, 3)),
    "cifar10": Data("Vision", True, "60,000 photographs, 32x32 RGB, 10 classes", 10, Images(45_000, 32, 3)),
    "cifar100": Data("Vision", True, "60,000 photographs, 32x32 RGB, 100 classes", 100, Images(45_000, 32, 3)),
    "stl10": Data("Vision", True, "13,000 labelled photographs, 96x96 RGB, 10 classes", 10, Images(4_500, 96, 3)),
    "celeba": Data("Vision", True, "202,599 faces, 178x218 RGB, no classes", None, Images(162_770, 178, 3)),
    "lsun": Data(
        "Vision",
        True,
        "3 million bedrooms, 256 pixels RGB, no classes",
        None,
        Images(3_000_000, 256, 3),
    ),
    "digits_textured": Data(
        "DigitsTextured",
        False,
        "the digits blended with patches of photographs, RGB, 10 classes",
        10,
        Images(1_437, 8, 3),
    ),
    "digits_unpaired": Data(
        "DigitsUnpaired", False, "half of the digits against the other half on photographs, RGB", 10, Images(718, 8, 3)
    ),
    "unpaired": Data("Unpaired", False, "two sets or folders of images, data.a= and data.b=", None),
    "digits_attributes": Data(
        "DigitsAttributes", False, "the digits with stroke width, slant and class", 10, Images(1_437, 8, 1), 12
    ),
    "attributes": Data("Attributes", False, "your own images with condition vectors: attributes, embeddings", None),
    "digits_edges": Data("DigitsEdges", False, "outlines of digits to digits, grey", 10, Images(1_437, 8, 1)),
    "digits_halves": Data("DigitsHalves", False, "left halves of digits to digits, grey", 10, Images(1_437, 8, 1)),
    "paired": Data("Paired", False, "your own pairs of images, in folders A/ and B/ or side by side", None),
    "photos_grey": Data(
        "PhotosGrey", False, "grey patches of photographs to their colours", None, Images(2_000, 64, 3)
    ),
    "digits_shifted": Data(
        "DigitsShifted", False, "thicker digits before clouds of noise, 10 classes", 10, Images(1_437, 8, 1)
    ),
    "mnistm": Data(
        "MNISTM",
        True,
        "MNIST blended with patches of your photographs, 28x28 RGB, 10 classes",
        10,
        Images(55_000, 28, 3),
    ),
    "digits_shift": Data(
        "EmbeddedDomains", False, "digits to thicker digits before clouds of noise", 10, Images(1_437, 8, 1)
    ),
    "digits_to_textured": Data("EmbeddedDomains", False, "digits to digits on photographs", 10, Images(1_437, 8, 3)),
    "mnist_to_mnistm": Data("Domains", True, "MNIST to MNIST on your photographs", 10, Images(55_000, 28, 3)),
    "mnist_to_usps": Data("Domains", True, "MNIST to USPS", 10, Images(55_000, 28, 1)),
    "usps_to_mnist": Data("Domains", True, "USPS to MNIST", 10, Images(6_591, 16, 1)),
    "svhn_to_mnist": Data("Domains", True, "house numbers to MNIST", 10, Images(68_257, 32, 3)),
    "domains": Data("Domains", True, "any labelled images to any others, data.source= data.target=", 10),
    "digits_semi": Data(
        "DigitsSemi", False, "the digits, 50 of them labelled, grey, 10 classes", 10, Images(1_437, 8, 1)
    ),
    "mnist_semi": Data(
        "VisionSemi", True, "MNIST, 100 images of it labelled, 28x28 grey, 10 classes", 10, Images(55_000, 28, 1)
    ),
    "usps_semi": Data(
        "VisionSemi", True, "USPS, 100 images of it labelled, 16x16 grey, 10 classes", 10, Images(6_591, 16, 1)
    ),
    "cifar10_semi": Data(
        "VisionSemi", True, "CIFAR-10, 4,000 images labelled, 32x32 RGB, 10 classes", 10, Images(45_000, 32, 3)
    ),
    "vowels": Data("Vowels", False, "10 synthetic vowels of men, women and children, 9 speakers", 10),
    "speech": Data("Speech", False, "your own recordings, one folder a speaker", None),
    "digits_retrieval": Data(
        "DigitsRetrieval", False, "digits seen through noise that ask for digits of their class", None
    ),
    "movielens": Data("MovieLens", False, "users and the films they liked, from MovieLens' own files", None),
    "letor": Data("Letor", False, "LETOR queries with a list of described documents each", None),
}


def always_there() -> list[str]:
    """Return the images and points that need neither a download nor the user's own files."""
    there = [name for name, data in CATALOGUE.items() if not data.needs_download and name != "folder"]
    return [name for name in there if data_class(name).batch.__name__ == "SampleBatch"]


def data_class(name: str) -> Any:
    """Import and return the class of a choice."""
    file, _, cls = f"datamodules.{CATALOGUE[name].module}".rpartition(".")
    return getattr(import_module(file), cls)
