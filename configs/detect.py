"""What `ttd-jax detect` finds objects in, and how it trains to find them.

    ttd-jax detect train --workdir=runs/llvip --config=configs/detect.py:llvip/detection \\
        --config.root=benchmarks --config.detector=weights/yolox_s
    ttd-jax detect eval --out=detection --config=configs/detect.py:llvip/detection \\
        --config.root=benchmarks --config.detector=runs/llvip/yolox_s

After the colon: a labeled data set, llvip/detection (persons) or msrs/detection (persons,
bicycles, cars); for `train`, ",small" after it for a handful of scenes, which are learnt by heart
in one phase without variation. Any field can be set, such as
--config.inputs="('infrared','ttd')", or --config.results="('DenseFuse=results/densefuse',)" for
pictures that anybody fused.

What LLVIP costs: 21,800 steps of 16 are 30 epochs of its 12,025 training pairs. A step of YOLOX
takes three times the operations of a forward pass, at 640x640 2.6 GFLOP (nano), 26 (s) or 153 (l):
in all 2.7e15, 2.8e16 or 1.6e17 operations. A device that sustains 8 TFLOP/s in float32 needs 6
minutes, one hour or six hours, as long as its CPUs decode pictures of 1280x1024 that fast; two CPU
cores would need days. Training on fusions (train.input='ttd') adds the fusion network in every
step, for IFCNN-SUM at 640x640 138 GFLOP a pair, three times that where it is trained as well
(joint=True).
"""

import ml_collections
from ml_collections import config_dict


def get_config(argument: str = "llvip/detection"):
    """The configuration for `DATASET` or `DATASET,small`."""
    dataset, _, recipe = argument.partition(",")
    if recipe not in _RECIPES:
        raise ValueError(f"{recipe!r}: nothing or 'small' may follow the data set")
    config = ml_collections.ConfigDict()
    config.dataset = dataset
    # MSRS was labeled three times, on its visible, infrared and fused pictures, and the three
    # disagree: all inputs are scored against this one set.
    config.label_set = "fusion"
    # Roles of the sources, 'static', 'ttd' (the weights' own settings), or a preset or loss map.
    config.inputs = ("visible", "infrared", "static", "ttd")
    # 'NAME=FOLDER': pictures of any method, with the stems of the data set's.
    config.results = ()
    # A folder of benchmarks as their authors distribute them, each in one of the benchmark's name
    # or as `folders` says; empty: benchmarks that `ttd-jax datasets prepare` wrote to data_dir.
    config.root = ""
    config.folders = ml_collections.ConfigDict()
    config.data_dir = ""
    config.split = "test"
    config.images = 0  # scenes; 0 for all
    # The fusion network; its converted weights are in weights_dir/MODEL.
    config.model = "ifcnn_sum"
    config.weights_dir = "weights"
    config.precision = "highest"
    config.sizes = "bucket"  # pictures of many sizes are fused by few programs; exact: one a size
    # Converted weights of the detector.
    config.detector = "weights/yolox_nano"
    config.size = ()  # (H, W) of its frames, multiples of 32; empty: what it was trained with
    # Classes of the data set that the detector knows by another name, as {'person': 'People'}.
    config.known_as = ml_collections.ConfigDict()
    # What COCO's figures are measured with: the least score, and IoU that makes a duplicate.
    config.confidence = 0.01
    config.overlap = 0.65
    # Scenes that are drawn, those first where TTD changes most, 0 for none; and the least score of
    # what is drawn and compared there, the same for every input.
    config.pictures = 12
    config.shown = 0.25
    config.train = _train()
    config.train.update(_RECIPES[recipe]())
    return config


def _train():
    """What only `detect train` reads."""
    train = ml_collections.ConfigDict()
    train.split = "train"
    # What it learns from, one of `config.inputs`' names. Fusions are made on the device in every
    # step, from sources in the detector's frame.
    train.input = "visible"
    train.seed = 0  # of new classes and of everything that is drawn from the data
    train.accumulate = 1  # micro-batches that a device takes one after the other
    train.log_every = 10  # steps
    train.keep = 2  # newest checkpoints; the best is kept as well
    train.best = "AP50"
    train.final = "last"  # which checkpoint becomes WORKDIR/DETECTOR: 'last' or 'best'
    return train


def _full():
    """About 30 epochs of LLVIP."""
    return {
        "batch_size": 16,  # of all devices of all processes
        # Validation: scenes of the split that are held back, evenly spread, and never trained on.
        "held_back": 400,
        "validate_every": 3750,  # steps
        "checkpoint_every": 750,
        "phases": (
            _phase(steps=18000, learning_rate=1e-3, warmup_steps=500, mosaic=0.5, zoom=(0.5, 1.5)),
            _phase(steps=3800, learning_rate=5e-5, l1=True),
        ),
    }


def _small():
    phase = _phase(steps=300, learning_rate=1e-3, warmup_steps=10, l1=True, zoom=(1.0, 1.0))
    phase.augmentation.update({"mirror": False, "shift": 0.0})
    return {
        "batch_size": 8,
        "held_back": 0,
        "validate_every": 0,
        "checkpoint_every": 50,
        "phases": (phase,),
    }


_RECIPES = {"": _full, "small": _small}


def _phase(*, steps, l1=False, mosaic=0.0, zoom=(0.8, 1.25), **optimizer):
    """One phase; phases run one after the other, each from where the last one ended."""
    phase = ml_collections.ConfigDict()
    phase.steps = steps
    phase.l1 = l1  # the distance of the raw boxes as well, as YOLOX's last epochs have it
    # What losses are divided by: each picture's own number of predictions that answer for an
    # object, or this number.
    phase.foreground = config_dict.placeholder(float)
    # Where fusions are trained on: the detector's loss also trains the fusion network, through the
    # RD weights as well; and with this weight its own unsupervised loss.
    phase.joint = False
    phase.keep_fusing = 0.0
    # Fields of `ttd_jax.detection.augmentation.Augmentation`.
    phase.augmentation = ml_collections.ConfigDict(
        {"mirror": True, "zoom": zoom, "shift": 0.1, "mosaic": mosaic}
    )
    # Fields of `ttd_jax.training.optimizer.OptimizerOptions`. The BatchNorms' statistics stay.
    phase.optimizer = ml_collections.ConfigDict(
        {
            "method": "adamw",
            "schedule": "cosine",
            "warmup_steps": 0,
            "floor": 1e-6,
            "weight_decay": 5e-4,
            "clip_norm": 10.0,
            "frozen": (),  # patterns of parameters, such as ('detector/backbone/*',)
            **optimizer,
        }
    )
    return phase
