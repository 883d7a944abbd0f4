"""What `ttd-jax analyze` studies.

    ttd-jax analyze --out=analysis --config=configs/analyze.py:correlation,harvard_medical/mri_ct \\
        --config.root=benchmarks

After the colon: STUDY,DATASET; join several of either with +, or leave DATASET out for all of them.
Studies: theory, form, normalization, correlation, grid, noise, sources, gradient, temperature,
networks, probes. On the 21 MRI-CT pairs the authors' IFCNN-SUM gives `correlation` SD 61.97 static,
63.59 negative; any field can be set, such as --config.model=cddfuse_ivf or --config.crop=0.
"""

import ml_collections

_ALL = (
    "harvard_medical/mri_ct",
    "harvard_medical/mri_pet",
    "harvard_medical/mri_spect",
    "llvip/fusion",
    "msrs/fusion",
    "m3fd/fusion",
    "roadscene/fusion",
    "tno/fusion",
    "mefb/fusion",
    "mfi_whu/fusion",
    "lytro/pairs",
)


def get_config(argument: str = "correlation,harvard_medical/mri_ct"):
    """The configuration for `STUDY[+STUDY...][,DATASET[+DATASET...]]`."""
    studies, _, datasets = argument.partition(",")
    config = ml_collections.ConfigDict()
    config.studies = tuple(studies.split("+"))
    config.datasets = tuple(datasets.split("+")) if datasets else ()
    config.all_datasets = _ALL
    config.model = "ifcnn_sum"
    config.networks = ()  # of `networks`; all whose weights are in weights_dir
    # Converted weights of the model are in weights_dir/MODEL.
    config.weights_dir = "weights"
    # A folder of benchmarks as their authors distribute them, each in one of the benchmark's name
    # or as `folders` says; empty: benchmarks that `ttd-jax datasets prepare` wrote to data_dir.
    config.root = ""
    config.folders = ml_collections.ConfigDict({"harvard_medical": "harvard"})
    config.data_dir = ""
    config.split = "test"
    config.images = 0  # scenes of every data set; 0 for all
    # Sides longer than this keep their middle: a study fuses every scene dozens of times.
    config.crop = 256
    config.sizes = "bucket"  # pictures of many sizes share few programs; exact: one a size
    config.protocol = "paper"
    config.metrics = ("EN", "SD", "AG", "EI", "SF", "SCD", "SSIM", "CE")
    config.precision = "highest"
    config.presets = ()  # loss presets of `theory`, `temperature` and `probes`; all of the model's
    # `grid`
    config.temperatures = (0.1, 0.3, 1.0, 3.0, 10.0, 50.0)
    # `gradient`: fields of DominabilitySettings that differ from the model's own, and the channel.
    config.gradient = ml_collections.ConfigDict()
    config.channel = 58
    config.seed = 0  # of `noise` and of the random `probes`
    # `probes`: which source is damaged, how, and how badly.
    config.damaged = 0
    config.corruptions = ()  # all of them
    config.severities = (0.0, 0.25, 0.5, 0.75, 1.0)
    return config
