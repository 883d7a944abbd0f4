"""Time this package: its fusion networks, or its metrics; measure what lower precision changes.

    ttd-jax benchmark --what=fusion --model=cddfuse_ivf,ifcnn_sum --size=256x256,480x640 --out=out
    ttd-jax benchmark --what=fusion --model=piafusion --size=480x640 --peer=torch,torch-compile
    ttd-jax benchmark --what=metrics --size=480x640 --metrics=all
    ttd-jax benchmark --what=precision --model=ifcnn_sum --weights=weights/ifcnn_sum \\
        --sources=visible_dir,infrared_dir
    ttd-jax benchmark --what=sizes --model=ifcnn_sum
    ttd-jax benchmark --what=alignment --model=ifcnn_sum
    ttd-jax benchmark --what=video --model=ifcnn_sum
    ttd-jax benchmark --what=plan --topology=v5e:4x4 --model=ifcnn_sum --size=480x640

fusion: static fusion and TTD as `jax.jit` runs them with folded weights; random ones do without
--weights. Time, throughput, time to compile, operations, share of what a matrix product reaches,
XLA's plan of the memory and the peak measured in a process of its own. --peer adds the same
networks in PyTorch (on all CPUs, same weights), compares the pictures and gives the ratios: torch
is eager, torch-compile what torch.compile makes of it, for which a C++ compiler is needed. Writes
benchmark.json, benchmark.md and roofline.png to --out.

metrics: all of --metrics together, and each alone beside its definition in float64 NumPy and SciPy:
time, and the memory that XLA plans for it.

precision: how far TTD's pictures and RD of real scenes are from float32 with TF32 or bfloat16, on
the middle of each scene where --size says how much of it. This needs no GPU: products of fewer bits
are imitated.

sizes: scenes of many sizes, those of --size, of --sources or of a dozen crops, fused and scored by
a program for every size and by programs for few sizes of arrays: how many, how long, how much
padded.

alignment: checking, registering and warping a pair, beside fusing it with a network.

video: a clip of --frames fused steadily and frame by frame, beside the same frames as still
pictures, and its parts: decoding, motion, the network, encoding.

plan: what fuse, evaluate (all metrics) and a step of finetune need of a TPU pod, compiled for it on
this machine: seconds to compile, memory, bytes accessed, operations, the roofline's time, scenes
that a chip holds, scenes an hour of all chips. Minutes a program; it needs libtpu, and no TPU.

Everything else runs in turn, round after round: ratios are medians over the rounds.
"""

import dataclasses
import os
import pathlib
import tempfile
from importlib import metadata

from absl.flags import FlagValues

from ttd_jax.benchmarks import plan
from ttd_jax.benchmarks.peers import PEERS
from ttd_jax.commands import common
from ttd_jax.core.fusion import INSEPARABLE
from ttd_jax.errors import UserError, explain_missing, explain_os_errors
from ttd_jax.files import dumps, write_whole
from ttd_jax.folders import alone
from ttd_jax.metrics import FIFTEEN, PROTOCOLS, choose
from ttd_jax.networks import lookup, networks
from ttd_jax.pictures.sizes import check_least_size
from ttd_jax.processes import find_devices
from ttd_jax.report.columns import aligned

_FILES = ("benchmark.json", "benchmark.md", "roofline.png")
_NOT_OF_SIZES = ("strategy", "batch", "peer", "out", "metrics", "protocol")
_NOT_OF_PLAN = ("weights", "sources", "peer", "repeats", "out", "metrics", "protocol")
_NOT_OF_ALIGNMENT = (*_NOT_OF_SIZES, "sources")
_NOT_OF_VIDEO = _NOT_OF_ALIGNMENT
_NOT_OF_METRICS = ("model", "weights", "sources", "dominability", "peer", "out")


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    flag = common.Flags(values)
    flag.choice("what", "what to time", _WHAT, "metrics")
    flag.string("topology", "plan: a TPU and how its chips are arranged, such as v5e:4x4, v4:2x2x1")
    flag.several("program", f"plan: what to compile, of: {', '.join(plan.PROGRAMS)}", plan.PROGRAMS)
    text = f"one or more of: {', '.join(networks())}; plan: by default the first"
    flag.several("model", text)
    flag.path("weights", "what `ttd-jax convert` made; default: random")
    text = (
        "height x width, one or, for fusion and sizes, several; default: 256x256, metrics, "
        "alignment and video 480x640, sizes a dozen"
    )
    flag.several("size", text)
    text = f"one or more of: {', '.join(common.STRATEGIES)}"
    flag.several("strategy", text, ["static", "ttd"])
    flag.dominability()
    flag.several("metrics", "metrics: names, core or all", (FIFTEEN,))
    flag.choice("protocol", "of the metrics", PROTOCOLS, "paper")
    flag.paths("sources", "precision and sizes: folders of the scenes")
    flag.precision()
    flag.integer("batch", "scenes at once; default: 1, plan 8 a chip", None, least=1)
    flag.several("peer", f"what to compare with, one or more of: {', '.join(PEERS)}")
    flag.integer("repeats", "rounds", 5, least=1)
    flag.integer("frames", "video: how many", 24, least=2)
    flag.path("out", "folder for the results of fusion")
    flag.boolean("overwrite", "replace the files in --out")
    flag.json()


