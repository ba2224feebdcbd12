#!/usr/bin/env python3
"""Writes blocks.q4_k, random blocks of Q4_K, and weights.f32, what the Python package gguf (0.19) decodes them to.

Independent of src/.  Run from this folder; the output is deterministic.
"""
import random
import struct

import gguf
import numpy as np


def blocks():
    rng = random.Random(20261126)

    def block(scale, min_unit, byte=None):
        rest = [rng.randrange(256) if byte is None else byte for _ in range(140)]
        return struct.pack("<2e", scale, min_unit) + bytes(rest)

    for _ in range(4):
        yield block(rng.gauss(0.0, 1e-2), rng.gauss(0.0, 1e-2))
    yield block(1e-3, 8e-3)
    yield block(2.0**-24, 3 * 2.0**-24)  # subnormal halves
    yield block(0.37, 0.0)
    yield block(0.0, 0.37)
    yield block(-65504.0, -65504.0, 255)
    yield block(65504.0, 1.5, 0)


def main():
    data = b"".join(blocks())
    rows = np.frombuffer(data, dtype=np.uint8).reshape(-1, 144)
    weights = gguf.quants.dequantize(rows, gguf.GGMLQuantizationType.Q4_K)
    with open("blocks.q4_k", "wb") as out:
        out.write(data)
    with open("weights.f32", "wb") as out:
        out.write(weights.astype("<f4").tobytes())


main()
