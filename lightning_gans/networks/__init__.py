"""Networks of every player, augmentations of D's inputs, spectral normalisation. Accessing one imports only its module.

Weight initialisations (`initialization`) are left out, since their names are those of distributions.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_gans.networks.augment import (
        Adaptive,
        Augmentation,
        Color,
        Composition,
        Cutout,
        Rising,
        Sometimes,
        Translation,
    )
    from lightning_gans.networks.auxiliary import AuxiliaryDCGANDiscriminator, AuxiliaryMLPDiscriminator
    from lightning_gans.networks.bigan import BiGANDiscriminator, BiGANEncoder, BiGANGenerator
    from lightning_gans.networks.classifier import ConvClassifier
    from lightning_gans.networks.concatenation import (
        ConditionalDCGANDiscriminator,
        ConditionalDCGANGenerator,
        ConditionalMLPDiscriminator,
        ConditionalMLPGenerator,
    )
    from lightning_gans.networks.conditions import ConditionedDCGANDiscriminator, ConditionedDCGANGenerator
    from lightning_gans.networks.convolution import CodeToMap, ImageToMap, MapToCode, MapToImage
    from lightning_gans.networks.dcgan import DCGANDiscriminator, DCGANGenerator, initialize_dcgan
    from lightning_gans.networks.domain import DomainNetwork, MNISTDomainNetwork, SmallDomainNetwork, SVHNDomainNetwork
    from lightning_gans.networks.encoders import DCGANEncoder, MLPEncoder
    from lightning_gans.networks.infogan import InfoGANEncoder, InfoGANGenerator, InfoGANJudge
    from lightning_gans.networks.joint import InUnitRange, JointDCGANDiscriminator, JointMLPDiscriminator
    from lightning_gans.networks.mlp import AffineGenerator, Maxout, MaxoutDiscriminator, MLPDiscriminator, MLPGenerator
    from lightning_gans.networks.r3gan import FixUpBlock, R3GANDiscriminator, R3GANGenerator, Resample
    from lightning_gans.networks.resnet import BatchNorm, ResNetDiscriminator, ResNetGenerator
    from lightning_gans.networks.retrieval import FeatureScorer, MatrixFactorisation
    from lightning_gans.networks.similarity import SimilarityDCGANDiscriminator, SimilarityMLPDiscriminator
    from lightning_gans.networks.spectral import SpectralNorm, estimate_norms, spectrally_normalized
    from lightning_gans.networks.speech import (
        ContentEncoder,
        PairDiscriminator,
        SpeakerClassifier,
        SpeakerEncoder,
        SpeechDecoder,
    )
    from lightning_gans.networks.translation import PatchDiscriminator, ResidualBlock, ResNetTranslator
    from lightning_gans.networks.triplegan import Noise, TripleClassifier, TripleDiscriminator, TripleGenerator
    from lightning_gans.networks.unet import UNet

_MODULES = {
    "augment": "Augmentation Translation Color Cutout Composition Sometimes Rising Adaptive",
    "auxiliary": "AuxiliaryMLPDiscriminator AuxiliaryDCGANDiscriminator",
    "bigan": "BiGANEncoder BiGANGenerator BiGANDiscriminator",
    "classifier": "ConvClassifier",
    "concatenation": (
        "ConditionalMLPGenerator ConditionalMLPDiscriminator ConditionalDCGANGenerator ConditionalDCGANDiscriminator"
    ),
    "conditions": "ConditionedDCGANGenerator ConditionedDCGANDiscriminator",
    "convolution": "CodeToMap MapToCode MapToImage ImageToMap",
    "dcgan": "initialize_dcgan DCGANGenerator DCGANDiscriminator",
    "domain": "DomainNetwork MNISTDomainNetwork SVHNDomainNetwork SmallDomainNetwork",
    "encoders": "MLPEncoder DCGANEncoder",
    "infogan": "InfoGANGenerator InfoGANEncoder InfoGANJudge",
    "joint": "InUnitRange JointMLPDiscriminator JointDCGANDiscriminator",
    "mlp": "MLPGenerator MLPDiscriminator Maxout MaxoutDiscriminator AffineGenerator",
    "r3gan": "FixUpBlock Resample R3GANGenerator R3GANDiscriminator",
    "resnet": "BatchNorm ResNetGenerator ResNetDiscriminator",
    "retrieval": "MatrixFactorisation FeatureScorer",
    "similarity": "SimilarityMLPDiscriminator SimilarityDCGANDiscriminator",
    "spectral": "SpectralNorm spectrally_normalized estimate_norms",
    "speech": "ContentEncoder SpeakerEncoder SpeechDecoder SpeakerClassifier PairDiscriminator",
    "translation": "ResNetTranslator ResidualBlock PatchDiscriminator",
    "triplegan": "TripleGenerator Noise TripleDiscriminator TripleClassifier",
    "unet": "UNet",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = [
    "Adaptive",
    "AffineGenerator",
    "Augmentation",
    "AuxiliaryDCGANDiscriminator",
    "AuxiliaryMLPDiscriminator",
    "BatchNorm",
    "BiGANDiscriminator",
    "BiGANEncoder",
    "BiGANGenerator",
    "CodeToMap",
    "Color",
    "Composition",
    "ConditionalDCGANDiscriminator",
    "ConditionalDCGANGenerator",
    "ConditionalMLPDiscriminator",
    "ConditionalMLPGenerator",
    "ConditionedDCGANDiscriminator",
    "ConditionedDCGANGenerator",
    "ContentEncoder",
    "ConvClassifier",
    "Cutout",
    "DCGANDiscriminator",
    "DCGANEncoder",
    "DCGANGenerator",
    "DomainNetwork",
    "FeatureScorer",
    "FixUpBlock",
    "ImageToMap",
    "InUnitRange",
    "InfoGANEncoder",
    "InfoGANGenerator",
    "InfoGANJudge",
    "JointDCGANDiscriminator",
    "JointMLPDiscriminator",
    "MLPDiscriminator",
    "MLPEncoder",
    "MLPGenerator",
    "MNISTDomainNetwork",
    "MapToCode",
    "MapToImage",
    "MatrixFactorisation",
    "Maxout",
    "MaxoutDiscriminator",
    "Noise",
    "PairDiscriminator",
    "PatchDiscriminator",
    "R3GANDiscriminator",
    "R3GANGenerator",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "ResNetTranslator",
    "Resample",
    "ResidualBlock",
    "Rising",
    "SVHNDomainNetwork",
    "SimilarityDCGANDiscriminator",
    "SimilarityMLPDiscriminator",
    "SmallDomainNetwork",
    "Sometimes",
    "SpeakerClassifier",
    "SpeakerEncoder",
    "SpectralNorm",
    "SpeechDecoder",
    "Translation",
    "TripleClassifier",
    "TripleDiscriminator",
    "TripleGenerator",
    "UNet",
    "estimate_norms",
    "initialize_dcgan",
    "spectrally_normalized",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
