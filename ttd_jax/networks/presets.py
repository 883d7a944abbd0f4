"""RD settings that several networks share."""

from collections.abc import Mapping

from ttd_jax.core.dominability import DominabilitySettings

# Of networks that work on gray in [0, 1]; 'self' as the TTD authors' script for CDDFuse has it.
GRAY_PRESETS: Mapping[str, DominabilitySettings] = {
    "self": DominabilitySettings(loss="self", norm="squared", space="image", temperature=50.0),
    "fused": DominabilitySettings(loss="fused", norm="l1", space="image"),
    "intensity": DominabilitySettings(loss="intensity", norm="l1", space="image"),
    "component": DominabilitySettings(loss="component", norm="l1", space="image"),
    "gap": DominabilitySettings(loss="gap", norm="l1", space="image"),
}
