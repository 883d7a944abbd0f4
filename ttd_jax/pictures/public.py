"""Openly licensed pictures that well-kept packages carry, for demos, training and tests.

Nothing is downloaded: scikit-image and scikit-learn hold the files themselves.
"""

import dataclasses
import functools

import cv2
import numpy as np

from ttd_jax.errors import UserError
from ttd_jax.pictures import synthetic
from ttd_jax.pictures.examples import Example, Examples
from ttd_jax.pictures.images import encode_picture, quantize
from ttd_jax.registry import unknown


@dataclasses.dataclass(frozen=True)
class PublicPicture:
    """Where a picture comes from.

    Attributes:
      package: 'skimage' or 'sklearn'.
      file: what the package's loader calls it.
      credit: author and license, as the package states them.
    """

    package: str
    file: str
    credit: str


PICTURES = {
    name: PublicPicture(package, file, credit)
    for name, package, file, credit in (
        ("astronaut", "skimage", "astronaut", "NASA, public domain"),
        ("coffee", "skimage", "coffee", "Rachel Michetti, CC0"),
        ("chelsea", "skimage", "chelsea", "Stefan van der Walt, CC0"),
        ("rocket", "skimage", "rocket", "SpaceX, public domain"),
        ("camera", "skimage", "camera", "Lav Varshney, CC0"),
        ("coins", "skimage", "coins", "Brooklyn Museum, no known copyright restrictions"),
        ("moon", "skimage", "moon", "no known copyright restrictions"),
        ("brick", "skimage", "brick", "CC0Textures, CC0"),
        ("grass", "skimage", "grass", "CC0"),
        ("gravel", "skimage", "gravel", "CC0Textures, CC0"),
        ("hubble", "skimage", "hubble_deep_field", "NASA, public domain"),
        ("china", "sklearn", "china.jpg", "danielbuechele on Flickr, CC BY 2.0"),
        ("flower", "sklearn", "flower.jpg", "vultilion on Flickr, CC BY 2.0"),
    )
}


# The package's own weights are trained on the others: these are held back to judge them.
HELD_BACK = ("astronaut", "coffee", "chelsea", "flower")
TRAINING = tuple(name for name in PICTURES if name not in HELD_BACK)


@dataclasses.dataclass(frozen=True)
class PublicExamples(Examples):
    """Public pictures as examples of one source each.

    Attributes:
      names: keys of `PICTURES`.
      roles: of the only source.
    """

    names: tuple[str, ...]
    roles: tuple[str, ...] = ("picture",)

    def __getitem__(self, index: int) -> Example:
        pixels = quantize(public_picture(self.names[index]), np.uint8)
        return Example(self.names[index], self.roles, (encode_picture(pixels, ".png"),))


def public_picture(name: str, *, longest: int = 0) -> np.ndarray:
    """A picture as f32[H, W, 3] in [0, 1]; gray ones have three equal channels.

    Args:
      name: a key of `PICTURES`.
      longest: shrink to this many pixels on the longer side; 0 keeps the size.

    Raises:
      UserError: the package that holds it is not installed.
      KeyError: unknown name.
    """
    source = PICTURES[name]
    try:
        if source.package == "skimage":
            from skimage import data

            pixels = getattr(data, source.file)()
        else:
            from sklearn.datasets import load_sample_image

            pixels = load_sample_image(source.file)
    except ImportError as error:
        package = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[source.package]
        raise UserError(f"the picture {name!r} comes with {package}: pip install {package}") from (
            error
        )
    image = np.asarray(pixels, np.float32) / np.float32(255)
    image = np.broadcast_to(image[..., None] if image.ndim == 2 else image, (*image.shape[:2], 3))
    factor = longest / max(image.shape[:2]) if longest else 1.0
    if factor >= 1.0 or not longest:
        return np.ascontiguousarray(image)
    size = tuple(max(1, round(side * factor)) for side in image.shape[1::-1])
    small = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
    return np.clip(small, 0.0, 1.0)  # averaging rounds


# kind -> (picture, how a pair is made of it); the shipped weights have not seen these.
_EXAMPLES = {
    "multi-focus": ("astronaut", functools.partial(synthetic.multi_focus_pair, seed=3)),
    "multi-exposure": ("coffee", synthetic.multi_exposure_pair),
}


def example(kind: str = "multi-focus", *, longest: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures to fuse, made from an openly licensed one that scikit-image carries.

    Args:
      kind: 'multi-focus' (near, far) or 'multi-exposure' (under, over).
      longest: shrink to this many pixels on the longer side; 0 keeps the size.

    Returns:
      Two arrays f32[H, W, 3] in [0, 1].

    Raises:
      UserError: another kind, or scikit-image is not installed.

    Example:
      >>> near, far = ttd_jax.example("multi-focus", longest=64)
      >>> near.shape
      (64, 64, 3)
    """
    if kind not in _EXAMPLES:
        raise unknown(kind, _EXAMPLES, kind="example")
    name, make = _EXAMPLES[kind]
    return make(public_picture(name, longest=longest))
