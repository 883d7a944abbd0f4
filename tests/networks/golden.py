"""Golden data of the original networks: arrays of a case, and how close a port must come."""

import functools
import re

import numpy as np

_ROW = re.compile(r"^\| (\w+) \|.*\| ([0-9.e+-]+) \|$", re.MULTILINE)


class Golden:
    """One case of a network: `golden/NETWORK/CASE.npz`, channels last.

    Arrays are those of its keys; a feature map of which a sample was kept is compared with it by
    `check`, within the tolerance that the README beside it states.
    """

    def __init__(self, shared, network, case):
        folder = shared / "golden" / network
        self._arrays = np.load(folder / f"{case}.npz")
        self._tolerances = _tolerances((folder / "README.md").read_text())

    def __iter__(self):
        return iter(self._arrays)

    def __contains__(self, key):
        return key in self._arrays

    def __getitem__(self, key):
        """As stored: [H, W], or [C, H, W]."""
        return self._arrays[key]

    def picture(self, key):
        """f32[H, W, 1 or C]."""
        array = self[key]
        return array[..., None] if array.ndim == 2 else np.moveaxis(array, 0, -1)

    def atol(self, key):
        """The tolerance of a key; those of both sources are stated once, with an 'm'."""
        source = re.sub(r"_(vi|ir)(?=_|$)", "_m", key)
        return self._tolerances.get(key) or self._tolerances[source]

    def check(self, key, found):
        """Holds f32[H, W, C] against what the original gives."""
        found = np.moveaxis(np.asarray(found), -1, 0)
        if key in self:
            expected = self[key].reshape(found.shape)
        else:
            expected = self[f"{key}_sub"]
            names = ("channels", "rows", "cols")
            at = (
                self[f"sub_{name}_of_{side}"] for name, side in zip(names, found.shape, strict=True)
            )
            meanstd = found.mean(dtype=np.float64), found.std(dtype=np.float64)
            np.testing.assert_allclose(meanstd, self[f"{key}_meanstd"], atol=self.atol(key))
            found = found[np.ix_(*at)]
        np.testing.assert_allclose(found, expected, rtol=0, atol=self.atol(key), err_msg=key)


@functools.cache
def _tolerances(text):
    table = text.split("## Tolerances", 1)[1]
    return {key: float(atol) for key, atol in _ROW.findall(table) if key != "key"}
