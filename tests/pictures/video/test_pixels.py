import numpy as np
import pytest

from ttd_jax.pictures.video import pixels

av = pytest.importorskip("av")
H, W = 16, 24
BT601, BT709 = (0.299, 0.114), (0.2126, 0.0722)


def _planes(frame, values):
    for plane, value in zip(frame.planes, values, strict=True):
        dtype = np.uint8 if plane.line_size < 2 * plane.width else np.uint16
        rows = np.zeros((plane.height, plane.line_size // np.dtype(dtype).itemsize), dtype)
        rows[:] = value
        plane.update(rows.tobytes())
    return frame


def _expected(y, cb, cr, bits, matrix, limited):
    step = 2 ** (bits - 8)
    scales = (219 * step, 224 * step) if limited else (2**bits - 1,) * 2
    luma = (y - (16 * step if limited else 0)) / scales[0]
    blue, red = ((c - 128 * step) / scales[1] for c in (cb, cr))
    kr, kb = matrix
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    rgb = np.array([r, (luma - kr * r - kb * b) / (1 - kr - kb), b])
    return np.clip(rgb, 0, 1) * (255 if bits == 8 else 65535)


@pytest.mark.parametrize("colorspace", [1, 6, 2])
@pytest.mark.parametrize("limited", [True, False])
@pytest.mark.parametrize(("name", "bits"), [("yuv420p", 8), ("yuv444p", 8), ("yuv420p10le", 10)])
def test_colors_are_made_by_the_matrix_and_range_that_the_frame_tells(
    name, bits, limited, colorspace
):
    """Unknown matrices of small frames are BT.601."""
    step = 2 ** (bits - 8)
    y, cb, cr = 120 * step, 100 * step, 150 * step
    frame = _planes(av.VideoFrame(W, H, name), (y, cb, cr))
    frame.color_range = pixels.LIMITED if limited else pixels.FULL
    frame.colorspace = colorspace
    array = pixels.to_array(frame)
    expected = _expected(y, cb, cr, bits, BT709 if colorspace == 1 else BT601, limited)
    assert array.dtype == (np.uint8 if bits == 8 else np.uint16)
    np.testing.assert_allclose(array[H // 2, W // 2], expected, atol=1 if bits == 8 else 16)
    assert pixels.layout(frame) == (3, array.dtype)


@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le"])
def test_white_is_the_largest_value_and_black_zero(name):
    bits = 10 if "10" in name else 8
    step = 2 ** (bits - 8)
    for level, expected in ((235, 1.0), (16, 0.0), (255, 1.0), (0, 0.0)):
        frame = _planes(av.VideoFrame(W, H, name), (level * step, 128 * step, 128 * step))
        array = pixels.to_array(frame)
        np.testing.assert_array_equal(array, np.iinfo(array.dtype).max * expected)


def test_high_definition_of_an_unknown_matrix_is_bt709():
    frame = _planes(av.VideoFrame(1280, 720, "yuv420p"), (120, 100, 150))
    expected = _expected(120, 100, 150, 8, BT709, True)
    np.testing.assert_allclose(pixels.to_array(frame)[9, 9], expected, atol=1)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_grays_span_their_type_and_those_of_16_bits_stay(bits):
    values = np.linspace(0, 2**bits - 1, H * W).round().astype(np.uint16 if bits > 8 else np.uint8)
    values = values.reshape(H, W)
    name = "gray" if bits == 8 else f"gray{bits}le"
    frame = av.VideoFrame.from_ndarray(values, format=name)
    array = pixels.to_array(frame)
    assert array.shape == (H, W, 1)
    assert pixels.layout(frame) == (1, array.dtype)
    top = np.iinfo(array.dtype).max
    np.testing.assert_array_equal(
        array[..., 0], np.rint(values * (top / (2**bits - 1))).astype(array.dtype)
    )


def test_limited_grays_are_widened_but_counts_are_not():
    for bits, white in ((8, 255), (10, 65535), (16, 235 << 8)):
        name, dtype = ("gray", np.uint8) if bits == 8 else (f"gray{bits}le", np.uint16)
        level = np.full((H, W), 235 << bits - 8, dtype)
        frame = av.VideoFrame.from_ndarray(level, format=name)
        frame.color_range = pixels.LIMITED
        assert (pixels.to_array(frame) == white).all()


@pytest.mark.parametrize("name", ["gbrp16le", "gbrp", "bgr0", "rgb24", "gray", "gray16le"])
def test_rgb_and_gray_there_and_back_are_exact(name):
    dtype = np.uint16 if "16" in name else np.uint8
    shape = (H, W + 1, 1 if "gray" in name else 3)  # an odd width
    array = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    back = pixels.to_array(pixels.to_frame(array, name))
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("name", ["yuv420p", "yuv444p", "yuv420p10le", "yuv444p10le"])
def test_colors_there_and_back_are_near(name):
    y, x = np.mgrid[:H, :W] / max(H, W)
    unit = np.stack([0.2 + 0.5 * x, 0.8 - 0.5 * y, 0.3 + 0.2 * x], -1)
    dtype = np.dtype(np.uint16 if "10" in name else np.uint8)
    top = np.iinfo(dtype).max
    frame = pixels.to_frame(np.rint(unit * top).astype(dtype), name)
    frame.colorspace = pixels.BT709
    error = np.abs(pixels.to_array(frame) / top - unit)
    assert error.max() < 0.03
    assert error.mean() < 0.003


def test_palettes_are_colors():
    indices = np.zeros((H, W), np.uint8)
    palette = np.zeros((256, 4), np.uint8)
    palette[0] = 255, 200, 100, 50  # ARGB
    frame = av.VideoFrame.from_ndarray((indices, palette), format="pal8")
    assert pixels.to_array(frame)[0, 0].tolist() == [200, 100, 50]
