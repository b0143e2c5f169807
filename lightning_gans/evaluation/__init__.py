"""Measures of a trained model on a data module's splits; no Trainer is needed."""
