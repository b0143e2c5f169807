"""Variants, and how their players are trained."""

from experiments.settings.schema import SEED, Schema
from experiments.settings.spec import Choice, Float, Int, Node, Optional, Spec, Table

DIVERGENCES = tuple("kl reverse_kl pearson neyman squared_hellinger jeffrey js weighted_js gan total_variation".split())
_GAN: dict[str, Spec] = {
    "model": Node(),
    "discriminator": Node(),
    "loss": Node(),
    "penalty": Optional(Node()),
    "constraint": Optional(Node(), help="what holds D's weights after each of its steps; null: nothing"),
    "augment": Optional(Node(), help="what D's inputs go through first; null: nothing"),
    "packing": Int(min=1, help="samples that D judges at a time"),
    "discriminator_steps": Int(min=1, help="steps of D for one of G"),
    "generator_steps": Int(min=1, help="steps of G for one of D"),
    "generator_batches": Int(min=1, help="batches of D that make one of G"),
    "training": Node(),
}


ENTRIES: dict[str, Schema] = {
    "lightning_gans.variants.vanilla.GAN": Schema(_GAN),
    "lightning_gans.variants.fgan.FGAN": Schema(
        _GAN | {"divergence": Optional(Choice(DIVERGENCES), help="short for objective=f_<divergence>")}
    ),
    "lightning_gans.variants.r3gan.R3GAN": Schema(_GAN),
    "lightning_gans.variants.cgan.ConditionalGAN": Schema(_GAN),
    "lightning_gans.variants.acgan.ACGAN": Schema(
        _GAN
        | {
            "discriminator_class_weight": Float(min=0, help="of the classes' cross-entropy in what D descends"),
            "generator_class_weight": Float(min=0, help="of the classes' cross-entropy in what G descends"),
        }
    ),
    "lightning_gans.variants.autoencoder.Autoencoder": Schema(
        {"model": Node(), "reconstruction_loss": Node(help="of reconstructions and samples"), "training": Node()}
    ),
    "lightning_gans.variants.mcgan.McGAN": Schema(_GAN),
    "lightning_gans.core.phase.Training": Schema(
        {
            "iterations": Int(min=1),
            "batch_size": Int(min=1),
            "players": Table(Node()),
            "seed": SEED,
            "ema_half_life": Optional(Float(above=0), help="of the evaluated weights, in images; null: the newest"),
            "accumulate": Int(min=1, help="micro-batches per step"),
        }
    ),
    "lightning_gans.core.phase.PlayerSettings": Schema(
        {
            "optimizer": Optional(Node(), help="null freezes the player"),
            "schedule": Optional(Node(), help="of the learning rate, stepped once an iteration"),
            "clip_norm": Optional(Float(above=0), help="gradients are scaled down to this norm"),
        }
    ),
    "lightning_gans.variants.vae.VAE": Schema(
        {
            "model": Node(),
            "training": Node(),
            "beta": Float(min=0, help="of the KL in what is descended; 1: the evidence lower bound"),
            "free_bits": Float(min=0, help="nats of KL that each dimension of a code has for nothing"),
        }
    ),
}

# Codes and samples judged together

_BIGAN: dict[str, Spec] = {
    "model": Node(),
    "discriminator": Node(help="of samples and their codes"),
    "loss": Node(),
    "training": Node(),
}
ENTRIES |= {
    "lightning_gans.variants.bigan.BiGAN": Schema(_BIGAN),
    "lightning_gans.variants.ali.ALI": Schema(
        _BIGAN | {"initial_std": Optional(Float(min=0), help="of all weights; null: as the networks are built")}
    ),
}

ENTRIES |= {
    "lightning_gans.variants.infogan.InfoGAN": Schema(
        _GAN
        | {
            "information_weight": Float(min=0, help="lambda, of the bound on I(c; G(z, c)) in what both descend"),
            "information_warmup": Int(min=0, help="iterations in which lambda rises to that from 0"),
        }
    ),
}

# VAE-GAN

ENTRIES |= {
    "lightning_gans.variants.vaegan.VAEGAN": Schema(
        {
            "model": Node(),
            "dis": Node(help="its network"),
            "loss": Node(),
            "gamma": Float(min=0, help="weight of L_llike in what Dec descends"),
            "prior_weight": Float(min=0, help="of L_prior in what Enc descends; 1 in the paper"),
            "training": Node(),
            "discriminator": Choice(("binary", "three_way"), help="real or fake; or real, generated, reconstructed"),
            "equilibrium": Optional(Float(min=0), help="of Dis's costs, nats; who is ahead waits; null: all move"),
            "margin": Float(min=0, help="around the equilibrium, in which all move"),
            "augment": Optional(Node(), help="what Dis's inputs go through first; null: nothing"),
        }
    ),
}