def run(values: FlagValues, arguments: list[str]) -> None:
    """Measures and prints."""
    common.only_flags(values, arguments)
    if values.what != "plan":  # which needs none
        find_devices()
    _WHAT[values.what](values)


def _metrics(values):
    from ttd_jax.benchmarks.metrics import benchmark_metrics
    from ttd_jax.benchmarks.timing import machine

    _refuse(values, _NOT_OF_METRICS)
    height, width = _one_size(values, "480x640")
    names = choose(values.metrics, values.protocol)
    options = {"names": names, "protocol": values.protocol, "repeats": values.repeats}
    result = {
        "what": values.what,
        "protocol": values.protocol,
        "size": [height, width],
        "repeats": values.repeats,
        **machine(),
        **benchmark_metrics(size=(height, width), **options),
    }
    common.tell(
        values,
        result,
        f"metrics, {height}x{width}, {result['device']}, {values.repeats} rounds",
        *_timed(result),
        "",
        *aligned(
            [
                ("alone", "seconds", "reference", "ratio", "MiB"),
                *(_row(*one) for one in result["each"].items()),
            ]
        ),
    )


def _timed(result):
    """A line for each of what `interleave` timed."""
    for name, seconds in result["seconds"].items():
        yield (
            f"{name:<12} median {seconds['median']:.4f} s "
            f"({seconds['least']:.4f} .. {seconds['most']:.4f}), ratio {result['ratios'][name]:.3f}"
        )


def _row(name, one):
    ours, reference = (f"{one['seconds'][side]['median']:.4f}" for side in ("jax", "reference"))
    return name, ours, reference, f"{one['ratios']['jax']:.3f}", f"{one['bytes'] / 2**20:.0f}"


def _fusion(values):
    if not values.out:
        _measure_fusion(values, None)
        return
    with alone(pathlib.Path(values.out)):
        _measure_fusion(values, pathlib.Path(values.out))


def _measure_fusion(values, out):
    import jax

    from ttd_jax.benchmarks import fusion, report
    from ttd_jax.benchmarks.timing import machine

    common.require(values, "model")
    draw = _vacant(values, out) if out else None
    cases, variables = _cases(values)
    peers = common.several(values, "peer", PEERS) if values["peer"].present else ()
    with tempfile.TemporaryDirectory(prefix="ttd_jax-xla-") as cache:
        # Empty, so that the times of compilation are not those of reading a cache.
        jax.config.update("jax_compilation_cache_dir", cache)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        if peers:
            _check_peers(cases, peers)
        found = fusion.benchmark_fusion(
            cases, variables, repeats=values.repeats, peers=peers, cache=cache
        )
    packages = ("ttd-jax", "jax", *(["torch"] if peers else []))
    result = {
        "what": "fusion",
        **machine(),
        "repeats": values.repeats,
        "precision": values.precision,
        "weights": values.weights or "random",
        "versions": {name: metadata.version(name) for name in packages},
        **found,
    }
    text = report.markdown(result)
    if out:
        with explain_os_errors(out):
            for name, content in zip(_FILES, (dumps(result), text, draw(result)), strict=True):
                write_whole(out / name, content)
    common.tell(values, result, text)


