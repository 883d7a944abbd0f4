"""Flags, checks and endings that several commands share."""

import contextlib
import inspect
import io
import os
import pathlib
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from absl import flags

from ttd_jax.align.alignment import ALIGNS, Alignment
from ttd_jax.align.warp import CROPS
from ttd_jax.core.dominability import LOSS_MAPS
from ttd_jax.core.fusion import INSEPARABLE
from ttd_jax.errors import UserError, naming, printable
from ttd_jax.files import dumps
from ttd_jax.networks import PRECISIONS, FusionSpec, Model, NetworkSpec, networks
from ttd_jax.pictures.batches import SIZES
from ttd_jax.pictures.images import Reading
from ttd_jax.pictures.prepared import default_data_dir
from ttd_jax.pictures.ranges import parse_ranges
from ttd_jax.pictures.transforms import with_transforms
from ttd_jax.places import is_url, on_disk
from ttd_jax.processes import find_devices
from ttd_jax.registry import nearest
from ttd_jax.report.progress import remark
from ttd_jax.weights import store

flags.disclaim_key_flags()  # `--help` lists a shared flag among those of the command

MADE_BY = "`ttd-jax weights fetch` or `ttd-jax convert`"
_SHIPPED = "shipped/ifcnn_sum, which comes with the package"
STRATEGIES = ("ttd", "static")


class _PathParser(flags.ArgumentParser):
    """Files and folders. An empty one, as of a variable that is not set, would be the folder
    where one stands. URLs are refused where only a disk will do.
    """

    def __init__(self, url=False):
        super().__init__()
        self._url = url

    def parse(self, argument):
        if not argument:
            raise ValueError("it is empty: pass a path")
        if "\0" in argument:
            raise ValueError("a path cannot hold a zero byte")
        if is_url(argument) and not self._url:
            raise ValueError("it is a URL: pass a place on a disk")
        return os.path.expanduser(argument)

    def flag_type(self):
        return "path"


class _PathsParser(flags.ListParser):
    """Several of them between commas, URLs too."""

    def parse(self, argument):
        return [_PathParser(url=True).parse(path) for path in super().parse(argument) or [""]]

    def flag_type(self):
        return "comma separated list of paths"


