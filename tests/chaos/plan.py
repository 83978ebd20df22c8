"""What happens in a round, chosen by a seed and the round's number alone."""

import dataclasses
import random

# How often each fault is chosen. Those of a parent hit somebody who has, or gets, the content early;
# those of a downloader somebody whose dfget runs at that time.
_WEIGHTS = {
    "kill_parent": 5,
    "stop_parent": 4,
    "kill_downloader": 5,
    "stop_downloader": 2,
    "kill_seed": 4,
    "stop_seed": 2,
    "cut_host": 3,
    "swallow_host": 3,
    "kill_scheduler": 1,
    "stop_scheduler": 1,
}


@dataclasses.dataclass(frozen=True)
class Fault:
    kind: str  # kill, stop, cut or swallow
    host: str
    at: float  # seconds after the first dfget
    lasts: float  # seconds until it is undone


@dataclasses.dataclass(frozen=True)
class Round:
    seed: int
    number: int
    size: int  # bytes
    megabits: int  # per second, of every daemon's link
    warm: tuple  # peers that have the content before the faults
    downloads: tuple  # (peer, seconds)
    digest: bool  # dfget is told the digest
    faults: tuple

    def text(self):
        faults = " ".join(f"{f.kind}:{f.host}@{f.at:.1f}+{f.lasts:.1f}" for f in self.faults)
        return (
            f"{self.size / (1 << 20):.1f} MiB at {self.megabits} Mbit/s, {len(self.downloads)} downloads"
            f"{', ' + '+'.join(self.warm) + ' first' if self.warm else ''}, {faults}"
        )


def _lasting(rng, kind, expected):
    if kind == "kill":
        return rng.uniform(0, 0.8)
    # Mostly shorter than what a daemon takes for a stuck transfer (4 s), sometimes longer.
    if rng.random() < 0.12:
        return rng.uniform(4.5, 6)
    return rng.uniform(0.1, max(0.5, expected))


def make_round(seed, number, seeds, peers):
    """The plan of a round in a cluster with these daemons."""
    rng = random.Random(f"{seed}/{number}")
    # Not always whole pieces, whose length is 4 MiB.
    size = rng.randint(16 << 20, 64 << 20) if rng.random() < 0.8 else rng.randint(4, 16) << 22
    megabits = round(size * 8 / 1e6 / rng.uniform(0.4, 1.0))
    expected = size * 8 / 1e6 / megabits
    names = rng.sample(peers, rng.randint(3, len(peers)))
    shape = rng.choice(("crowd", "staggered", "warm"))
    warm = tuple(names[: rng.randint(1, 2)]) if shape == "warm" else ()
    cold = names[len(warm) :]
    downloads = tuple(
        (name, round(rng.uniform(0, expected), 2) if shape == "staggered" else 0.0)
        for name in cold
    )
    early = list(warm) or [min(downloads, key=lambda download: download[1])[0]]
    faults = []
    for choice in rng.choices(list(_WEIGHTS), _WEIGHTS.values(), k=rng.choice((1, 2, 2, 3))):
        kind, whom = choice.split("_")
        candidates = {
            "parent": early,
            "downloader": cold,
            "seed": seeds,
            "scheduler": ["scheduler"],
            "host": names + seeds,
        }[whom]
        at = rng.uniform(0.05, 1.3 * expected)
        host = rng.choice(candidates)
        lasts = _lasting(rng, kind, expected)
        # One fault of a host at a time: nobody can stop what was killed.
        if all(fault.host != host for fault in faults):
            faults.append(Fault(kind, host, round(at, 2), round(lasts, 2)))
    faults.sort(key=lambda fault: fault.at)
    return Round(seed, number, size, megabits, warm, downloads, rng.random() < 0.5, tuple(faults))
