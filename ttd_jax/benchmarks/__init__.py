"""Timings: what `ttd-jax benchmark` measures. Ratios side by side; absolute times mean little."""
