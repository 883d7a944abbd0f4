"""Street scenes in two folders as a TFDS data set that ttd_jax reads."""

import tensorflow_datasets as tfds

ROLES = ("visible", "infrared")


class StreetPairs(tfds.core.GeneratorBasedBuilder):
    """Pairs `visible/NAME.png` and `infrared/NAME.png`."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Pass the folder that holds visible/ and infrared/."

    def _info(self):
        pictures = {role: tfds.features.Image() for role in ROLES}
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict({**pictures, "scene": tfds.features.Text()}),
            metadata=tfds.core.MetadataDict(roles=ROLES, names={}, classes=[]),
            disable_shuffling=True,  # records in the order of `names`
        )

    def _split_generators(self, dl_manager):
        names = sorted(path.stem for path in (dl_manager.manual_dir / "visible").glob("*.png"))
        self.info.metadata["names"] = {"test": names}
        return {"test": self._generate_examples(dl_manager.manual_dir, names)}

    def _generate_examples(self, folder, names):
        for number, name in enumerate(names):
            pictures = {role: folder / role / f"{name}.png" for role in ROLES}
            yield number, {**pictures, "scene": name}


def prepare(folder, data_dir):
    """Writes the pairs of a folder to `data_dir`, where `ttd-jax evaluate` finds them."""
    options = tfds.download.DownloadConfig(
        manual_dir=folder,
        compute_stats=tfds.download.ComputeStatsMode.SKIP,  # they would need TensorFlow
    )
    StreetPairs(data_dir=data_dir).download_and_prepare(
        file_format="array_record", download_config=options
    )
