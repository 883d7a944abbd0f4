"""Weights: torch checkpoints in, orbax directories with a manifest out, and the known files."""
