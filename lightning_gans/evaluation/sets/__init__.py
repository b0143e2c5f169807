"""Two sets of images compared: their kinds, published protocols, scores. Importing this package imports no torch."""
