#!/usr/bin/env python3
"""Speed and memory of llama.cpp on one GGUF, as one JSON line.

usage: llama_bench.py LIBRARY_FOLDER MODEL.gguf THREADS N_PROMPT N_GENERATE
Tokens are random: which ones they are does not change what an evaluation costs.
"""
import ctypes
import json
import os
import pathlib
import random
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from llama_cpp import Llama  # noqa: E402


def main():
    folder, path = sys.argv[1:3]
    threads, n_prompt, n_generate = map(int, sys.argv[3:])
    start = time.monotonic()
    llama = Llama(folder)
    model = llama.model(path)
    context = llama.context(model, n_prompt + n_generate + 64, threads)
    vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    random.seed(1)

    def evaluate(n):
        tokens = (ctypes.c_int32 * n)(*(random.randrange(vocabulary) for _ in range(n)))
        llama.decode(context, llama.llama_batch_get_one(ctypes.cast(tokens, ctypes.c_void_p), n))

    evaluate(1)
    first_token = time.monotonic() - start
    for _ in range(4):
        evaluate(1)  # warm
    llama.llama_memory_clear(llama.llama_get_memory(context), True)
    at = time.monotonic()
    if n_prompt:
        evaluate(n_prompt)
    prompt_seconds = time.monotonic() - at
    at = time.monotonic()
    for _ in range(n_generate):
        evaluate(1)
    generate_seconds = time.monotonic() - at
    with open("/proc/self/status") as f:
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", f.read()).group(1)) * 1024
    print(json.dumps({"prompt_tokens_per_second": n_prompt / prompt_seconds if n_prompt else 0,
                      "generated_tokens_per_second": n_generate / generate_seconds if n_generate else 0,
                      "first_token_seconds": first_token, "peak_rss_bytes": peak}), flush=True)
    os._exit(0)  # its threads outlive an ordinary exit


main()
