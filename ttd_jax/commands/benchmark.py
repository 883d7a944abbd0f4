"""Time this package: its fusion networks, or its metrics; measure what lower precision changes.

    ttd-jax benchmark --what=fusion --model=cddfuse_ivf,ifcnn_sum --size=256x256,480x640 --out=out
    ttd-jax benchmark --what=fusion --model=piafusion --size=480x640 --peer=torch
    ttd-jax benchmark --what=metrics --size=480x640
    ttd-jax benchmark --what=precision --model=ifcnn_sum --weights=weights/ifcnn_sum \\
        --sources=visible_dir,infrared_dir

fusion: static fusion and TTD as `jax.jit` runs them with folded weights; random ones do without
--weights. Time, throughput, time to compile, operations, share of what a matrix product reaches,
XLA's plan of the memory and the peak measured in a process of its own. --peer=torch adds the same
networks in PyTorch (eager, on all CPUs, same weights), compares the pictures and gives the ratios.
Writes benchmark.json, benchmark.md and roofline.png to --out.

precision: how far TTD's pictures and RD of real scenes are from float32 with TF32 or bfloat16, on
the middle of each scene where --size says how much of it. This needs no GPU: products of fewer bits
are imitated.

Everything runs in turn, round after round: ratios are medians over the rounds.
"""

import dataclasses
import os
import pathlib
import tempfile
from importlib import metadata

from absl import flags

from ttd_jax.commands import common
from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import dumps, write_whole
from ttd_jax.networks import lookup, networks

_FILES = ("benchmark.json", "benchmark.md", "roofline.png")
_NOT_OF_METRICS = ("model", "weights", "sources", "dominability", "peer", "out")


def define_flags(values):
    """The flags of this command."""
    flags.DEFINE_enum("what", "metrics", list(_WHAT), "what to time", flag_values=values)
    flags.DEFINE_list("model", None, f"one or more of: {', '.join(networks())}", flag_values=values)
    flags.DEFINE_string(
        "weights", None, "what `ttd-jax convert` made; default: random", flag_values=values
    )
    flags.DEFINE_list(
        "size",
        None,
        "height x width, one or, for fusion, several; default: 256x256, metrics 480x640",
        flag_values=values,
    )
    flags.DEFINE_list(
        "strategy",
        ["static", "ttd"],
        f"one or more of: {', '.join(common.STRATEGIES)}",
        flag_values=values,
    )
    common.define_dominability(values)
    flags.DEFINE_list("sources", None, "precision: folders of the scenes", flag_values=values)
    common.define_precision(values)
    flags.DEFINE_integer("batch", 1, "scenes fused at once", lower_bound=1, flag_values=values)
    flags.DEFINE_enum("peer", None, ["torch"], "what to compare with", flag_values=values)
    flags.DEFINE_integer("repeats", 5, "rounds", lower_bound=1, flag_values=values)
    flags.DEFINE_string("out", None, "folder for the results of fusion", flag_values=values)
    flags.DEFINE_bool("overwrite", False, "replace the files in --out", flag_values=values)
    common.define_json(values)


def run(values, arguments):
    """Measures and prints."""
    common.reject_arguments(arguments)
    _WHAT[values.what](values)


def _metrics(values):
    import jax

    from ttd_jax.benchmarks.fusion import usable_cpus
    from ttd_jax.benchmarks.metrics import benchmark_metrics

    for name in _NOT_OF_METRICS:
        if values[name].present:
            raise UserError(f"--{name}: --what=metrics does not take it: leave it out")
    sizes = _sizes(values.size or ["480x640"])
    if len(sizes) > 1:
        raise UserError(f"--size={','.join(values.size)}: --what=metrics takes one size")
    result = {
        "what": values.what,
        "size": list(sizes[0]),
        "repeats": values.repeats,
        "device": jax.devices()[0].device_kind,
        "cpus": usable_cpus(),
        **benchmark_metrics(size=sizes[0], repeats=values.repeats),
    }
    if values.json:
        print(dumps(result), end="")
        return
    height, width = sizes[0]
    print(f"metrics, {height}x{width}, {result['device']}, {values.repeats} rounds")
    for name, seconds in result["seconds"].items():
        print(
            f"{name:<12} median {seconds['median']:.4f} s "
            f"({seconds['least']:.4f} .. {seconds['most']:.4f}), ratio {result['ratios'][name]:.3f}"
        )


