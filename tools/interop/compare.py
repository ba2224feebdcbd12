#!/usr/bin/env python3
"""Compares llama.cpp's distributions with Facet's logits, position by position.

usage: compare.py FACET.json LLAMA.jsonl [MAX_RELATIVE_RMS [TIE]]
Fails when the top tokens differ at a position where neither engine sees a near tie: a gap between its own two best tokens
below TIE nats (default 0.05), the size of the noise that llama.cpp's 16-bit GELU table and 16-bit cache leave in its logits; or when the logits, each position's mean taken off,
differ by more than MAX_RELATIVE_RMS.
"""
import json
import math
import sys

TIE = float(sys.argv[4]) if len(sys.argv) > 4 else 0.05


def top_gap(values):
    first, second = sorted(values, reverse=True)[:2]
    return first - second


def main():
    ours = json.load(open(sys.argv[1]))
    theirs = [json.loads(line) for line in open(sys.argv[2])]
    if len(ours) != len(theirs):
        sys.exit(f"compare: {len(ours)} positions against {len(theirs)}")
    same = ties = 0
    kl_sum = largest = square = difference = 0.0
    for position, (a, b) in enumerate(zip(ours, theirs)):
        peak = max(a["logits"])
        norm = peak + math.log(sum(math.exp(z - peak) for z in a["logits"]))
        mine = [z - norm for z in a["logits"]]
        other = [p if p is not None else -1e4 for p in b["logprobs"]]
        kl = sum(math.exp(q) * (q - p) for q, p in zip(other, mine) if q > -50)
        kl_sum += kl
        largest = max(largest, kl)
        if len(sys.argv) > 3:
            mean_mine, mean_other = sum(mine) / len(mine), sum(other) / len(other)
            square += sum((p - mean_mine) ** 2 for p in mine)
            difference += sum((p - mean_mine - q + mean_other) ** 2 for p, q in zip(mine, other))
        if a["top"] == b["top"]:
            same += 1
        elif min(top_gap(mine), top_gap(other)) < TIE:
            ties += 1
        else:
            sys.exit(f"compare: position {position}: top token {a['top']} here, {b['top']} in llama.cpp, gaps "
                     f"{top_gap(mine):.3f} and {top_gap(other):.3f} nats")
    n = len(ours)
    print(f"{n} positions: {same} equal top tokens, {ties} near ties; KL(llama.cpp || facet) mean {kl_sum / n:.2e}, "
          f"largest {largest:.2e}", end="")
    if len(sys.argv) > 3:
        rms = math.sqrt(difference / square)
        print(f"; relative RMS of the logits {rms:.2e}", end="")
        if rms > float(sys.argv[3]):
            sys.exit(f"\ncompare: relative RMS {rms:.2e}, at most {sys.argv[3]} is right")
    print()


if __name__ == "__main__":
    main()
