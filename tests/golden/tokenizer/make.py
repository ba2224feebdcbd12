#!/usr/bin/env python3
"""Writes what Hugging Face's `tokenizers` (the version in tools/reference/tokenizer/requirements.txt) makes of seeded strings,
from vocabularies read without any code of src/.  Run by `tools/reference/tokenizer/run golden`; the output is deterministic.

texts.jsonl   a string per line, as JSON
builtin.ids   its ids in the vocabulary of models/builtin: as text, then " | " and those with special tokens cut out if they differ
gemma4.fnv    the same two in the real vocabulary, each as the lower 32 bits of the FNV-1a hash of its ids as little-endian int32
"""
import json
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "tools", "reference", "tokenizer"))
from texts import Texts  # noqa: E402
from vocabulary import BUILTIN, GEMMA4, Reference  # noqa: E402


def fnv(ids):
    value = 0xCBF29CE484222325
    for byte in struct.pack(f"<{len(ids)}i", *ids):
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value & 0xFFFFFFFF:08x}"


def write(name, lines):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as out:
        out.writelines(line + "\n" for line in lines)


def main():
    ours, real = Reference(os.path.join(BUILTIN, "tokenizer.json")), Reference(GEMMA4)
    made = [Texts(seed, r.tokens, r.added.values(), long_share=0.0) for seed, r in ((1, ours), (2, real))]
    texts = [made[i % 2].next() for i in range(2000)]
    texts = [t for t in texts if len(t.encode()) <= 120]
    texts += [c * k for c in ("\n", " ", "\t", "\u2581") for k in (1, 2, 3, 30, 31, 32, 33, 62, 63, 100)]
    write("texts.jsonl", [json.dumps(t, ensure_ascii=False) for t in texts])

    def line(plain, special):
        a, b = " ".join(map(str, plain)), " ".join(map(str, special))
        return a if a == b else f"{a} | {b}"
    write("builtin.ids", map(line, ours.plain(texts), ours.special(texts)))
    write("gemma4.fnv", [f"{fnv(a)} {fnv(b)}" for a, b in zip(real.plain(texts), real.special(texts))])


main()
