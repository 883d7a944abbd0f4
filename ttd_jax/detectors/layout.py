"""The layouts of YOLOX's checkpoints: sizes differ in how often a block is repeated."""

import functools

from ttd_jax.networks.layout import CONV, DENSE, Layout, Target, batch_norm, biased, plain


def _unit(torch_prefix: str, path: str, transform=DENSE) -> dict[str, Target]:
    """A convolution of YOLOX with its BatchNorm."""
    return {
        **plain(f"{torch_prefix}.conv", f"{path}/conv", transform),
        **batch_norm(f"{torch_prefix}.bn", f"{path}/bn"),
    }


def _unit3x3(torch_prefix: str, path: str, depthwise: bool) -> dict[str, Target]:
    """A 3x3 of YOLOX, which a depthwise network splits in two."""
    if not depthwise:
        return _unit(torch_prefix, f"{path}/full", CONV)
    return {
        **_unit(f"{torch_prefix}.dconv", f"{path}/depthwise", CONV),
        **_unit(f"{torch_prefix}.pconv", f"{path}/pointwise"),
    }


def _cross_stage(torch_prefix: str, path: str, *, blocks: int, depthwise: bool) -> dict:
    table = {}
    for name in ("conv1", "conv2", "conv3"):
        table |= _unit(f"{torch_prefix}.{name}", f"{path}/{name}")
    for index in range(blocks):
        table |= _unit(f"{torch_prefix}.m.{index}.conv1", f"{path}/block{index}/conv1")
        table |= _unit3x3(
            f"{torch_prefix}.m.{index}.conv2", f"{path}/block{index}/conv2", depthwise
        )
    return table


def _layout(name: str, *, blocks: int, depthwise: bool = False) -> Layout:
    """YOLOX with `blocks` bottlenecks in its short stages and thrice as many in its long ones."""
    stage = functools.partial(_cross_stage, depthwise=depthwise)
    table = _unit("backbone.backbone.stem.conv", "backbone/stem/conv", CONV)
    for level, count in ((2, blocks), (3, 3 * blocks), (4, 3 * blocks), (5, blocks)):
        dark, path = f"backbone.backbone.dark{level}", f"backbone/dark{level}"
        last = level == 5
        table |= _unit3x3(f"{dark}.0", f"{path}_down", depthwise)
        if last:
            table |= _unit(f"{dark}.1.conv1", f"{path}_pyramid/conv1")
            table |= _unit(f"{dark}.1.conv2", f"{path}_pyramid/conv2")
        table |= stage(f"{dark}.{2 if last else 1}", f"{path}_stage", blocks=count)
    table |= _unit("backbone.lateral_conv0", "neck/lateral")
    table |= _unit("backbone.reduce_conv1", "neck/reduce")
    table |= _unit3x3("backbone.bu_conv2", "neck/shrink_fine", depthwise)
    table |= _unit3x3("backbone.bu_conv1", "neck/shrink_middle", depthwise)
    for theirs, ours in (
        ("C3_p4", "up_middle"),
        ("C3_p3", "up_fine"),
        ("C3_n3", "down_middle"),
        ("C3_n4", "down_coarse"),
    ):
        table |= stage(f"backbone.{theirs}", f"neck/{ours}", blocks=blocks)
    for level in range(3):
        path = f"heads_{level}"
        table |= _unit(f"head.stems.{level}", f"{path}/stem")
        for theirs, ours in (("cls", "class"), ("reg", "box")):
            for index in range(2):
                table |= _unit3x3(
                    f"head.{theirs}_convs.{level}.{index}", f"{path}/{ours}_conv{index}", depthwise
                )
        for theirs, ours in (("cls", "class"), ("reg", "box"), ("obj", "objectness")):
            table |= biased(f"head.{theirs}_preds.{level}", f"{path}/{ours}", DENSE)
    return Layout(name=name, table=table)


NANO = _layout("yolox_nano", blocks=1, depthwise=True)
SMALL = _layout("yolox_s", blocks=1)  # tiny has the same, with fewer channels
MEDIUM = _layout("yolox_m", blocks=2)
LARGE = _layout("yolox_l", blocks=3)
