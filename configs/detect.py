"""What `ttd-jax detect` finds objects in.

    ttd-jax detect eval --out=detection --config=configs/detect.py:llvip/detection \\
        --config.root=benchmarks --config.detector=weights/yolox_nano

After the colon: a labelled data set, llvip/detection (persons) or msrs/detection (persons,
bicycles, cars). Any field can be set, such as --config.inputs="('infrared','ttd')", or
--config.results="('DenseFuse=results/densefuse',)" for pictures that anybody fused.
"""

import ml_collections


def get_config(argument: str = "llvip/detection"):
    """The configuration for `DATASET`."""
    config = ml_collections.ConfigDict()
    config.dataset = argument
    # MSRS was labelled three times, on its visible, infrared and fused pictures, and the three
    # disagree: all inputs are scored against this one set.
    config.label_set = "fusion"
    # Roles of the sources, 'static', 'ttd' (the model's default loss map) or a loss preset of it.
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
    return config
