"""The paper as pure functions of one sample: dominability, fusion, color.

Array contract of every function here: one sample, channels last, float32, images in [0, 1];
`M` sources of one scene are stacked on the leading axis. Batches come from `jax.vmap`.
"""
