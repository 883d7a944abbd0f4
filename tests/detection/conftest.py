"""Detection on small pictures."""

import pytest

from tests.detection.small import SHALLOW, random_detector, save
from tests.small_networks import registered
from ttd_jax.networks import register_network


@pytest.fixture(scope="module", autouse=True)
def _quickly(quick_compilation):
    """Programs here run a few times on few pixels."""


@pytest.fixture(scope="module")
def shallow_folder(tmp_path_factory):
    """Weights of the shallow detector, which is known by its name as long as the module lasts."""
    with registered():
        register_network(SHALLOW)
        yield save(tmp_path_factory.mktemp("detector") / "shallow", random_detector(SHALLOW))
