"""How `ttd-jax finetune` trains.

    ttd-jax finetune --workdir=runs/msrs --config=configs/finetune.py:cddfuse_ivf,msrs
    ttd-jax finetune --workdir=runs/focus --config=configs/finetune.py:ifcnn_sum,multi_focus \\
        --config.sources="('pictures',)"

After the colon: MODEL,DATASET; join several data sets with +. The data sets multi_focus and
multi_exposure are made from folders of any pictures, with known truth. The defaults are for going
on from converted weights: after 100 steps of 4 crops on 13 pairs of LLVIP and MSRS the loss of
IFCNN-SUM on 5 others falls from 0.402 to 0.383 and Qabf rises from 0.651 to 0.665 (static) and
from 0.653 to 0.667 (TTD). CDDFuse's authors train from nothing for 40 + 80 epochs of batches of 8:
--config.weights="" --config.phases[0].steps=30000 --config.phases[1].steps=60000 with
learning_rate=1e-4 and decay_steps=15000 in both optimizers comes close to that on MSRS.
"""

import ml_collections
from ml_collections import config_dict

_SHORT = {"cddfuse": "cddfuse_ivf", "ifcnn": "ifcnn_sum"}
_SYNTHETIC = ("multi_focus", "multi_exposure")


def get_config(argument: str = "ifcnn_sum,msrs"):
    """The configuration for `MODEL,DATASET[+DATASET...]`."""
    model, _, datasets = argument.partition(",")
    model = _SHORT.get(model, model)
    config = ml_collections.ConfigDict()
    config.model = model
    config.datasets = tuple(datasets.split("+")) if datasets else ()
    # Converted weights to begin with; empty for random ones.
    config.weights = f"weights/{model}"
    # Converted weights of the classifier that PIAFusion's objective asks for day or night; without
    # them set --config.classifier="" and --config.phases[0].illumination=even.
    config.classifier = "weights/piafusion_classifier" if model == "piafusion" else ""
    # Random weights: 'random', or 'bands' for an IFCNN that begins as a multi-scale fusion.
    config.initial = "random"
    config.seed = 0  # of random weights and of everything that is drawn from the data

    # Prepared data sets: their folder (empty: TFDS's default) and split.
    config.data_dir = ""
    config.split = "train"
    # Folders in place of prepared data sets, and of pictures for multi_focus and multi_exposure:
    # ('visible','infrared'), or one such tuple for each data set.
    config.sources = ()
    # How their files become pictures: see --range and --bands of `ttd-jax fuse`.
    config.range = "type"
    config.bands = ()
    config.crop = 128  # pixels
    config.flips = True
    # Crops are left out where (p90 - p10) / p90 of a source is below this; 0 takes all.
    config.least_contrast = 0.1
    config.color = "gray"  # 'gray': luma, repeated where a network takes RGB; 'rgb'

    config.batch_size = 8  # of all devices of all processes
    config.accumulate = 1  # micro-batches that a device takes one after the other
    config.precision = "highest"  # or 'high', 'default', 'bfloat16': see `ttd-jax fuse --help`
    config.phases = _phases(model, config.datasets)

    config.log_every = 10  # steps
    config.checkpoint_every = 200
    config.keep = 2  # newest checkpoints; the best is kept as well
    # Validation: scenes that are held back, evenly spread, and never trained on.
    config.held_back = 8
    config.validate_every = 200
    config.validation_crop = 256  # the middle of each; 0 takes them whole
    config.sizes = "bucket"  # middles of many sizes share few programs; exact: one a size
    config.metrics = ("EN", "SD", "AG", "SSIM", "Qabf")
    config.best = "loss"  # or a metric of one strategy, such as 'ttd/Qabf'
    # For the manifest of the trained weights: their license (empty: that of the weights to begin
    # with) and a remark.
    config.license = ""
    config.note = ""
    config.final = "last"  # which checkpoint becomes WORKDIR/MODEL: 'last' or 'best'
    return config


def _phases(model, datasets):
    if model.startswith("cddfuse"):
        clip = {"clip_norm": 0.01, "clip_scope": "group", "schedule": "step", "decay_steps": 500}
        return (
            _phase("cddfuse_phase1", steps=1000, learning_rate=1e-5, **clip),
            _phase("cddfuse_phase2", steps=2000, learning_rate=1e-5, **clip),
        )
    if model == "piafusion":
        phase = _phase("piafusion", steps=2000, learning_rate=1e-5)
        phase.illumination = "classifier"
        return (phase,)
    if datasets and set(datasets) <= set(_SYNTHETIC):
        return (_phase("ifcnn", steps=2000, learning_rate=1e-5),)
    return (_phase("unsupervised", steps=2000, learning_rate=1e-5),)


def _phase(objective, *, steps, **optimizer):
    """One phase; phases run one after the other, each from where the last one ended."""
    phase = ml_collections.ConfigDict()
    phase.objective = objective
    phase.steps = steps
    phase.fusion = "static"  # what the loss sees: 'static', or 'ttd' with RD in the loop
    phase.stop_gradient_at_weights = False
    phase.weights = ml_collections.ConfigDict()  # term -> weight, in place of the objective's own
    # Fields of `ttd_jax.training.optimizer.OptimizerOptions`.
    phase.optimizer = ml_collections.ConfigDict(
        {
            "method": "adam",
            "learning_rate": 1e-5,
            "schedule": "constant",  # or 'step', 'cosine'
            "warmup_steps": 0,
            "decay_steps": 500,
            "decay_factor": 0.5,
            "floor": 1e-6,
            "weight_decay": 0.0,
            "clip_norm": config_dict.placeholder(float),
            "clip_scope": "all",
            "frozen": (),  # patterns of parameters, such as ('encoder/*',)
            **optimizer,
        }
    )
    if model_groups := _groups(objective):
        phase.optimizer.groups = ml_collections.ConfigDict(model_groups)
    return phase


def _groups(objective):
    """CDDFuse's authors give each part of the network an optimizer of its own."""
    if not objective.startswith("cddfuse"):
        return {}
    return dict.fromkeys(("encoder", "decoder", "base_fusion", "detail_fusion"), 1.0)
