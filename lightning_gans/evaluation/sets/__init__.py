"""Comparison of two sets of images: kinds of sets, published protocols, scores. Importing this imports no torch."""