class Flags:
    """Defines the flags of a command: short forms of absl's, and the flags that commands share.

    Args:
      values: where the flags are defined.
    """

    def __init__(self, values: flags.FlagValues):
        self._values = values

    def string(self, name: str, meaning: str, default: str | None = None) -> None:
        """A flag with any text."""
        flags.DEFINE_string(name, default, meaning, flag_values=self._values)

    def boolean(self, name: str, meaning: str, default: bool = False) -> None:
        """A flag that is given or not."""
        flags.DEFINE_bool(name, default, meaning, flag_values=self._values)

    def number(self, name: str, meaning: str, default: float | None) -> None:
        """A flag with a number."""
        flags.DEFINE_float(name, default, meaning, flag_values=self._values)

    def integer(self, name: str, meaning: str, default: int | None, *, least: int) -> None:
        """A flag with a whole number that is not below `least`."""
        flags.DEFINE_integer(name, default, meaning, lower_bound=least, flag_values=self._values)

    def choice(
        self, name: str, meaning: str, known: Iterable[str], default: str | None = None
    ) -> None:
        """A flag with one of the known words."""
        flags.DEFINE_enum(name, default, list(known), meaning, flag_values=self._values)

    def several(self, name: str, meaning: str, default: Sequence[str] | None = None) -> None:
        """A flag with words between commas; see `several`."""
        flags.DEFINE_list(name, default and list(default), meaning, flag_values=self._values)

    def path(self, name: str, meaning: str, default: str | None = None) -> None:
        """A flag with a file or folder on a disk; '~' is expanded."""
        flags.DEFINE(_PathParser(), name, default, meaning, self._values)

    def place(self, name: str, meaning: str) -> None:
        """A flag with a file or folder on a disk or in an object store, see `places.place`."""
        meaning += ", or gs://..., s3://..."
        flags.DEFINE(_PathParser(url=True), name, None, meaning, self._values)

    def paths(self, name: str, meaning: str) -> None:
        """A flag with places between commas; see `place`."""
        flags.DEFINE(_PathsParser(), name, None, meaning, self._values)

    def config(self, file: str, meaning: str) -> None:
        """--config, by default the configuration of that name that comes with the package."""
        from ttd_jax.commands import configuration

        configuration.define(self._values, file, meaning)

    def model(self, kind: type[NetworkSpec] = FusionSpec, *, meaning: str = "one of") -> None:
        """--model, one of the fusion networks unless another kind is given."""
        self.string("model", f"{meaning}: {', '.join(networks(kind))}")

    def range(self) -> None:
        """--range and --bands, how files become pictures; see `reading`."""
        text = (
            "what becomes black and white: type (of the type's values, floats from 0 to 1), data "
            "(each picture's own least and largest), percentile:1,99, or LOW,HIGH; one for all "
            "sources, or one for each between commas, as in type,20,45.5"
        )
        self.string("range", text, "type")
        text = (
            "of files with several bands, those to take, from 1: 3,2,1 as red, green and blue, or "
            "4 as gray"
        )
        self.several("bands", text)

    def alignment(self) -> None:
        """How sources that do not line up are treated; see `reading`."""
        text = (
            "check: measure by how much sources are off the first one, and say so; off: do not; or "
            "register them by a translation, similarity, affine map or homography"
        )
        self.choice("align", text, ALIGNS, "check")
        text = "which source the others are registered to, from 0; it gives the results' size"
        self.integer("align_to", text, 0, least=0)
        text = "the sources' horizontal angles of view in degrees, between commas, where known"
        self.several("fov", text)
        text = "in place of finding any: the transforms.json of another run with --align"
        self.transforms(f"{text}; of a single scene, as of a rig, they are taken for all")

    def transforms(self, meaning: str) -> None:
        """--transforms of sources, and --crop; see `reading`."""
        self.place("transforms", meaning)
        text = (
            "reference: results have the reference's size, and each source counts where it has "
            "data; common: they are cut to what all have"
        )
        self.choice("crop", text, CROPS, "reference")

    def times(self) -> None:
        """--offset, --rate and --until of sequences; see `offsets`."""
        text = "seconds that are added to the times of the second stream, or of each further one"
        self.several("offset", text)
        text = "frames a second of folders and of what else has no time stamps"
        self.number("rate", text, None)
        self.number("until", "seconds by the first stream's clock at which to end", None)

    def sizes(self) -> None:
        """--sizes, of the arrays that pictures are computed in."""
        text = (
            "bucket: pictures of many sizes are computed in arrays of few, which share their "
            "programs, with the same result up to rounding; exact: a program for every size"
        )
        self.choice("sizes", text, SIZES, "bucket")

    def dominability(self) -> None:
        """--dominability, what RD is made from."""
        self.string(
            "dominability",
            f"what RD is made from: a preset of the model, or a loss map: {', '.join(LOSS_MAPS)}; "
            "default: the model's",
        )

    def precision(self) -> None:
        """--precision of the networks' layers."""
        text = (
            "of the networks' layers: highest: float32; high: TF32 on GPUs, three passes of "
            "bfloat16 on TPUs; default: the device's fastest; bfloat16: in bfloat16 on any device"
        )
        self.choice("precision", text, PRECISIONS, "highest")

    def fusion(self) -> None:
        """The flags of a command that fuses with weights on disk; see `load_fusion`."""
        self.model(meaning="refuse weights of another network than this")
        self.place(
            "weights",
            "what `ttd-jax convert` or `ttd-jax weights fetch` made, or shipped/ifcnn_sum",
        )
        self.choice("strategy", "test-time dynamic or static weights", STRATEGIES, "ttd")
        self.dominability()
        self.precision()
        self.boolean("fold", "merge neighboring linear layers: the same up to rounding", True)

    def data_dir(self) -> None:
        """--data_dir; see `data_dir`."""
        self.path(
            "data_dir",
            "where prepared benchmarks are; default: TFDS_DATA_DIR, or ~/tensorflow_datasets",
        )

    def processes(self) -> None:
        """The flags of a command that several hosts run together; see `meeting`."""
        text = "HOST:PORT of the first host; default: JAX_COORDINATOR_ADDRESS"
        self.string("coordinator", text)
        self.integer("processes", "number of processes; default: JAX_NUM_PROCESSES", None, least=1)
        self.integer("process", "which of them this is; default: JAX_PROCESS_ID", None, least=0)
        text = (
            "auto: meet the other processes where JAX sees a cluster with more than one (TPU pod, "
            "GKE, Slurm, Open MPI); on: end where it sees none; off: run alone"
        )
        self.choice("distributed", text, ("auto", "on", "off"), "auto")

    def profile(self) -> None:
        """--profile; see `profiling`."""
        text = "folder for a trace of the run, to be opened with TensorBoard or XProf"
        self.path("profile", text)

    def json(self) -> None:
        """--json; see `tell`."""
        self.boolean("json", "print the result as JSON on stdout")


