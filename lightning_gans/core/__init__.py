"""Core of a game: phases, players, priors, random streams. Imports nothing heavy; name the module you need."""
