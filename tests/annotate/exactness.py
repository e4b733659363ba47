"""A longer walk than the tests take: ``python -m tests.annotate.exactness --steps 2000000 --seed 7``.

A failure names its world and the shortest steps that lead to it.
"""

import argparse
import os
import sys

import pytest


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.annotate.exactness", description=__doc__)
    parser.add_argument("--steps", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    os.environ |= {"OIG_TEST_STEPS": str(chosen.steps), "OIG_TEST_SEED": str(chosen.seed)}
    return int(pytest.main(["-q", "tests/annotate/test_exactness.py", "-k", "long_walk", "--durations=1"]))


if __name__ == "__main__":
    sys.exit(main())
