#!/usr/bin/env python3
"""Writes weights.f32 and blocks.q4_0: Q4_0 by the plain rule of docs/formats/q4_0.md, in Python's own arithmetic.

Independent of src/: f32 results are f64 results rounded once by struct, which is exact for +, *, / (53 >= 2 * 24 + 2 bits).
Run from this folder; the output is deterministic.
"""
import random
import struct


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def encode(block):
    extremum = 0.0
    for x in block:
        if abs(x) > abs(extremum):
            extremum = x
    d = f32(extremum / -8.0)
    factor = f32(1.0 / d) if d != 0.0 else 0.0
    codes = [min(15, int(f32(f32(x * factor) + 8.5))) for x in block]
    return struct.pack("<e", d) + bytes(codes[j] | codes[j + 16] << 4 for j in range(16))


def blocks():
    rng = random.Random(20260101)
    for scale in (1.0, 0.02, 1e-3, 1e-6, 3e4):
        for _ in range(8):
            yield [f32(rng.gauss(0.0, scale)) for _ in range(32)]
    yield [0.0] * 32
    yield [-0.0] * 32
    yield [0.5] * 32
    yield [-0.5] * 32
    yield [1.0, -1.0] + [0.0] * 30  # the first of equal magnitudes decides
    yield [-1.0, 1.0] + [0.0] * 30
    yield [0.0] * 15 + [1.0, -1.0] + [0.0] * 15  # a tie across the two halves of a block
    yield [(i - 20) / 16 for i in range(32)]
    yield [0.3, -0.1, 0.05, 0.2125] + [0.0] * 28
    for sign in (1.0, -1.0):  # every half boundary, both signs of the scale, and the mirrored extremum
        yield [sign * 0.25 * (0.5 * i - 8.0) for i in range(32)]
        yield [sign * 0.25 * (0.5 * i - 8.0) for i in range(31)] + [sign * 2.0]
    for k in range(8):  # a scale that is subnormal, or zero, as a half
        yield [f32(rng.gauss(0.0, 2.0 ** (-10 - 2 * k))) for _ in range(32)]


def main():
    data = [[f32(x) for x in b] for b in blocks()]
    with open("weights.f32", "wb") as out:
        for b in data:
            out.write(struct.pack("<32f", *b))
    with open("blocks.q4_0", "wb") as out:
        for b in data:
            out.write(encode(b))


main()
