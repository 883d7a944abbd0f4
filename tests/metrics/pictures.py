"""Scenes to measure: drawn ones for every test, real ones where the shared data is."""

import cv2
import numpy as np

# Tests that need no other shape use this one, so that they share one compilation.
SHAPE = (48, 56)


def draw(height=SHAPE[0], width=SHAPE[1], *, count=2, seed=0):
    """A fused image f64[H, W] and `count` sources: texture, edges, flat regions; whole grays."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    sources = []
    for m in range(count):
        waves = 60 * np.sin((x * (m + 1) + 3 * y) / 7.0) + 50 * ((x // 9 + y // (6 + m)) % 2)
        waves[: height // 3] = 40 + 30 * m
        sources.append(100 + waves + rng.normal(0, 6, (height, width)) * (y > height // 2))
    sources = np.clip(np.round(sources), 0, 255)
    return np.round(sources.mean(axis=0)), sources


def real_scenes(shared):
    """Twenty scenes of seven benchmarks: (name, fused, sources), in two shapes and one full size.

    Fused in three ways in turn: mean, maximum, and a blurred maximum.
    """
    scenes = []
    for index, (name, first, second) in enumerate(_pairs(shared / "data")):
        sources = np.stack([first, second]).astype(np.float64)
        brightest = sources.max(axis=0)
        blurred = np.clip(np.round(cv2.GaussianBlur(brightest, (0, 0), 1.5)), 0, 255)
        fused = (np.round(sources.mean(axis=0)), brightest, blurred)[index % 3]
        scenes.append((name, fused, sources))
    return scenes


def _pairs(data):
    medical = [("MRI_CT", "CT", "11"), ("MRI_CT", "CT", "13"), ("MRI_CT", "CT", "16")]
    medical += [("MRI_PET", "PET", "12"), ("MRI_PET", "PET", "14"), ("MRI_SPECT", "SPECT", "13")]
    for folder, modality, name in medical:
        root = data / "harvard" / folder
        yield f"{folder} {name}", *_read(root / "MRI", root / modality, f"{name}.png")
    msrs, llvip, tno = data / "msrs/test", data / "llvip", data / "tno"
    for name in ("00004N.png", "00012N.png", "00020N.png", "00032N.png"):
        yield f"MSRS {name}", *_cut(*_read(msrs / "vi", msrs / "ir", name))
    for name in ("01", "04", "08", "11"):
        pair = (_gray(data / "lytro" / f"lytro-{name}-{side}.jpg") for side in "AB")
        yield f"Lytro {name}", *_cut(*pair)
    for name in ("190001.jpg", "190003.jpg", "190006.jpg"):
        pair = _read(llvip / "visible/test", llvip / "infrared/test", name)
        yield f"LLVIP {name}", *_cut(*pair)
    for name in ("01.png", "05.png"):
        yield f"TNO {name}", *_cut(*_read(tno / "vi", tno / "ir", name))
    # uncut: float32 sums must hold over a megapixel
    yield "LLVIP full", *_read(llvip / "visible/test", llvip / "infrared/test", "190002.jpg")


def _read(first, second, name):
    return _gray(first / name), _gray(second / name)


def _gray(path):
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert image is not None, path
    return image


def _cut(*images, height=320, width=400):
    """The middle, so that scenes share a shape and a compilation."""
    top, left = (
        (side - cut) // 2 for side, cut in zip(images[0].shape, (height, width), strict=True)
    )
    return [image[top : top + height, left : left + width] for image in images]
