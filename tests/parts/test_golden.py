"""Whole, in windows and in larger arrays, pictures are fused as by the original networks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests.parts.in_windows import fuse_in_windows
from ttd_jax.networks import lookup
from ttd_jax.parts import tiles
from ttd_jax.weights.convert import convert_checkpoint

# Two scenes, and arrays that hold both: larger by 1, 7 or 64 rows or columns, and by others.
CASES = {
    "ifcnn": (("lytro_pair_120x160", "iv_pair_odd_97x123"), (127, 187)),
    "piafusion": (("msrs_night_72x96", "roadscene_odd_75x101"), (76, 160)),
    "cddfuse": (("mri_ct_64x64", "roadscene_odd_61x83"), (65, 147)),
}
ROWS = {"ifcnn": 60, "piafusion": 50, "cddfuse": 52}  # of strips
# Of the golden data's READMEs: of what networks give, and of pictures. IFCNN's is for its own
# domain, which is more than four times as wide as the pictures'; CDDFuse's stretches pictures.
ATOL = {"ifcnn": (5e-6, 5e-6), "piafusion": (1e-5, 1e-5), "cddfuse": (5e-6, 2e-5)}
# Between the ways to compute. With PIAFusion's weights, random and large, float32 is off by 2e-6
# whoever computes it, the original included; to that RD adds. CDDFuse's stretches rounding, too.
APART = {"ifcnn": (2e-6, 2e-6), "piafusion": (1e-5, 1e-5), "cddfuse": (2e-6, 5e-6)}
MAPS = ("image", "components", "losses", "dominability")


@pytest.fixture(
    params=[
        ("ifcnn_sum",),
        ("ifcnn_max",),
        ("ifcnn_mean",),
        ("piafusion",),
        ("cddfuse_ivf", "cddfuse_mif"),  # the golden weights do for both: so does a program
    ],
    ids=" ".join,
)
def names(request):
    return request.param


@pytest.fixture
def models(names, shared, torch):
    spec = lookup(names[0])
    path = shared / "golden" / spec.layout.name / f"{spec.layout.name}_random.pth"
    if spec.layout.name == "ifcnn":
        path = shared / "weights/ifcnn" / spec.checkpoint
    variables = convert_checkpoint(spec, path)[0].variables
    return [bind(name, variables) for name in names]


def bind(name, variables):
    return lookup(name).bind(variables, settings=lookup(name).presets["self"])


def read(model, path):
    """The sources of a scene, and what the original network made of them."""
    golden, name = np.load(path), model.spec.name
    view = lambda key: golden[key][..., None]  # noqa: E731
    if name.startswith("ifcnn"):  # in the network's own domain
        prefix = name.removeprefix("ifcnn_").upper()
        view = lambda key: np.asarray(model.restore(np.moveaxis(golden[key], 0, -1)))  # noqa: E731
        sources, alone = ("src0", "src1"), (f"{prefix}_component_0", f"{prefix}_component_1")
        known = {"static": view(f"{prefix}_fused").clip(0, 1)}
    elif name == "piafusion":
        sources, alone = ("vi_y", "ir"), ("fused_vi_vi", "fused_ir_ir")
        known = {"static": view("fused")}
    else:
        sources, alone = ("vi", "ir"), ("component_vi", "component_ir")
        residual = {"cddfuse_ivf": "vi", "cddfuse_mif": "none"}[name]
        known = {"static": view(f"fused_baseline_{residual}")}
        known["image"] = view(f"fused_ttd_{residual}")
    sources, components = (np.stack([view(key) for key in keys]) for keys in (sources, alone))
    losses = np.mean(np.square(np.float64(components) - sources), axis=-1)
    scores = np.exp(np.exp(-model.settings.temperature * losses))
    rd = scores / scores.sum(axis=0)
    return sources, known | {"components": components, "losses": losses, "dominability": rd}


@functools.partial(jax.jit, static_argnums=0)
def fuse(names, variables, sources, extent=None):
    """What is compared, of networks with the same variables: what repeats is computed once."""
    found = []
    for name in names:
        model = bind(name, variables)
        dynamic = ttd_jax.dynamic_fuse(model, sources, extent=extent)
        static = ttd_jax.static_fuse(model, sources, extent=extent).image
        found.append({"static": static} | {key: getattr(dynamic, key) for key in MAPS})
    return found


def cut(found, height, width):
    """What a picture in the corner of larger arrays has."""
    flat = ("static", "image")
    return {
        key: array[:height, :width] if key in flat else array[:, :height, :width]
        for key, array in found.items()
    }


def compare(found, expected, limits, *, way):
    for key in expected.keys() & found.keys():
        limit = limits[1] if key in ("static", "image") else limits[0]
        np.testing.assert_allclose(
            found[key], expected[key], atol=limit, rtol=0, err_msg=f"{way}: {key}"
        )


def test_every_way_to_compute_gives_what_the_original_gave(shared, names, models, monkeypatch):
    model, family = models[0], models[0].spec.layout.name
    cases, size = CASES[family]
    golden = [
        [read(model, shared / "golden" / family / f"{case}.npz") for model in models]
        for case in cases
    ]
    sources = [scene[0][0] for scene in golden]
    sizes = [pictures.shape[1:3] for pictures in sources]
    arrays = np.full((2, 2, *size, model.spec.channels), 0.7, np.float32)
    for array, pictures, (height, width) in zip(arrays, sources, sizes, strict=True):
        array[:, :height, :width] = pictures

    batch = jax.vmap(functools.partial(fuse, names), in_axes=(None, 0, 0))
    larger = batch(model.variables, arrays, jnp.array(sizes))  # CPUs compute it in tiles
    windows = fuse_in_windows(model, sources[1], model.settings, rows=ROWS[family])
    windows = {key: getattr(windows, key) for key in MAPS}
    monkeypatch.setattr(tiles, "SIZE", (1 << 15, 1 << 15))
    jax.clear_caches()
    whole = fuse(names, model.variables, sources[1])
    jax.clear_caches()

    for index in range(len(names)):
        for place in range(2):
            own = cut({key: array[place] for key, array in larger[index].items()}, *sizes[place])
            compare(own, golden[place][index][1], ATOL[family], way="larger")
        compare(own, whole[index], APART[family], way="larger, whole")
        compare(whole[index], golden[1][index][1], ATOL[family], way="whole")
    compare(windows, golden[1][0][1], ATOL[family], way="windows")
    compare(windows, whole[0], APART[family], way="windows, whole")
