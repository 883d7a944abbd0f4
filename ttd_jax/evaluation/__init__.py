"""Figures of whole data sets: scoring, statistics over images, tables."""
