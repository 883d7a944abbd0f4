"""How the weights that this package ships were trained, from nothing.

    ttd-jax finetune --workdir=runs/shipped --config=configs/pretrain.py

An IFCNN that sums its features and begins as a multi-scale fusion (`ttd_jax.training.initial`),
trained on multi-focus and multi-exposure pairs made from nine openly licensed pictures that
scikit-image and scikit-learn carry (`ttd_jax.pictures.public.TRAINING`): no download, a few
minutes on two cores. runs/shipped/ifcnn_sum is then `ttd_jax/shipped/ifcnn_sum`.
"""

from ttd_jax_configs import finetune


def get_config():
    """The configuration; fields as in `configs/finetune.py`."""
    # One pair in sixteen is of exposures: their loss is larger by far, and would have its way.
    kinds = ("multi_focus",) * 15 + ("multi_exposure",)
    config = finetune.get_config(f"ifcnn_sum,{'+'.join(kinds)}")
    config.weights = ""
    config.initial = "bands"
    config.license = "Apache-2.0"
    config.note = (
        "trained on nine public pictures for demos and tests: research should use the authors' "
        "weights (ttd-jax weights fetch ifcnn_sum)"
    )
    config.crop = 64
    config.color = "rgb"
    config.least_contrast = 0.3
    config.held_back = 0
    config.checkpoint_every = 500
    config.log_every = 50
    (phase,) = config.phases
    phase.steps = 160
    phase.optimizer.update(
        {"learning_rate": 3e-5, "schedule": "cosine", "warmup_steps": 20, "floor": 1e-6}
    )
    return config
