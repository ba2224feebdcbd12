#!/usr/bin/env python3
"""Ids and decoded text of `facet tokenize` and `facet detokenize` against Hugging Face's `tokenizers`, string by string.

usage: compare.py FACET [-m MODEL] [-n STRINGS] [--seed S] [--books FOLDER]
MODEL: a vocabulary in a GGUF file, or a folder with a tokenizer.json (default: the real one of ../shared, then the built-in).
Fails when any string differs, with special tokens read as text or as tokens.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from texts import Texts
from vocabulary import BUILTIN, GEMMA4, SHARED, Reference


def facet(binary, *args):
    done = subprocess.run([binary, *args], capture_output=True)
    if done.returncode != 0:
        sys.exit(f"compare: facet {' '.join(args)}: {done.stderr.decode(errors='replace').strip()}")
    return [json.loads(line) for line in done.stdout.split(b"\n")[:-1]]


def compare(binary, model, n, seed, books):
    source = model if model.endswith(".gguf") else os.path.join(model, "tokenizer.json")
    reference = Reference(source)
    made = Texts(seed, reference.tokens, reference.added.values(), books)
    texts = [made.next() for _ in range(n)]
    texts += [c * k for c in ("\n", " ", "\t", "\u2581", "=", "\n ") for k in range(1, 101)]
    differences = 0

    def check(what, texts, theirs, ours):
        nonlocal differences
        if len(theirs) != len(ours):
            sys.exit(f"compare: {len(ours)} results for {len(theirs)} strings")
        wrong = [i for i in range(len(theirs)) if theirs[i] != ours[i]]
        differences += len(wrong)
        for i in wrong[:5]:
            print(f"  {what}: {texts[i]!r}\n    reference {theirs[i]!r}\n    facet     {ours[i]!r}")

    with tempfile.TemporaryDirectory() as folder:
        lines = os.path.join(folder, "texts.jsonl")
        with open(lines, "w", encoding="ascii") as out:
            out.writelines(json.dumps(t) + "\n" for t in texts)
        n_ids = 0
        for what, flags, encode in (("text", [], reference.plain), ("special tokens", ["--special"], reference.special)):
            start = time.monotonic()
            theirs = encode(texts)
            between = time.monotonic()
            ours = facet(binary, "tokenize", "-m", model, "--jsonl", "-f", lines, *flags)
            print(f"  {what}: reference {between - start:.1f} s, facet {time.monotonic() - between:.1f} s with JSON and loading")
            check("ids, " + what, texts, theirs, ours)
            n_ids += sum(map(len, theirs))
            ids = os.path.join(folder, "ids.jsonl")
            with open(ids, "w", encoding="ascii") as out:
                out.writelines(json.dumps(i) + "\n" for i in theirs)
            back = reference.decode(theirs)
            check("decoded, " + what, texts, back, facet(binary, "detokenize", "-m", model, "--jsonl", "-f", ids))
            if not flags:
                check("round trip of the reference", texts, [t.replace("\u2581", " ") for t in texts], back)
    size = sum(len(t.encode()) for t in texts)
    print(f"{model}: {len(texts)} strings of {size / 1e6:.1f} MB, {n_ids} ids, seed {seed}: {differences} differences")
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("facet")
    parser.add_argument("-m", "--model")
    parser.add_argument("-n", type=int, default=120000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--books", default=os.path.join(SHARED, "data", "books"))
    flags = parser.parse_args()
    models = [flags.model] if flags.model else [m for m in (GEMMA4, BUILTIN) if os.path.exists(m)]
    books = flags.books if os.path.isdir(flags.books) else None
    sys.exit(1 if sum(compare(flags.facet, m, flags.n, flags.seed, books) for m in models) else 0)


main()
