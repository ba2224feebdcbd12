#!/usr/bin/env python3
"""Blocks of random bytes and what the `gguf` package decodes them to: NAME.blocks and NAME.f32 beside this file.

usage: make.py     (needs numpy and gguf; made with gguf 0.19.0)
"""
import pathlib

import gguf
import numpy as np

HERE = pathlib.Path(__file__).parent
BLOCKS = 6
# Where the halves of a block lie: random bytes there would be NaN now and then.
HALVES = {"Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108], "Q5_K": [0, 2]}

rng = np.random.default_rng(20261126)
for name, places in HALVES.items():
    kind = gguf.GGMLQuantizationType[name]
    size = gguf.GGML_QUANT_SIZES[kind][1]
    blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for place in places:
        scales = (rng.standard_normal(BLOCKS) * 0.01).astype(np.float16)
        blocks[:, place:place + 2] = scales.view(np.uint8).reshape(BLOCKS, 2)
    weights = gguf.quants.dequantize(blocks, kind).astype(np.float32)
    blocks.tofile(HERE / f"{name.lower()}.blocks")
    weights.tofile(HERE / f"{name.lower()}.f32")
