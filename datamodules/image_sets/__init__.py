"""Sets of images for an evaluation: folders, .npz files and data sets. Importing this package imports nothing heavy."""
