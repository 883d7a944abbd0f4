"""Lytro: multi-focus pairs and triples of a light-field camera."""