def _precision(values):
    from ttd_jax.benchmarks.precision import markdown, measure_precision
    from ttd_jax.weights import store

    common.require(values, "model", "weights", "sources")
    spec = _one_model(values)
    if not spec.presets:
        raise UserError(f"--what=precision --model={spec.name}: {INSEPARABLE}: choose another")
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
    common.tell(values, result, markdown(found))


def _scenes(values, spec):
    """The middles of real scenes, f32[M, H, W, C] each, gray."""
    import numpy as np

    from ttd_jax.pictures.crops import central_crop
    from ttd_jax.pictures.decode import decode_example
    from ttd_jax.pictures.images import Reading
    from ttd_jax.pictures.scenes import find_scenes

    size = 0 if values.size is None else _one_size(values)
    stacks = []
    for example in find_scenes(values.sources):
        decoded = decode_example(example, Reading(luma=True))
        pictures = [picture.grayed().as_float() for picture in decoded]
        stack = np.stack(central_crop(pictures, size))
        stacks.append(np.repeat(stack, spec.channels, axis=-1))
    return stacks


def _many_sizes(values):
    """Scenes as many public sets have them, unless sizes are given: hardly two of one size."""
    import jax
    import numpy as np

    from ttd_jax.benchmarks.sizes import benchmark_sizes, markdown
    from ttd_jax.benchmarks.timing import machine
    from ttd_jax.networks.random_variables import random_variables
    from ttd_jax.pictures.decode import decode_example
    from ttd_jax.pictures.images import Reading
    from ttd_jax.pictures.scenes import find_scenes

    _refuse(values, _NOT_OF_SIZES)
    common.require(values, "model")
    spec = _one_model(values)
    model = spec.bind(random_variables(spec), precision=values.precision)
    if values.sources:
        scenes = find_scenes(values.sources)
        sizes = [decode_example(example, Reading())[0].size for example in scenes]
    elif values.size:
        sizes = _sizes(values.size)
    else:
        draw = np.random.default_rng(0)
        sizes = list(zip(*(draw.integers(*span, 12).tolist() for span in _SPANS), strict=True))
    with tempfile.TemporaryDirectory(prefix="ttd_jax-xla-") as cache:
        jax.config.update("jax_compilation_cache_dir", cache)
        found = benchmark_sizes(model, sizes)
    result = {"what": "sizes", "model": spec.name, "scenes": len(sizes), **machine()}
    common.tell(values, {**result, "sizes": found}, markdown(found))


def _alignment(values):
    from ttd_jax.benchmarks.alignment import benchmark_alignment

    _refuse(values, _NOT_OF_ALIGNMENT)
    model, size = _one_model_of_size(values)
    result = _of_one_model(
        values, model, size, benchmark_alignment(model, size=size, repeats=values.repeats)
    )
    common.tell(values, result, f"{_head(result)}; ratios to the static fusion", *_timed(result))


def _video(values):
    import jax

    from ttd_jax.benchmarks.video import benchmark_video

    _refuse(values, _NOT_OF_VIDEO)
    model, size = _one_model_of_size(values)
    if model.settings is None:
        raise UserError(f"--what=video --model={model.spec.name}: {INSEPARABLE}: choose another")
    with tempfile.TemporaryDirectory(prefix="ttd_jax-xla-") as cache:
        jax.config.update("jax_compilation_cache_dir", cache)
        options = {"size": size, "count": values.frames, "repeats": values.repeats}
        found = benchmark_video(model, **options)
    result = _of_one_model(values, model, size, {"frames": values.frames, **found})
    rates = result["frames_per_second"]
    common.tell(
        values,
        result,
        f"{_head(result)}, {values.frames} frames",
        *aligned(
            [
                ("", "frames/s", "of stills"),
                *(
                    (name, f"{rates[name]:.2f}", f"{1 / ratio:.2f}")
                    for name, ratio in result["ratios"].items()
                ),
            ]
        ),
    )


def _one_model_of_size(values):
    """The model of --model, and (H, W)."""
    common.require(values, "model")
    spec, size = _one_model(values), _one_size(values, "480x640")
    check_least_size(f"--size={size[0]}x{size[1]}", size, spec.min_size, spec.name)
    variables, settings = _load(spec, values)
    return spec.bind(variables, settings=settings, precision=values.precision), size


def _of_one_model(values, model, size, found):
    from ttd_jax.benchmarks.timing import machine

    told = {"what": values.what, "model": model.spec.name, "size": list(size)}
    return {**told, "repeats": values.repeats, **machine(), **found}


