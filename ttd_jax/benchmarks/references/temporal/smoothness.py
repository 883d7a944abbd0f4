"""MS2R."""

import numpy as np


def ms2r(flows: np.ndarray, source_flows: np.ndarray) -> float:
    """Mean over the sources of the mean absolute difference of accelerations."""
    flows, source_flows = np.float64(flows), np.float64(source_flows)
    own = flows[1] - flows[0]
    return float(np.mean([np.abs(own - (one[1] - one[0])).mean() for one in source_flows]))
