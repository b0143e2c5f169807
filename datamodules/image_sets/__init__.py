"""Sets of images for evaluation: folders, .npz files and data sets. The package itself imports nothing heavy."""
