"""Training of fusion networks: losses of one sample, objectives, optimizers, the pmap step.

objective(variables, sample) -> (loss, terms)      one sample; `make_objective`
step(state, batch) -> (state, metrics)             all devices; `make_step`
"""
