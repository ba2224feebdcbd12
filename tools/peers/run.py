#!/usr/bin/env python3
"""Facet against llama.cpp on the same machine and the same files, runs alternating, medians: `make bench-peers`.

usage: run.py FACET [--models DIR] [--rounds N] [--rows a,b,...]
Models of random weights are made in DIR (build/peers/models) once. Prints a table, leaves build/bench-peers.json: one key
per row. Needs Node 20 and npm: llama.cpp is the prebuilt one of the npm package node-llama-cpp.
"""
import argparse
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = os.path.join(ROOT, "build", "peers")
THREADS = "2"
# Of the drafter of the books model on greedy text that it never saw (docs/results.md), by depth.
ACCEPTANCE = "0.89,0.84,0.82,0.87"


def npm_library(folder):
    """The libraries of node-llama-cpp under `folder`, installed if missing."""
    os.makedirs(folder, exist_ok=True)
    if not os.path.isdir(os.path.join(folder, "node_modules", "node-llama-cpp")):
        for command in (["npm", "init", "-y"],
                        ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "node-llama-cpp"]):
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"bench-peers: {' '.join(command)} failed: {done.stderr.strip()[-300:]}")
    return glob.glob(os.path.join(folder, "node_modules", "@node-llama-cpp", "linux-x64", "bins", "*"))[0]


def haswell_library(folder, source):
    """A copy of the library whose best CPU variant is haswell's (AVX2)."""
    keep = {"x64", "sse42", "sandybridge", "ivybridge", "piledriver", "haswell"}
    shutil.copytree(source, folder, dirs_exist_ok=True)
    for name in os.listdir(folder):
        if name.startswith("libggml-cpu-") and name[len("libggml-cpu-"):-len(".so")] not in keep:
            os.remove(os.path.join(folder, name))
    return folder


def no_repack_library(folder):
    """Compiles no_repack.c, which keeps llama.cpp from copying weights into an order of its own."""
    library = os.path.join(folder, "no_repack.so")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library,
                    os.path.join(ROOT, "tools", "peers", "no_repack.c"), "-ldl"], check=True)
    return library


