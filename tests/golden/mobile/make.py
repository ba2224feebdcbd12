#!/usr/bin/env python3
"""Writes weights.f32, scales.f32 and packed.{i2,i4,i8}: rows by docs/formats/mobile.md, in Python's own arithmetic.

12 rows of 37 weights (no multiple of a byte's codes), one scale per row, and the same scales for every width.
Independent of src/: f32 division is f64 division rounded once by struct, which is exact; Python's round() is half to even.
Run from this folder; the output is deterministic.
"""
import random
import struct

ROWS, COLS = 12, 37


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def pack(codes, bits):
    if bits == 8:
        return struct.pack(f"<{len(codes)}b", *codes)
    per_byte = 8 // bits
    codes = codes + [0] * (-len(codes) % per_byte)
    offset = 1 << (bits - 1)
    return bytes(
        sum((codes[j + i] + offset) << (bits * i) for i in range(per_byte)) for j in range(0, len(codes), per_byte)
    )


def main():
    rng = random.Random(20260102)
    scales = [f32(s) for s in (0.5, 0.125, 0.001, 0.0625, 1.0, 3.0, 0.007, 1e-8, 0.3, 0.03, 100.0, 0.0078125)]
    rows = []
    for r in range(ROWS):
        row = [rng.gauss(0.0, 2.0) * scales[r] for _ in range(COLS - 17)]
        row += [scales[r] * (i - 8) / 2.0 for i in range(17)]  # ties, and both ends of int2
        rows.append([f32(x) for x in row])
    with open("weights.f32", "wb") as out:
        for row in rows:
            out.write(struct.pack(f"<{COLS}f", *row))
    with open("scales.f32", "wb") as out:
        out.write(struct.pack(f"<{ROWS}f", *scales))
    for bits in (2, 4, 8):
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        with open(f"packed.i{bits}", "wb") as out:
            for row, s in zip(rows, scales):
                out.write(pack([max(low, min(high, round(f32(x / s)))) for x in row], bits))


main()
