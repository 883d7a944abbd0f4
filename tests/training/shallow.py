"""A CDDFuse of all its parts and little depth: the whole one takes long to compile."""

from ttd_jax.networks.cddfuse import blocks as cddfuse_blocks
from ttd_jax.networks.cddfuse import network as cddfuse


def make_shallow(setattr_):
    """One coupling in each detail branch and no transformer blocks around the branches."""

    def one_node(nodes, precision):
        del nodes
        return cddfuse_blocks.DetailBranch(nodes=1, precision=precision)

    setattr_(cddfuse, "_DEPTH", 0)
    setattr_(cddfuse, "DetailBranch", one_node)
