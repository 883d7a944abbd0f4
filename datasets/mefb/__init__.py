"""MEFB: under- and over-exposed pictures."""