def _fusion(values):
    import jax

    from ttd_jax.benchmarks import fusion, report

    common.require(values, "model")
    out, draw = _vacant(values) if values.out else (None, None)
    cases, variables = _cases(values)
    if values.peer:
        _check_peer(cases)
    with tempfile.TemporaryDirectory(prefix="ttd_jax-xla-") as cache:
        # Empty, so that the times of compilation are not those of reading a cache.
        jax.config.update("jax_compilation_cache_dir", cache)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        found = fusion.benchmark_fusion(
            cases, variables, repeats=values.repeats, peer=bool(values.peer), cache=cache
        )
    device = jax.devices()[0]
    result = {
        "what": "fusion",
        "platform": device.platform,
        "device": device.device_kind,
        "cpus": fusion.usable_cpus(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "repeats": values.repeats,
        "precision": values.precision,
        "weights": values.weights or "random",
        "versions": {
            name: metadata.version(name)
            for name in ("ttd-jax", "jax", *([values.peer] if values.peer else []))
        },
        **found,
    }
    text = report.markdown(result)
    if out:
        with explain_os_errors(out):
            for name, content in zip(_FILES, (dumps(result), text, draw(result)), strict=True):
                write_whole(out / name, content)
    print(dumps(result) if values.json else text, end="")


def _precision(values):
    from ttd_jax.benchmarks.precision import markdown, measure_precision
    from ttd_jax.weights import store

    common.require(values, "model", "weights", "sources")
    if len(values.model) != 1:
        raise UserError("--what=precision takes one --model")
    spec = lookup(values.model[0])
    model = store.load(values.weights, name=spec.name, dominability=values.dominability)
    scenes = _scenes(values, spec)
    found = measure_precision(model, scenes)
    result = {
        "what": "precision",
        "model": spec.name,
        "settings": dataclasses.asdict(model.settings),
        "scenes": len(scenes),
        "differences": found,
    }
    print(dumps(result) if values.json else markdown(found), end="")


def _scenes(values, spec):
    """The middles of real scenes, f32[M, H, W, C] each, gray."""
    import numpy as np

    from ttd_jax.pictures.crops import central_crop
    from ttd_jax.pictures.decode import decode_example
    from ttd_jax.pictures.scenes import find_scenes

    sizes = _sizes(values.size) if values.size else [0]
    if len(sizes) > 1:
        raise UserError(f"--size={','.join(values.size)}: --what=precision takes one size")
    stacks = []
    for example in find_scenes(values.sources):
        pictures = [picture.as_float() for picture in decode_example(example, gray=True)]
        stack = np.stack(central_crop(pictures, sizes[0]))
        stacks.append(np.repeat(stack, spec.channels, axis=-1))
    return stacks


_WHAT = {"metrics": _metrics, "fusion": _fusion, "precision": _precision}


def _cases(values):
    """What to time, and the variables of every model."""
    from ttd_jax.benchmarks.cases import Case

    specs = [lookup(name) for name in dict.fromkeys(values.model)]
    if not specs:
        raise UserError(f"--model is empty: {values['model'].help}")
    if values.weights and len(specs) > 1:
        raise UserError(f"--weights={values.weights}: is of one model: time the others apart")
    strategies = tuple(dict.fromkeys(values.strategy))
    for strategy in strategies:
        if strategy not in common.STRATEGIES:
            raise UserError(f"--strategy={strategy}: choose from {', '.join(common.STRATEGIES)}")
    sizes = _sizes(values.size or ["256x256"])
    for spec in specs:
        for height, width in sizes:
            if min(height, width) < spec.min_size:
                raise UserError(
                    f"--size={height}x{width}: {spec.name} takes pictures of at least "
                    f"{spec.min_size}x{spec.min_size} pixels"
                )
    models = {spec.name: _load(spec, values) for spec in specs}
    cases = [
        Case(
            model=name,
            size=size,
            strategy=strategy,
            batch=values.batch,
            precision=values.precision,
            settings=dataclasses.asdict(settings),
        )
        for name, (_, settings) in models.items()
        for size in sizes
        for strategy in strategies
    ]
    return cases, {name: variables for name, (variables, _) in models.items()}


def _load(spec, values):
    """Variables and RD settings: of the weights on disk, or random ones of the spec's."""
    from ttd_jax.networks.random_variables import random_variables
    from ttd_jax.weights import store

    if values.weights:
        model = store.load(values.weights, name=spec.name, dominability=values.dominability)
        return model.variables, model.settings
    settings = spec.dominability(values.dominability or spec.default_preset)
    return random_variables(spec), settings


def _sizes(words):
    sizes = []
    for word in dict.fromkeys(words):
        try:
            height, width = map(int, word.split("x"))
        except ValueError:
            raise UserError(f"--size={word}: pass height x width, such as 480x640") from None
        if min(height, width) < 1:
            raise UserError(f"--size={word}: both sides must be positive")
        sizes.append((height, width))
    if not sizes:
        raise UserError("--size is empty: pass height x width, such as 480x640")
    return sizes


def _check_peer(cases):
    import jax

    from ttd_jax.benchmarks import programs

    programs.check_peer(cases)
    if jax.default_backend() != "cpu":
        raise UserError("--peer=torch runs on the CPU: compare there, with JAX_PLATFORMS=cpu")


def _vacant(values):
    """The folder of --out, made, without files that must stay; and what draws the plot."""
    try:
        from ttd_jax.benchmarks.roofline import roofline
    except ImportError as error:
        raise UserError(f"--out needs {error.name}: pip install 'ttd-jax[analysis]'") from error
    out = pathlib.Path(values.out)
    for name in _FILES:
        if (out / name).exists() and not values.overwrite:
            raise UserError(f"{out / name}: already exists: choose another --out, or --overwrite")
    with explain_os_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    return out, roofline
