#!/usr/bin/env python3
"""Speed of llama.cpp with a drafter of Gemma 4's kind on random full-size models, as one JSON line.

usage: llama_draft_bench.py LIBRARY_FOLDER MODEL.gguf DRAFTER.gguf THREADS N_GENERATE N_DRAFTS ACCEPTANCE
The loop is that of its own speculative decoding: N_DRAFTS evaluations of the drafter, one of the model over all of them,
then what was rejected is taken back.  How many are accepted is drawn by ACCEPTANCE (0.9,0.8: the chance of each draft,
those before it being right), since random weights agree with nothing.  Choosing tokens is left out, to its advantage.
N_DRAFTS 0: without the drafter.
"""
import ctypes
import json
import os
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from llama_cpp import Llama, Rows  # noqa: E402


def main():
    folder, target_path, drafter_path = sys.argv[1:4]
    threads, n_generate, n_drafts = map(int, sys.argv[4:7])
    chances = [float(c) for c in sys.argv[7].split(",")]
    llama = Llama(folder)
    target_model = llama.model(target_path)
    size = n_generate + n_drafts + 40
    target = llama.context(target_model, size, threads)
    vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(target_model))
    batch, token = Rows(n_drafts + 1), lambda: random.randrange(vocabulary)
    if n_drafts:
        drafter_model = llama.model(drafter_path)
        drafter = llama.context(drafter_model, size, threads, target)
        width = llama.llama_model_n_embd_out(drafter_model)
        step = Rows(1, width)
        llama.llama_set_embeddings_nextn(target, True, False)
        llama.llama_set_embeddings_nextn(drafter, True, True)
    memory = llama.llama_get_memory(target)

    def take(context, row):
        ctypes.memmove(step.hidden, llama.llama_get_embeddings_nextn_ith(context, row), 4 * width)

    def run(n):
        """n tokens; seconds of drafting and of all."""
        random.seed(1)
        llama.llama_memory_clear(memory, True)
        llama.decode(target, batch.batch([token()], [0]))
        position, row, made, drafting, start = 1, 0, 0, 0.0, time.monotonic()
        while made < n:
            at = time.monotonic()
            for i in range(n_drafts):
                take(target if i == 0 else drafter, row if i == 0 else 0)
                llama.decode(drafter, step.batch([token()], [position]))
            drafting += time.monotonic() - at
            llama.decode(target, batch.batch([token() for _ in range(n_drafts + 1)], range(position, position + n_drafts + 1)))
            row = 0
            while row < n_drafts and random.random() < chances[min(row, len(chances) - 1)]:
                row += 1
            position += row + 1
            made += row + 1
            llama.llama_memory_seq_rm(memory, 0, position, -1)
        return made, drafting, time.monotonic() - start

    run(4)  # warm
    made, drafting, seconds = run(n_generate)
    print(json.dumps({"generated_tokens_per_second": made / seconds, "drafting_share": drafting / seconds}), flush=True)
    os._exit(0)


main()
