"""An endless, deterministic stream of batches whose position can be saved and restored."""

from typing import Protocol

import grain
import numpy as np

from ttd_jax.processes import usable_cpus

_BATCHES_AHEAD = 2


class DrawsSamples(Protocol):
    """What a pipeline takes its samples from, such as `Sampler`."""

    def __len__(self) -> int:
        """How many scenes there are."""

    def __call__(self, number: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """A sample of scene `number`, which depends on nothing but the arguments."""


class Pipeline:
    """Batches of samples, in an order that depends on the seed alone.

    Sample number i of the stream is drawn by a generator of its own, made from the seed and i, so
    that batch n holds the same samples however many processes share it and wherever it started.
    Each process draws every `processes`-th sample. Decoding runs ahead in threads.

    Attributes:
      position: samples of the stream, of all processes, that were given out.
    """

    def __init__(
        self,
        sampler: DrawsSamples,
        *,
        batch_size: int,
        seed: int,
        process: int = 0,
        processes: int = 1,
    ):
        """Starts at the beginning of the stream.

        Args:
          sampler: draws the samples.
          batch_size: samples in a batch, of all processes; a multiple of `processes`.
          seed: of order and samples.
          process: this process's index.
          processes: how many there are.
        """
        own = batch_size // processes
        ahead = own * _BATCHES_AHEAD
        stream = grain.MapDataset.range(len(sampler)).seed(seed).shuffle().repeat()
        stream = stream.random_map(lambda number, generator: sampler(int(number), generator))
        threads = min(usable_cpus(), ahead)
        options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead)
        stream = stream[process::processes].to_iter_dataset(options).batch(own)
        self._iterator = iter(stream)
        self._processes = processes

    def __next__(self) -> dict[str, np.ndarray]:
        """The next batch: this process's samples, with a leading axis."""
        return next(self._iterator)

    @property
    def position(self) -> int:
        return self._iterator.get_state()["next_index"] * self._processes

    def seek(self, position: int) -> None:
        """Goes to a position that any number of processes have saved."""
        self._iterator.set_state({"next_index": position // self._processes})

    def close(self) -> None:
        """Stops the threads."""
        self._iterator.close()


def shard(batch: dict[str, np.ndarray], *, devices: int, accumulate: int) -> dict[str, np.ndarray]:
    """A batch's samples by device and step of accumulation: [devices, accumulate, n, ...].

    Args:
      batch: leading axis a multiple of `devices * accumulate`.
      devices: local devices.
      accumulate: how many parts of its samples a device takes one after the other.
    """
    return {k: v.reshape(devices, accumulate, -1, *v.shape[1:]) for k, v in batch.items()}
