"""The folder of a run in an object store."""

import io
import tarfile

import pytest

from ttd_jax.errors import UserError
from ttd_jax.places import place
from ttd_jax.training.folder import RunFolder

_OTHER = io.BytesIO()
with tarfile.open(fileobj=_OTHER, mode="w") as _tar:
    _tar.addfile(tarfile.TarInfo("8"))


@pytest.mark.parametrize(
    "data",
    [b"", b"no tar", bytes(10240), _OTHER.getvalue()],
    ids=["none", "text", "zeros", "other"],
)
def test_a_damaged_checkpoint_is_told_in_a_line_and_stays(data):
    run = place("memory://box/run")
    tar = run / "checkpoints" / "7.tar"
    tar.write_bytes(data)
    try:
        told = rf"^{tar}: damaged checkpoint \([^\n]*\): remove it and run again with --resume$"
        with (
            pytest.raises(UserError, match=told),
            RunFolder.hold(run, "finetune", resume=True, share=(0, 1)),
        ):
            pass
        assert tar.read_bytes() == data
    finally:
        run.rmtree()
