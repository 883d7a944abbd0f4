"""`ttd-jax demo`, with and without the checkpoint it needs."""

from ttd_jax.data.images import read_picture


def test_the_demo_draws_a_sheet_of_every_set(shared, command_line, tmp_path):
    environment = {"TTD_JAX_SHARED": str(shared)}
    result = command_line("demo", f"--out={tmp_path}", env=environment)
    assert result.returncode == 0, result.stderr
    for name in ("multi-focus", "multi-exposure", "infrared-visible", "medical"):
        sheet = read_picture(tmp_path / f"{name}.png")
        assert sheet.coloured
        assert sheet.size[1] > 1500  # two sources, two fusions, one map


def test_without_the_checkpoint_the_demo_says_what_it_needs(refused, tmp_path):
    environment = {"TTD_JAX_SHARED": str(tmp_path)}
    refused("demo", f"--out={tmp_path / 'x'}", env=environment, named=["--checkpoint", "IFCNN-SUM"])
    assert not (tmp_path / "x").exists()