def parse(values: flags.FlagValues, words: Sequence[str]) -> list[str]:
    """Parses the words of a command, its name first; returns the arguments that are no flags.

    Raises:
      UserError, flags.Error: see `configuration.parse`; or a --flagfile that cannot be.
    """
    words = _with_files(values, words)
    if "config" not in values:
        return values(words)[1:]
    from ttd_jax.commands import configuration

    return configuration.parse(values, words)


def _with_files(values, words):
    """The words with those of every --flagfile in its place."""
    with contextlib.redirect_stderr(io.StringIO()) as remarks:
        try:
            words = [words[0], *values.read_flags_from_files(words[1:], force_gnu=False)]
        except UnicodeDecodeError as error:
            raise UserError(f"--flagfile: is no text ({error}): name a file of flags") from error
    if remarks.getvalue():  # of one that is read while it is read
        raise UserError(f"--flagfile: {remarks.getvalue().strip()}: do not let it name itself")
    return words


def require(values: flags.FlagValues, *names: str) -> None:
    """Raises `UserError` for the first flag that was not given."""
    for name in names:
        if values[name].value is None:
            raise UserError(f"--{name} is missing: {values[name].help}")


def only_flags(values: flags.FlagValues, arguments: Sequence[str], *required: str) -> None:
    """Raises `UserError` if the command got arguments, or not the flags that it requires."""
    if arguments:
        named = f": {', '.join(f'--{name}' for name in required)}" if required else ""
        raise UserError(
            f"unexpected argument {arguments[0]!r}: this command takes only flags{named}"
        )
    require(values, *required)


def size(flag: str, word: str) -> tuple[int, int]:
    """Height and width of a flag's HxW.

    Raises:
      UserError: it is no such.
    """
    try:
        height, width = map(int, word.split("x"))
    except ValueError:
        raise UserError(f"--{flag}={word}: pass height x width, such as 480x640") from None
    if min(height, width) < 1:
        raise UserError(f"--{flag}={word}: both sides must be positive")
    return height, width


def reading(values: flags.FlagValues) -> Reading:
    """How files become pictures, by --range and --bands, and what else of it a command has.

    Raises:
      UserError: one says what cannot be.
    """
    bands = tuple(int(band) if band.isdecimal() else band for band in values.bands or ())
    align = Alignment()
    if "align" in values:
        with naming("--fov"):
            fov = tuple(map(float, values.fov or ()))
        align = Alignment(values.align, values.align_to, fov=fov)
    if "transforms" in values:
        align = with_transforms(align, values.crop, values.transforms)
    return Reading(ranges=parse_ranges(values.range), bands=bands or None, align=align)


def offsets(values: flags.FlagValues) -> tuple[float, ...]:
    """The seconds of --offset.

    Raises:
      UserError: they are no numbers.
    """
    with naming("--offset"):
        return tuple(map(float, values.offset or ()))


def several(values: flags.FlagValues, name: str, known: Sequence[str]) -> tuple[str, ...]:
    """The words of a flag, each once, all of them known and at least one; else `UserError`."""
    words = tuple(dict.fromkeys(values[name].value))
    for word in words:
        if word not in known:
            raise UserError(f"--{name}: {word!r} is unknown: choose from {', '.join(known)}")
    if not words:
        raise UserError(f"--{name} is empty: choose from {', '.join(known)}")
    return words


def vacant(places: Iterable[pathlib.Path], overwrite: bool) -> None:
    """Raises `UserError` for the first file that exists and is not to be replaced."""
    for path in places:
        if path.is_dir():
            raise UserError(f"{path}: is a folder: choose another --out")
        if path.exists() and not overwrite:
            raise UserError(f"{path}: already exists: choose another --out, or pass --overwrite")


def data_dir(values: flags.FlagValues) -> pathlib.Path:
    """The folder of --data_dir, or TFDS's own.

    Raises:
      UserError: TFDS's own is a URL, where nothing can be prepared.
    """
    path = pathlib.Path(values.data_dir) if values.data_dir else default_data_dir()
    if not on_disk(path):
        raise UserError(f"{path}: is a URL: pass --data_dir, and copy what it holds afterwards")
    return path


