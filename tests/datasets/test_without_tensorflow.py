"""Preparing and reading need no TensorFlow: both run where importing it raises."""

import os
import re
import subprocess
import sys

CODE = """
import importlib.machinery, pathlib, sys

class NoTensorFlow:
    '''It seems to be installed, but importing it raises.'''
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec):
        raise ImportError("TensorFlow was imported")
    def exec_module(self, module):
        pass

sys.meta_path.insert(0, NoTensorFlow())
import ttd_jax_datasets
from ttd_jax.pictures.prepared import prepared_examples
from ttd_jax.pictures.scenes import find_scenes
from ttd_jax_datasets.preparing import prepare

root, data_dir = map(pathlib.Path, sys.argv[1:])
prepare(*ttd_jax_datasets.find_config("msrs/detection_fusion"), root, data_dir)
prepare(*ttd_jax_datasets.find_config("msrs/fusion"), root, data_dir)
prepared = prepared_examples("msrs", "test", data_dir=data_dir)
scenes = find_scenes([str(root / "test/vi"), str(root / "test/ir")])
assert [example.files for example in prepared] == [scene.files for scene in scenes]
detection = prepared_examples("msrs/detection_fusion", "test", data_dir=data_dir)
assert all(example.boxes for example in detection)
print(len(prepared), len(detection))
try:
    import tensorflow
except ImportError as error:
    print(error)
"""


def test_real_pairs_are_written_and_read_where_tensorflow_cannot_be_imported(
    tfds, shared, tmp_path
):
    result = subprocess.run(
        [sys.executable, "-c", CODE, shared / "data" / "msrs", tmp_path / "prepared"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TFDS_DATA_DIR": str(tmp_path)},
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["8 8", "TensorFlow was imported"]
    shortfalls = result.stderr.splitlines()
    assert len(shortfalls) == 4
    assert all(re.search(r": t\w+ has \d of \d+ examples$", line) for line in shortfalls)
