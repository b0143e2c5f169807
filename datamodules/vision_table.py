"""The well-known image sets: names, files, classes, and torchvision's download addresses."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from datamodules.vision_files import (
    Arrays,
    Files,
    Layout,
    idx_layout,
    read_cifar,
    read_idx,
    read_stl10,
    read_svhn,
    read_transposed_idx,
    read_usps,
)


class ImageSet(NamedTuple):
    """One set.

    aliases: names of folders that may contain it.
    layouts: sets of files; the first complete one is used.
    read: files -> arrays; None for sets of pictures, which are decoded.
    validation: number of images of the official training set in the validation split.
    downloads: torchvision's class, and the arguments of each call that downloads a part.
    addresses: addresses contacted by those calls.
    size: native size in pixels, if images may keep it although no convolutional network supports it.
    """

    aliases: tuple[str, ...]
    layouts: tuple[Layout, ...]
    read: Callable[[Files], Arrays] | None
    classes: tuple[str, ...] | None
    validation: int
    downloads: tuple[str, tuple[Mapping[str, Any], ...]] | None
    addresses: tuple[str, ...]
    size: int | None = None


DIGITS = tuple("0123456789")
BALANCED = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt")
CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
KANA = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STL10 = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
# fmt: off
CIFAR100 = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish",
    "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
    "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
    "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
    "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
    "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
)
LSUN = (
    "bedroom", "bridge", "church_outdoor", "classroom", "conference_room", "dining_room", "kitchen", "living_room",
    "restaurant", "tower",
)
# fmt: on

CIFAR10_FILES = {name: (name,) for name in ("test_batch", *(f"data_batch_{i}" for i in range(1, 6)))}
STL10_FILES = {
    f"{split} {role}": (f"{split}_{letter}.bin",)
    for split in ("train", "test")
    for role, letter in (("images", "X"), ("labels", "y"))
}


def _like_mnist(name: str, classes: tuple[str, ...], *addresses: str) -> ImageSet:
    return ImageSet((name,), (idx_layout(),), read_idx, classes, 5000, (name, ({},)), addresses, size=28)


SETS: dict[str, ImageSet] = {
    "mnist": _like_mnist(
        "MNIST", DIGITS, "https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"
    ),
    "fashion_mnist": _like_mnist(
        "FashionMNIST", CLOTHES, "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    ),
    "kmnist": _like_mnist("KMNIST", KANA, "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),
    "emnist": ImageSet(
        ("EMNIST", "gzip"),
        (idx_layout("emnist-balanced-", test="test"),),
        read_transposed_idx,
        BALANCED,
        9400,
        ("EMNIST", ({"split": "balanced"},)),
        ("https://biometrics.nist.gov/cs_links/EMNIST/",),
        size=28,
    ),
    "usps": ImageSet(
        ("USPS",),
        ({"train": ("usps.bz2",), "test": ("usps.t.bz2",)},),
        read_usps,
        DIGITS,
        700,
        ("USPS", ({"train": True}, {"train": False})),
        ("https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/",),
    ),
    "svhn": ImageSet(
        ("SVHN",),
        ({"train": ("train_32x32.mat",), "test": ("test_32x32.mat",)},),
        read_svhn,
        DIGITS,
        5000,
        ("SVHN", ({"split": "train"}, {"split": "test"})),
        ("http://ufldl.stanford.edu/housenumbers/",),
    ),
    "cifar10": ImageSet(
        ("cifar10", "cifar-10-batches-py"),
        (CIFAR10_FILES, {"archive": ("cifar-10-python.tar.gz",)}),
        read_cifar,
        CIFAR10,
        5000,
        ("CIFAR10", ({},)),
        ("https://www.cs.toronto.edu/~kriz/",),
    ),
    "cifar100": ImageSet(
        ("cifar100", "cifar-100-python"),
        ({"train": ("train",), "test": ("test",), "meta": ("meta",)}, {"archive": ("cifar-100-python.tar.gz",)}),
        read_cifar,
        CIFAR100,
        5000,
        ("CIFAR100", ({},)),
        ("https://www.cs.toronto.edu/~kriz/",),
    ),
    "stl10": ImageSet(
        ("STL10", "stl10_binary"),
        (STL10_FILES,),
        read_stl10,
        STL10,
        500,
        ("STL10", ({"split": "train"},)),
        ("http://ai.stanford.edu/~acoates/stl10/",),
    ),
    "celeba": ImageSet(
        ("CelebA",),
        ({"images": ("img_align_celeba",)},),
        None,
        None,
        0,
        ("CelebA", ({"split": "all"},)),
        ("https://drive.google.com/",),
    ),
    **{
        f"lsun_{category}": ImageSet(
            ("LSUN", category),
            ({"train": (f"{category}_train_lmdb",), "test": (f"{category}_val_lmdb",)},),
            None,
            None,
            5000,
            None,
            ("http://dl.yf.io/lsun/scenes/",),
        )
        for category in LSUN
    },
}
