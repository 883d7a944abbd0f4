"""The measured MRI-CT rows of IFCNN, from real pictures to saved files and back."""

import cv2
import numpy as np
import pytest

# EN and SD over the 21 pairs, with the authors' IFCNN-SUM, 0.002 each.
ROWS = {
    "--strategy=static": (4.619, 61.9746),
    "--dominability=self": (4.613, 61.192),
    "--dominability=intensity": (4.664, 65.479),
    "--dominability=fused": (4.635, 63.594),
}


@pytest.fixture(scope="module")
def real_weights(shared, command_line, tmp_path_factory):
    out = tmp_path_factory.mktemp("real") / "ifcnn_sum"
    checkpoint = shared / "weights" / "ifcnn" / "IFCNN-SUM.pth"
    words = ["--model=ifcnn_sum", f"--checkpoint={checkpoint}", f"--out={out}"]
    result = command_line("convert", *words)
    assert result.returncode == 0, result.stderr
    return out


def evaluation_grey(path):
    """The protocol's grey: the luma weights meet red and blue exchanged."""
    rgb = cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1].astype(np.float64)
    return np.rint(0.114 * rgb[..., 0] + 0.587 * rgb[..., 1] + 0.299 * rgb[..., 2])


def entropy(gray):
    share = np.bincount(gray.astype(int).ravel(), minlength=256) / gray.size
    return -np.sum(share[share > 0] * np.log2(share[share > 0]))


@pytest.mark.parametrize("flag", ROWS)
def test_saved_pictures_reproduce_the_measured_row(
    shared, command_line, real_weights, tmp_path, flag
):
    folders = [shared / "data" / "harvard" / "MRI_CT" / name for name in ("MRI", "CT")]
    words = ["--model=ifcnn_sum", f"--weights={real_weights}", f"--out={tmp_path}"]
    result = command_line("fuse", *words, "--color=network", flag, *folders)
    assert result.returncode == 0, result.stderr
    grays = [evaluation_grey(path) for path in sorted(tmp_path.glob("*.png"))]
    assert len(grays) == 21
    measured = np.mean([(entropy(gray), gray.std()) for gray in grays], axis=0)
    np.testing.assert_allclose(measured, ROWS[flag], atol=0.002, rtol=0)
