"""Fusion programs that run without this package: StableHLO with sizes that are symbols."""