def load_fusion(values: flags.FlagValues, **options: Any) -> Model:
    """The fusion network that `Flags.fusion` describes; `options` as `ttd_jax.weights.store.load`.

    --strategy becomes 'static' for one where nothing can be weighed, unless it was given.

    Raises:
      UserError: see there; or there is a --dominability that nothing would use.
    """
    if values.strategy == "static" and values.dominability is not None:
        raise UserError("--dominability: --strategy=static does not use it: leave one of them out")
    model = store.load(
        values.weights,
        name=values.model,
        kind=FusionSpec,
        dominability=values.dominability,
        fold=values.fold,
        precision=values.precision,
        **options,
    )
    if not (model.separable or values["strategy"].present):
        values.strategy = "static"
        remark(f"{model.spec.name}: {INSEPARABLE}: fused statically")
    return model


def dispatch(
    command: str,
    actions: Mapping[str, Callable[..., None]],
    values: flags.FlagValues,
    arguments: Sequence[str],
) -> None:
    """Runs the action that the first argument names.

    Args:
      command: its name.
      actions: usage, such as 'fetch NAME' -> function of the flags and of that action's arguments.
      values: flags.
      arguments: of the command.

    Raises:
      UserError: there is no such action, and the nearest is suggested; or it takes other arguments.
    """
    name, *rest = arguments or [""]
    usages = {usage.split()[0]: usage for usage in actions}
    if name not in usages:
        near = nearest(name, usages)
        hint = f"did you mean {near!r}? " if near else ""
        known = " or ".join(f"`ttd-jax {command} {usage}`" for usage in actions)
        raise UserError(f"{hint}usage: {known}")
    action = actions[usages[name]]
    try:
        inspect.signature(action).bind(values, *rest)
    except TypeError:
        mistake = f"unexpected argument {rest[-1]!r}" if rest else "its argument is missing"
        usage = f"`ttd-jax {command} {usages[name]}`, got {len(rest)} names"
        raise UserError(f"{mistake}: usage: {usage}") from None
    action(values, *rest)


@contextlib.contextmanager
def interruptible(kept: str) -> Iterator[None]:
    """Turns Ctrl-C and a polite kill into a `UserError` that says what --resume goes on from."""
    try:
        yield
    except KeyboardInterrupt:
        raise UserError(f"interrupted: {kept} kept: run again with --resume") from None


def tell(values: flags.FlagValues, record: Any, *lines: str) -> None:
    """Prints a result: `record` as JSON with --json, else the lines for people."""
    if values.json:
        print(dumps(record), end="")
    else:
        show("\n".join(lines).rstrip("\n"))


def show(text: str, file: TextIO | None = None) -> None:
    """Prints lines for people, on stdout by default; see `printable`."""
    # In one piece: processes of several hosts may share a terminal.
    print(printable(text, kept="\n") + "\n", end="", file=file)


def prepare_to_compute() -> None:
    """What every command does that computes: see `use_compilation_cache`, and `find_devices`.

    Raises:
      UserError: JAX finds no device.
    """
    use_compilation_cache()
    find_devices()


def leave_out_debugging() -> None:
    """Takes back what JAX's environment variables may set to find faults in one's own code.

    The commands break some of it knowingly: they compile, broadcast and move arrays by themselves.
    Results are of float32 wherever they are made.
    """
    import jax

    jax.config.update("jax_disable_jit", False)
    jax.config.update("jax_numpy_rank_promotion", "allow")
    jax.config.update("jax_transfer_guard", "allow")
    jax.config.update("jax_enable_x64", False)


def use_compilation_cache() -> None:
    """Keeps compiled programs between runs, in `JAX_COMPILATION_CACHE_DIR` or the user's cache.

    Where that cannot be written nothing is kept.
    """
    import jax

    chosen = jax.config.jax_compilation_cache_dir
    place = chosen or _own_cache()
    if place is not None and "://" not in str(place):
        try:
            os.makedirs(place, mode=0o777 if chosen else 0o700, exist_ok=True)
            tempfile.TemporaryFile(dir=place).close()
        except OSError as error:
            if chosen:
                remark(f"{chosen}: compiled programs cannot be kept here: {error.strerror}")
            place = None
    jax.config.update("jax_compilation_cache_dir", place and str(place))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    # Of a disk that is full by now: what cannot be kept costs time and no more.
    warnings.filterwarnings("ignore", r"Error (reading|writing) persistent compilation cache")


def _own_cache():
    """The folder in the user's cache; None for a user who has no home."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return None if root.startswith("~") else os.path.join(root, "ttd_jax", "xla")