class Bench:
    def __init__(self, facet, models, rounds):
        self.facet, self.models, self.rounds, self.log = facet, models, rounds, []

    def model(self, preset, scheme):
        """Of random weights; Q4_0 with Q6_K tables, as Google's and llama-quantize's files have them."""
        blocks = scheme == "q4_0"
        path = os.path.join(self.models, f"{preset}-q4_0-q6_k.gguf" if blocks else f"{preset}-{scheme}")
        if not os.path.exists(path):
            os.makedirs(self.models, exist_ok=True)
            subprocess.run([self.facet, "synth", "--preset", preset, "--scheme", scheme, *(("--tables", "q6_k") if blocks else ()),
                            "--seed", "1", "--out", path], check=True, stderr=subprocess.DEVNULL)
        return path

    def ours(self, model, prompt, generate, depth=0, isa=None, extra=()):
        env = {**os.environ, **({"FACET_ISA": isa} if isa else {})}
        out = subprocess.run([self.facet, "bench", "-m", model, "-p", str(prompt), "-n", str(generate), "-d", str(depth),
                              "-t", THREADS, "-r", "2", "-o", "json", *extra], check=True, capture_output=True, text=True,
                             env=env).stdout
        rows = json.loads(out)
        self.log.append({"engine": "facet", "rows": rows})
        return rows

    def theirs(self, library, model, prompt, generate, preload=None):
        result = self.llama("llama_bench.py", library, model, THREADS, str(prompt), str(generate), preload=preload)
        self.log.append({"engine": "llama.cpp" + (" without repacking" if preload else ""), "model": model, **result})
        return result

    def llama(self, script, *arguments, preload=None):
        env = {**os.environ, **({"LD_PRELOAD": preload} if preload else {})}
        return json.loads(subprocess.run([sys.executable, os.path.join(ROOT, "tools", "peers", script), *arguments], check=True,
                                         capture_output=True, text=True, env=env).stdout)

    def drafter(self, head):
        """Of random weights, Q4_0, for E2B; llama.cpp's without the clusters, which it refuses."""
        path = os.path.join(self.models, f"e2b-drafter-{head}.gguf")
        if not os.path.exists(path):
            made = ["synth", "--preset", "e2b-drafter", "--scheme", "q4_0", "--seed", "1"] if head == "clusters" else \
                ["convert", "-m", self.drafter("clusters"), "--to", "q4_0-gguf", "--dense-head"]
            subprocess.run([self.facet, *made, "--out", path], check=True, capture_output=True)
        return path

    def ours_drafted(self, model, drafter, generate):
        out = subprocess.run([self.facet, "bench", "-m", model, "-md", drafter, "-n", str(generate), "-d", "32", "-t", THREADS, "-r", "1",
                              "--spec-draft-n-max", "auto", "--acceptance", ACCEPTANCE, "-o", "json"], check=True, capture_output=True,
                             text=True).stdout
        rows = json.loads(out)
        self.log.append({"engine": "facet", "rows": rows})
        return rows[-1]["median_ts"]

    def theirs_drafted(self, library, model, drafter, generate):
        """With as many drafts as pay, none included."""
        rates = {n: self.llama("llama_draft_bench.py", library, model, drafter, THREADS, str(generate), str(n), ACCEPTANCE)
                 ["generated_tokens_per_second"] for n in (0, 1, 2, 4)}
        self.log.append({"engine": "llama.cpp, drafts", "tokens_per_second": rates})
        return max(rates.values())

    def alternate(self, ours, theirs):
        """Medians over rounds of (ours(), theirs()), run one after the other."""
        pairs = [(ours(), theirs()) for _ in range(self.rounds)]
        return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def rate(rows, generates):
    return next(r["avg_ts"] for r in rows if (r["n_gen"] > 0) == generates)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("facet")
    parser.add_argument("--models", default=os.path.join(PEERS, "models"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", default="all")
    args = parser.parse_args()
    library = npm_library(PEERS)
    bench = Bench(os.path.abspath(args.facet), args.models, args.rounds)
    table, result = [], {}
    path = os.path.join(ROOT, "build", "bench-peers.json")

    def row(key, mark, measure):
        if args.rows != "all" and key not in args.rows.split(","):
            return
        print(f"bench-peers: {key}", file=sys.stderr, flush=True)
        value, detail = measure()
        result[key] = value
        table.append(f"| {key} | {value:.3g} | {mark} | {detail} |")
        print(table[-1], file=sys.stderr, flush=True)
        with open(path, "w") as out:  # after each, for a run takes half an hour
            json.dump({**result, "date": time.strftime("%Y-%m-%d"), "runs": bench.log}, out, indent=1)

    def ratio(preset, scheme, generates, isa=None, peer=library, preload=None):
        prompt, generate = (0, 64) if generates else (512, 0)
        ours, theirs = bench.model(preset, scheme), bench.model(preset, "q4_0")
        key = "generated_tokens_per_second" if generates else "prompt_tokens_per_second"
        a, b = bench.alternate(lambda: rate(bench.ours(ours, prompt, generate, isa=isa), generates),
                               lambda: bench.theirs(peer, theirs, prompt, generate, preload)[key])
        return a / b, f"{a:.1f} against {b:.1f} tokens/s"

    def share():
        rows = [bench.ours(bench.model("e2b", "q4_0"), 0, 64)[0] for _ in range(args.rounds)]
        shares = [r["streaming_share"] for r in rows]
        return statistics.median(shares), ", ".join(
            f"{r['gb_per_second']:.1f} of {r['streaming_gb_per_second']:.1f} GB/s" for r in rows)

    def peak(scheme):
        rows = bench.ours(bench.model("e2b", scheme), 512, 128, extra=("-c", "4096"))
        return rows[-1]["peak_rss_bytes"], "VmHWM, context 4096, 512 + 128 tokens"

    def first_token():
        times = [bench.ours(bench.model("e2b", "mobile"), 1, 0)[0]["ttft_ms"] / 1e3 for _ in range(args.rounds)]
        return statistics.median(times), "load to the logits of one token"

    def depth(cache):
        # An empty cache before and after: filling one takes minutes, in which a shared machine changes its speed.
        before, deep, after = (r["avg_ts"] for r in bench.ours(bench.model("e2b", "q4_0"), 0, 32, depth="0,32768,0",
                                                               extra=("-ctk", cache, "-ctv", cache)))
        return 2 * deep / (before + after), f"{deep:.1f} against {before:.1f} and {after:.1f} tokens/s"

    def drafted():
        model = bench.model("e2b", "q4_0")
        a, b = bench.alternate(lambda: bench.ours_drafted(model, bench.drafter("clusters"), 96),
                               lambda: bench.theirs_drafted(library, model, bench.drafter("dense"), 96))
        return a / b, f"{a:.1f} against {b:.1f} tokens/s, each with as many drafts as pay, kept as often as {ACCEPTANCE}"

    row("e2b_q4_0_decode_ratio", ">= 2.2", lambda: ratio("e2b", "q4_0", True))
    row("e2b_q4_0_decode_streaming_share", ">= 0.85", share)
    row("e2b_q4_0_prefill_ratio", ">= 3.5", lambda: ratio("e2b", "q4_0", False))
    row("e2b_mobile_decode_ratio", ">= 4.0", lambda: ratio("e2b", "mobile", True))
    row("e2b_mobile_prefill_ratio", ">= 3.5", lambda: ratio("e2b", "mobile", False))
    row("e2b_mobile_peak_rss_bytes", "<= 1.0e9", lambda: peak("mobile"))
    row("e2b_q4_0_peak_rss_bytes", "<= 1.6e9", lambda: peak("q4_0"))
    row("26b_a4b_q4_0_decode_ratio", ">= 1.3",
        lambda: ratio("26b-a4b", "q4_0", True, preload=no_repack_library(PEERS)))
    row("e2b_mobile_first_token_seconds", "<= 0.5", first_token)
    row("e2b_q4_0_decode_32k_depth_ratio", ">= 0.8", lambda: depth("f16"))
    row("e2b_q4_0_decode_32k_depth_ratio_q8_cache", ">= 0.8", lambda: depth("q8"))
    row("e2b_q4_0_avx2_decode_ratio", ">= 1.5",
        lambda: ratio("e2b", "q4_0", True, "avx2", haswell_library(PEERS + "-haswell", library)))

    row("e2b_q4_0_drafted_decode_ratio", "> 1", drafted)

    print("| measure | value | mark | |\n|---|---|---|---|")
    print("\n".join(table + [path]))


if __name__ == "__main__":
    main()
