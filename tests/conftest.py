"""Where the shared weights, pictures and golden arrays are, and what happens without them."""

import os
import pathlib

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


def _shared_root() -> pathlib.Path:
    return pathlib.Path(os.environ.get("TTD_JAX_SHARED", REPOSITORY.parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
    """The folder of pretrained weights, real images and golden arrays; skips without it."""
    root = _shared_root()
    if not (root / "golden").is_dir():
        reason = f"no shared weights and data at {root} (set TTD_JAX_SHARED)"
        if os.environ.get("TTD_JAX_REQUIRE_SHARED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return root
