"""What `ttd-jax evaluate` evaluates.

    ttd-jax evaluate --out=results --config=configs/evaluate.py:ifcnn_sum,harvard_medical/mri_ct

After the colon: MODEL,DATASET; join several of either with +. On the 21 MRI-CT pairs the authors'
IFCNN-SUM gives EN 4.619, SD 61.975 static and EN 4.635, SD 63.594 with TTD (protocol `paper`).
Any field can be set on the command line, such as --config.strategies="('static','intensity')".
"""

import ml_collections


def get_config(argument: str = "ifcnn_sum,harvard_medical/mri_ct"):
    """The configuration for `MODEL[+MODEL...],DATASET[+DATASET...]`."""
    models, _, datasets = argument.partition(",")
    config = ml_collections.ConfigDict()
    config.models = tuple(models.split("+"))
    config.datasets = tuple(datasets.split("+")) if datasets else ()
    # Converted weights of MODEL are in weights_dir/MODEL.
    config.weights_dir = "weights"
    # 'static', 'ttd' (the weights' own settings), or a preset or loss map of the model.
    config.strategies = ("static", "ttd")
    config.protocol = "paper"
    config.metrics = ()  # of papers' fifteen those that the protocol has; ('all',): all it has
    # 'network' is what the published figures were measured on; see `ttd-jax fuse --help`.
    config.color = "network"
    config.precision = "highest"
    config.batch_size = 0  # scenes a device takes at once; 0 chooses by its memory or their size
    config.sizes = "bucket"  # pictures of many sizes share few programs; exact: one a size
    config.gallery = 12  # scenes in the gallery of report.html; 0 for none
    # Prepared data sets: their folder (empty: TFDS's default) and split.
    config.data_dir = ""
    config.split = "test"
    # Folders in place of prepared data sets, whose names are then free: ('MRI','CT'), or one such
    # tuple for each data set.
    config.sources = ()
    # How their files become pictures: see --range and --bands of `ttd-jax fuse`.
    config.range = "type"
    config.bands = ()
    # How sources that do not line up are treated: see --align, --align_to, --crop, --fov and
    # --transforms of `ttd-jax fuse`.
    config.align = "check"
    config.align_to = 0
    config.crop = "reference"
    config.fov = ()
    config.transforms = ""
    return config
