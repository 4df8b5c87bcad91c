"""Kills parts, machines, containers and cables of a cluster at random while its workloads churn, then looks for harm.

    python -m benchmarks.chaos [--seconds 60] [--seed N] [--nodes 3] [--rounds 1] [-- ARGUMENTS OF minik up]

Exits with 1 and prints what is wrong where the cluster does not come to what is wanted, or keeps what nobody wants:
processes, mounts, wires, addresses, control groups, descriptors, files. The cluster is then left running for a look.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.chaos.run import Chaos
from benchmarks.chaos.target import Target


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 20))
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("up", nargs="*", help="further arguments of minik up")
    chosen = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="minik-chaos-"))
    os.environ.update(MINIK_HOME=str(home / "m"), KUBECONFIG=str(home / "config"))
    minik = str(Path(sys.executable).parent / "minik")
    up = [minik, "up", "--name", "chaos", "--nodes", str(chosen.nodes), "--node-grace", "4", *chosen.up]
    subprocess.run(up, check=True, stdout=subprocess.DEVNULL)
    for seed in range(chosen.seed, chosen.seed + chosen.rounds):
        print(f"seed {seed}", flush=True)
        chaos = Chaos(Target.at(home / "m/clusters/chaos"), seed=seed, tell=lambda line: print(line, flush=True))
        report = asyncio.run(chaos.run(chosen.seconds))
        if report.wrong:
            print("WRONG:", *report.wrong, f"MINIK_HOME={home / 'm'}", sep="\n  ")
            return 1
        print(f"seed {seed}: {len(report.done)} turns, all is well", flush=True)
    subprocess.run([minik, "down", "--name", "chaos"], check=True)
    shutil.rmtree(home)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
