"""Adversarial learning with PyTorch Lightning: every paper one short module."""
