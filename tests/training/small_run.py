"""A small run: six drawn pairs, crops of 16 pixels, two phases of IFCNN."""

from ttd_jax_configs import finetune

from tests.commands.conftest import draw
from ttd_jax.files import read_json_lines

STEPS = (7, 6)


def draw_pairs(root):
    """Two folders of six pairs; returns `root`."""
    for i in range(6):
        draw(root / "v" / f"{i}.png", (24, 32), channels=3, seed=i)
        draw(root / "i" / f"{i}.png", (24, 32), seed=100 + i)
    return root


def small_config(pairs, start, **changes):
    """A config that trains statically, then with RD in the loop and the first layer frozen."""
    config = finetune.get_config("ifcnn_sum,mine")
    config.update(
        {
            "weights": str(start),
            "sources": (str(pairs / "v"), str(pairs / "i")),
            "crop": 16,
            "batch_size": 4,
            "held_back": 2,
            "metrics": ("SD", "AG"),
            "log_every": 1,
            "validate_every": 5,
            "checkpoint_every": 2,
            **changes,
        }
    )
    first, second = config.phases[0], config.phases[0].copy_and_resolve_references()
    for phase, count in zip((first, second), STEPS, strict=True):
        phase.steps = count
        phase.optimizer.learning_rate = 1e-3
    second.fusion = "ttd"
    second.optimizer.frozen = ("conv1",)
    config.phases = (first, second)
    return config


def records(workdir):
    """What the log of a run tells, without the times."""
    found = read_json_lines(workdir / "log.jsonl")
    return [{k: v for k, v in r.items() if k != "images_per_second"} for r in found]
