"""Variants, one paper per file. Importing this package is cheap; accessing a game imports its module."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_gans.variants.acgan import ACGAN
    from lightning_gans.variants.ali import ALI
    from lightning_gans.variants.autoencoder import Autoencoder
    from lightning_gans.variants.bigan import BiGAN
    from lightning_gans.variants.cgan import ConditionalGAN
    from lightning_gans.variants.cyclegan import CycleGAN
    from lightning_gans.variants.dann import DANN, DANNAlternating
    from lightning_gans.variants.disentangle import Disentangle, DisentanglePairs
    from lightning_gans.variants.energy import EnergyBased
    from lightning_gans.variants.fgan import FGAN
    from lightning_gans.variants.gan_cls import GANCLS
    from lightning_gans.variants.geometric import GeometricGAN
    from lightning_gans.variants.infogan import InfoGAN
    from lightning_gans.variants.irgan import IRGAN, PairwiseIRGAN
    from lightning_gans.variants.mcgan import McGAN
    from lightning_gans.variants.pix2pix import Pix2Pix
    from lightning_gans.variants.r3gan import R3GAN, ConditionalR3GAN
    from lightning_gans.variants.simultaneous import SimultaneousGAN
    from lightning_gans.variants.triplegan import TripleGAN
    from lightning_gans.variants.vae import VAE
    from lightning_gans.variants.vaegan import VAEGAN
    from lightning_gans.variants.vanilla import GAN

_MODULES = {
    "acgan": "ACGAN",
    "ali": "ALI",
    "autoencoder": "Autoencoder",
    "bigan": "BiGAN",
    "cgan": "ConditionalGAN",
    "cyclegan": "CycleGAN",
    "dann": "DANN DANNAlternating",
    "disentangle": "Disentangle DisentanglePairs",
    "energy": "EnergyBased",
    "fgan": "FGAN",
    "gan_cls": "GANCLS",
    "geometric": "GeometricGAN",
    "infogan": "InfoGAN",
    "irgan": "IRGAN PairwiseIRGAN",
    "mcgan": "McGAN",
    "pix2pix": "Pix2Pix",
    "r3gan": "R3GAN ConditionalR3GAN",
    "simultaneous": "SimultaneousGAN",
    "triplegan": "TripleGAN",
    "vae": "VAE",
    "vaegan": "VAEGAN",
    "vanilla": "GAN",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = [
    "ACGAN",
    "ALI",
    "DANN",
    "FGAN",
    "GAN",
    "GANCLS",
    "IRGAN",
    "R3GAN",
    "VAE",
    "VAEGAN",
    "Autoencoder",
    "BiGAN",
    "ConditionalGAN",
    "ConditionalR3GAN",
    "CycleGAN",
    "DANNAlternating",
    "Disentangle",
    "DisentanglePairs",
    "EnergyBased",
    "GeometricGAN",
    "InfoGAN",
    "McGAN",
    "PairwiseIRGAN",
    "Pix2Pix",
    "SimultaneousGAN",
    "TripleGAN",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
