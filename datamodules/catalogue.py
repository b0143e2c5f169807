"""The choices of `data=`, known without importing torch."""

from typing import NamedTuple

KINDS = {
    "image": "images",
    "planar": "points of the plane or the line",
    "unpaired": "images of two domains",
    "domains": "a labelled source and an unlabelled target",
    "semi_supervised": "images of which few are labelled",
    "speech": "utterances of several speakers",
    "retrieval": "queries and the documents that are relevant to them",
}  # what the data of each kind are


class Data(NamedTuple):
    """One choice.

    batch: the batch type of lightning_gans.core.batches that it gives.
    kind: a key of KINDS.
    needs_download: its files are fetched, unless data_dir already holds them.
    classes: how many it labels; None where it labels none, or a user's files decide.
    """

    batch: str
    kind: str
    needs_download: bool
    description: str
    classes: int | None


CATALOGUE: dict[str, Data] = {
    "digits": Data(
        "SampleBatch", "image", False, "1,797 handwritten digits of scikit-learn, 8x8 resized, 10 classes", 10
    ),
    "ring": Data("SampleBatch", "planar", False, "8 Gaussians on a circle of radius 1, std 0.01", 8),
    "grid": Data("SampleBatch", "planar", False, "25 Gaussians on a grid from -4 to 4, std 0.05", 25),
    "spiral": Data("SampleBatch", "planar", False, "two interleaved spiral arms out to radius 1", 2),
    "swiss_roll": Data("SampleBatch", "planar", False, "a rolled sheet seen from its edge, no modes", None),
    "two_points": Data("SampleBatch", "planar", False, "point masses at (-1, 0) and (1, 0)", 2),
    "ref_pair": Data("SampleBatch", "planar", False, "N(0, 1) on the line: divergences in closed form", None),
    "folder": Data("SampleBatch", "image", False, "your own image files, with or without class folders", None),
    "mnist": Data("SampleBatch", "image", True, "70,000 handwritten digits, 28x28 grey, 10 classes", 10),
    "fashion_mnist": Data("SampleBatch", "image", True, "70,000 articles of clothing, 28x28 grey, 10 classes", 10),
    "kmnist": Data("SampleBatch", "image", True, "70,000 cursive Japanese characters, 28x28 grey, 10 classes", 10),
    "emnist": Data(
        "SampleBatch", "image", True, "131,600 handwritten characters (balanced), 28x28 grey, 47 classes", 47
    ),
    "usps": Data("SampleBatch", "image", True, "9,298 scanned digits, 16x16 grey, 10 classes", 10),
    "svhn": Data("SampleBatch", "image", True, "99,289 house number digits, 32x32 RGB, 10 classes", 10),
    "cifar10": Data("SampleBatch", "image", True, "60,000 photographs, 32x32 RGB, 10 classes", 10),
    "cifar100": Data("SampleBatch", "image", True, "60,000 photographs, 32x32 RGB, 100 classes", 100),
    "stl10": Data("SampleBatch", "image", True, "13,000 labelled photographs, 96x96 RGB, 10 classes", 10),
    "celeba": Data("SampleBatch", "image", True, "202,599 faces, 178x218 RGB, no classes", None),
    "lsun": Data("SampleBatch", "image", True, "3 million bedrooms, 256 pixels RGB, no classes", None),
    "digits_textured": Data(
        "SampleBatch", "image", False, "the digits blended with patches of photographs, RGB, 10 classes", 10
    ),
    "digits_unpaired": Data(
        "UnpairedBatch", "unpaired", False, "half of the digits against the other half on photographs, RGB", 10
    ),
    "unpaired": Data("UnpairedBatch", "unpaired", False, "two sets or folders of images, data.a= and data.b=", None),
    "digits_shifted": Data("SampleBatch", "image", False, "thicker digits before clouds of noise, 10 classes", 10),
    "mnistm": Data(
        "SampleBatch", "image", True, "MNIST blended with patches of your photographs, 28x28 RGB, 10 classes", 10
    ),
    "digits_shift": Data("DomainBatch", "domains", False, "digits to thicker digits before clouds of noise", 10),
    "digits_to_textured": Data("DomainBatch", "domains", False, "digits to digits on photographs", 10),
    "mnist_to_mnistm": Data("DomainBatch", "domains", True, "MNIST to MNIST on your photographs", 10),
    "mnist_to_usps": Data("DomainBatch", "domains", True, "MNIST to USPS", 10),
    "usps_to_mnist": Data("DomainBatch", "domains", True, "USPS to MNIST", 10),
    "svhn_to_mnist": Data("DomainBatch", "domains", True, "house numbers to MNIST", 10),
    "domains": Data("DomainBatch", "domains", True, "any labelled images to any others, data.source= data.target=", 10),
    "digits_semi": Data(
        "SemiSupervisedBatch", "semi_supervised", False, "the digits, 50 of them labelled, grey, 10 classes", 10
    ),
    "mnist_semi": Data(
        "SemiSupervisedBatch", "semi_supervised", True, "MNIST, 100 images of it labelled, 28x28 grey, 10 classes", 10
    ),
    "cifar10_semi": Data(
        "SemiSupervisedBatch", "semi_supervised", True, "CIFAR-10, 4,000 images labelled, 32x32 RGB, 10 classes", 10
    ),
    "vowels": Data("UtteranceBatch", "speech", False, "10 synthetic vowels of men, women and children, 9 speakers", 10),
    "speech": Data("UtteranceBatch", "speech", False, "your own recordings, one folder a speaker", None),
    "digits_retrieval": Data(
        "RetrievalBatch", "retrieval", False, "digits seen through noise that ask for digits of their class", None
    ),
    "movielens": Data(
        "RetrievalBatch", "retrieval", False, "users and the films they liked, from MovieLens' own files", None
    ),
    "letor": Data("RetrievalBatch", "retrieval", False, "LETOR queries with a list of described documents each", None),
}


def always_there() -> list[str]:
    """The images and points that need neither a download nor files of one's own."""
    there = [name for name, data in CATALOGUE.items() if not data.needs_download and name != "folder"]
    return [name for name in there if CATALOGUE[name].kind in ("image", "planar")]