def _head(result):
    height, width = result["size"]
    what, device, rounds = (result[name] for name in ("what", "device", "repeats"))
    return f"{what}, {height}x{width}, {device}, {rounds} rounds"


def _plan(values):
    _refuse(values, _NOT_OF_PLAN)
    common.require(values, "topology")
    if values.model is None:
        values.model = list(networks())[:1]
    # Many scenes at once need less memory traffic each, and as many as `fuse` and `evaluate` take.
    cases, _ = _cases(values, default_batch=8, load=lambda *given: (None, _settings(*given)))
    chosen = plan.choose_programs(cases, common.several(values, "program", plan.PROGRAMS))
    packages = ("ttd-jax", "jax", "libtpu")
    result = {
        "what": "plan",
        "precision": values.precision,
        **plan.plan_programs(chosen, values.topology),
        "versions": {name: metadata.version(name) for name in packages},
    }
    common.tell(values, result, plan.markdown(result))


_SPANS = (250, 370), (480, 565)  # rows and columns of the scenes of --what=sizes
_WHAT = {
    "metrics": _metrics,
    "fusion": _fusion,
    "precision": _precision,
    "sizes": _many_sizes,
    "alignment": _alignment,
    "video": _video,
    "plan": _plan,
}


def _cases(values, *, default_batch=1, load=None):
    """What to time, and the variables of every model; `load` gives those and the settings."""
    from ttd_jax.benchmarks.cases import Case

    specs = [lookup(name) for name in dict.fromkeys(values.model)]
    if not specs:
        raise UserError(f"--model is empty: {values['model'].help}")
    if values.weights and len(specs) > 1:
        raise UserError(f"--weights={values.weights}: is of one model: time the others apart")
    strategies = common.several(values, "strategy", common.STRATEGIES)
    sizes = _sizes(["256x256"] if values.size is None else values.size)
    for spec in specs:
        for size in sizes:
            check_least_size(f"--size={size[0]}x{size[1]}", size, spec.min_size, spec.name)
    models = {spec.name: (load or _load)(spec, values) for spec in specs}
    cases = [
        Case(
            model=name,
            size=size,
            strategy=strategy,
            batch=values.batch or default_batch,
            precision=values.precision,
            settings=settings and dataclasses.asdict(settings),
        )
        for name, (_, settings) in models.items()
        for size in sizes
        for strategy in lookup(name).doable(strategies)
    ]
    return cases, {name: variables for name, (variables, _) in models.items()}


def _load(spec, values):
    """Variables and RD settings: of the weights on disk, or random ones of the spec's."""
    from ttd_jax.networks.random_variables import random_variables
    from ttd_jax.weights import store

    if values.weights:
        model = store.load(values.weights, name=spec.name, dominability=values.dominability)
        return model.variables, model.settings
    return random_variables(spec), _settings(spec, values)


def _settings(spec, values):
    chosen = spec.default_preset if values.dominability is None else values.dominability
    return None if chosen is None else spec.dominability(chosen)


def _refuse(values, names):
    """Flags that say nothing for what is timed."""
    for name in names:
        if values[name].present:
            raise UserError(f"--{name}: --what={values.what} does not take it: leave it out")


def _one_model(values):
    if len(values.model) != 1:
        raise UserError(f"--what={values.what} takes one --model")
    return lookup(values.model[0])


def _one_size(values, default=None):
    sizes = _sizes([default] if values.size is None else values.size)
    if len(sizes) > 1:
        raise UserError(f"--size={','.join(values.size)}: --what={values.what} takes one size")
    return sizes[0]


def _sizes(words):
    if not words:
        raise UserError("--size is empty: pass height x width, such as 480x640")
    return [common.size("size", word) for word in dict.fromkeys(words)]


def _check_peers(cases, peers):
    import jax

    from ttd_jax.benchmarks import programs

    if jax.default_backend() != "cpu":
        raise UserError(
            f"--peer={','.join(peers)} runs on the CPU: compare there, with JAX_PLATFORMS=cpu"
        )
    programs.check_peers(cases, peers)


def _vacant(values, out):
    """What draws the plot; `UserError` for a file that must stay."""
    with explain_missing("--out", "analysis"):
        from ttd_jax.benchmarks.roofline import roofline
    common.vacant([out / name for name in _FILES], values.overwrite)
    return roofline
