"""Programs of batches: as many scenes as memory has room for."""

import jax

from tests.random_models import random_model
from ttd_jax.fusing import compute
from ttd_jax.pictures.batches import Batch, Frame


def test_a_program_of_as_many_scenes_is_kept_as_fit(monkeypatch):
    plans = []

    def spy(compiling, plan_program=compute.plan_program):
        found = plan_program(compiling)
        plans.append(found[1])
        return found

    monkeypatch.setattr(compute, "plan_program", spy)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    model = random_model("ifcnn_sum")

    def fuser(memory):
        return compute.BatchFuser(model, None, color="auto", save=("fused",), memory=memory)

    frame = Frame((16, 24), shared=False)
    batch = Batch(tuple(range(6)), 6, frame, (False, False), ((16, 24),) * 6)
    assert fuser(2**40).fit(batch) == 6
    some = fuser(plans[0] - plans[0] // 4)
    assert 1 < some.fit(batch) < 6
    assert plans[-1] <= some.memory
    assert fuser(1).fit(batch) == 1  # which is then fused in strips, or refused
