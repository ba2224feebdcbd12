#!/usr/bin/env python3
"""A drafter's chained steps in llama.cpp against Facet's, logit by logit.

usage: llama_drafter.py LIBRARY_FOLDER MODEL.gguf DRAFTER.gguf IDS FACET.json MAX_RELATIVE_RMS
IDS: the model's tokens, and last the one that is drafted from.  FACET.json: of `facet logits -md`; its steps are fed the
same tokens here.  llama.cpp gives every token a logit; compared are those that have one in both.
"""
import ctypes
import json
import math
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from llama_cpp import Llama, Rows  # noqa: E402


def floats(address, n):
    return list((ctypes.c_float * n).from_address(address))


def main():
    folder, target_path, drafter_path, ids_path, ours_path, limit = sys.argv[1:]
    ids = [int(word) for word in open(ids_path).read().split()]
    ours = json.load(open(ours_path))
    llama = Llama(folder)
    target_model, drafter_model = llama.model(target_path), llama.model(drafter_path)
    target = llama.context(target_model, len(ids) + 8, 1)
    drafter = llama.context(drafter_model, len(ids) + 8, 1, target)
    vocabulary, width = len(ours[0]["logits"]), llama.llama_model_n_embd_out(drafter_model)
    llama.llama_set_embeddings_nextn(target, True, False)
    llama.llama_set_embeddings_nextn(drafter, True, True)

    n = len(ids) - 1
    llama.decode(target, Rows(n).batch(ids[:n], range(n)))
    hidden = floats(llama.llama_get_embeddings_nextn_ith(target, n - 1), width)
    rows = Rows(1, width)
    square = difference = 0.0
    same = 0
    for step in ours:
        rows.hidden[:] = hidden
        llama.decode(drafter, rows.batch([step["token"]], [n]))
        theirs = floats(llama.llama_get_logits_ith(drafter, 0), vocabulary)
        hidden = floats(llama.llama_get_embeddings_nextn_ith(drafter, 0), width)
        pairs = [(a, b) for a, b in zip(step["logits"], theirs) if a is not None]
        square += sum(a * a for a, _ in pairs)
        difference += sum((a - b) ** 2 for a, b in pairs)
        chosen = [b if a is not None else -math.inf for a, b in zip(step["logits"], theirs)]
        same += chosen.index(max(chosen)) == step["top"]
    rms = math.sqrt(difference / square)
    print(f"{len(ours)} steps: {same} equal drafts; relative RMS of the logits {rms:.2e}", flush=True)
    os._exit(0 if rms <= float(limit) and same == len(ours) else 1)


main()
