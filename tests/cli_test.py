#!/usr/bin/env python3
"""The facet binary as a user meets it: exit codes, one-line errors, and small runs of every verb on a tiny random model.

usage: cli_test.py FACET WRITE_RANDOM_MODEL [train]     ("train": the binary has the trainer)
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

FACET, WRITE_MODEL = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
HAS_TRAINER = len(sys.argv) > 3 and sys.argv[3] == "train"
failures = []


def facet(*args, code=0, says=None, env=None):
    """Runs the binary; checks the exit code, and on failure that stderr ends in one 'error:' line that says `says`."""
    result = subprocess.run([FACET, *args], capture_output=True, text=True, errors="replace", timeout=300,
                            env={**os.environ, **(env or {})})
    name = "facet " + " ".join(args)
    if result.returncode != code:
        failures.append(f"{name}: exit {result.returncode}, expected {code}: {result.stderr[-300:]}")
    if code not in (0, 130):
        errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        if len(errors) != 1:
            failures.append(f"{name}: {len(errors)} error lines: {result.stderr[-300:]!r}")
        elif says and says not in errors[0]:
            failures.append(f"{name}: says {errors[0]!r}, expected {says!r} in it")
    return result


def check(condition, what):
    if not condition:
        failures.append(what)


def usage():
    check("Subcommands" in facet().stdout, "no verb prints the list")
    facet("frobnicate", code=2, says="unknown verb")
    facet("run", "--no-such-flag", code=2)
    facet("run", "-p", "x", "--temp", "-3", code=2)
    facet("run", code=2, says="prompt")
    facet("version")
    check("quantize" in facet("help").stdout, "help lists the verbs")
    check("--top-k" in facet("help", "run").stdout, "help of a verb lists its flags")
    facet("help", "frobnicate", code=2, says="unknown verb")
    facet("info", env={"FACET_ISA": "quantum"}, code=2)
    check("ref" in facet("info", env={"FACET_ISA": "ref"}).stdout, "FACET_ISA=ref shows")


def models(tmp, model):
    facet("run", "-m", tmp + "/absent", "-p", "x", code=3, says="absent")
    facet("run", "-m", tmp, "-p", "x", code=3, says="config.json")
    garbage = tmp + "/garbage.gguf"
    open(garbage, "wb").write(b"GGUF" + os.urandom(500))
    facet("run", "-m", garbage, "-p", "x", code=3, says="garbage.gguf")
    cut = tmp + "/cut"
    shutil.copytree(model, cut)
    data = open(model + "/model.safetensors", "rb").read()
    open(cut + "/model.safetensors", "wb").write(data[: len(data) // 2])
    facet("run", "-m", cut, "-p", "x", code=3, says="model.safetensors")
    config = json.load(open(model + "/config.json"))
    for key, value, says in [("hidden_size", 96, "config wants"), ("hidden_activation", "silu", "hidden_activation"),
                             ("model_type", "llama", "model_type"), ("num_attention_heads", 3, "heads")]:
        json.dump({**config, key: value}, open(cut + "/config.json", "w"))
        shutil.copy(model + "/model.safetensors", cut + "/model.safetensors")
        facet("run", "-m", cut, "-p", "x", code=3, says=says)
        facet("eval", "-m", cut, "--text", __file__, code=3, says=says)
    json.dump({**config, "quantization_config": {"quant_method": "awq"}}, open(cut + "/config.json", "w"))
    facet("run", "-m", cut, "-p", "x", code=3, says="quant_method")


def drafters(tmp, model):
    def write(name, kind):
        subprocess.run([WRITE_MODEL, f"{tmp}/{name}", kind], check=True)
        return f"{tmp}/{name}"

    folder, other = write("drafter", "e-drafter"), write("other_drafter", "k_eq_v-drafter")
    ask = ["run", "-m", model, "-p", "the cat", "-n", "60", "--ignore-eos"]
    for draw in (["--temp", "0"], ["--temp", "1", "-s", "7"]):
        plain = facet(*ask, *draw).stdout
        for n in ("1", "4", "15", "auto"):
            drafted = facet(*ask, *draw, "-md", folder, "--spec-draft-n-max", n)
            check(drafted.stdout == plain, f"a drafter changes no text ({draw}, {n})")
            check("drafts: " in drafted.stderr, f"and its work is told: {drafted.stderr!r}")
    for form, out in (("bf16-gguf", "d.gguf"), ("q8_0-gguf", "d8.gguf"), ("q4_0-gguf", "d4.gguf"), ("hf", "d_hf")):
        facet("convert", "-m", folder, "--to", form, "--out", f"{tmp}/{out}")
        check(facet(*ask, "--temp", "1", "-s", "7", "-md", f"{tmp}/{out}").stdout == plain, f"a drafter as {form} changes no text")
    facet("convert", "-m", tmp + "/d.gguf", "--to", "hf", "--out", tmp + "/d_hf2")
    same = all(open(f"{tmp}/d_hf/{f}", "rb").read() == open(f"{tmp}/d_hf2/{f}", "rb").read() for f in os.listdir(tmp + "/d_hf"))
    check(same, "a folder through GGUF and back is the same folder")
    facet("convert", "-m", tmp + "/d4.gguf", "--to", "hf", "--out", tmp + "/d4_hf")
    facet("convert", "-m", tmp + "/d4_hf", "--to", "q4_0-gguf", "--out", tmp + "/d4b.gguf")
    facet("convert", "-m", tmp + "/d4b.gguf", "--to", "hf", "--out", tmp + "/d4b_hf")
    check(open(tmp + "/d4_hf/model.safetensors", "rb").read() == open(tmp + "/d4b_hf/model.safetensors", "rb").read(),
          "bf16 weights on the grid come back from Q4_0, byte for byte")
    facet("convert", "-m", folder, "--to", "mobile", "--out", tmp + "/x", code=2, says="q8_0-gguf")
    facet("convert", "-m", folder, "--to", "hf", "--out", tmp + "/x.gguf", code=2, says="folder")
    facet("convert", "-m", folder, "--to", "hf", "--out", folder, code=2, says="itself")
    facet("synth", "--preset", "e3b-drafter", "--out", tmp + "/x.gguf", code=2, says="e3b")
    facet("synth", "--preset", "e2b-drafter", "--scheme", "mobile", "--out", tmp + "/x", code=2, says="drafters")

    facet("run", "-m", folder, "-p", "x", code=3, says="drafter")
    facet("run", "-m", tmp + "/d.gguf", "-p", "x", code=3, says="drafter")
    facet(*ask, "-md", model, code=3, says="not a drafter")
    facet(*ask, "-md", tmp + "/absent", code=3, says="absent")
    facet(*ask, "-md", other, code=3, says="another model")
    for n in ("0", "-1", "16", "many"):
        facet(*ask, "-md", folder, "--spec-draft-n-max", n, code=2)
    facet(*ask, "-md", folder, "--spec-draft-n-max", "3", "-ub", "3", code=2, says="at most 2")
    # Of the same shape, for other tokens.
    shutil.copytree(folder, tmp + "/other_words")
    words = open(tmp + "/other_words/tokenizer.json").read()
    check('"th"' in words, "the tiny vocabulary has the piece that is changed")
    open(tmp + "/other_words/tokenizer.json", "w").write(words.replace('"th"', '"ht"').replace('"t","h"', '"h","t"').replace('"t", "h"', '"h", "t"').replace('"t h"', '"h t"'))
    facet(*ask, "-md", tmp + "/other_words", code=3, says="vocabulary")
    facet("convert", "-m", folder, "--to", "bf16-gguf", "--dense-head", "--out", tmp + "/dense.gguf")
    dense = json.loads(facet("inspect", "-m", model, "-md", tmp + "/dense.gguf", "--format", "json").stdout)["drafter"]
    check(dense["clusters"] == 0, "convert --dense-head leaves the clusters out")
    facet("convert", "-m", model, "--to", "hf", "--dense-head", "--out", tmp + "/x", code=2, says="--dense-head")
    # Drafters for other models, and bent ones: one line, and nothing was written.
    def refused(path, says, verbs=(["run", "-p", "x", "-n", "4"],)):
        for verb, *flags in verbs:
            result = facet(verb, "-m", model, *flags, "-md", path, code=3, says=says)
            check(result.stdout == "" and path in result.stderr, f"{path}: {result.stdout!r} {result.stderr[-300:]!r}")

    every_verb = (["run", "-p", "x", "-n", "4"], ["bench", "-n", "4", "-r", "1", "-t", "1"], ["inspect"])
    for kind, says in (("wide", "backbone_hidden_size"), ("moe", "key/value heads"), ("everything", "another model")):
        refused(write(kind + "_drafter", kind + "-drafter"), says, every_verb)
    for key, value, says in (("backbone_hidden_size", 96, "the config wants"), ("centroid_intermediate_top_k", 0, "is 0"),
                             ("centroid_intermediate_top_k", 17, "is 17"), ("num_centroids", 7, "7 clusters"), ("vocab_size", 385, "385"),
                             ("num_key_value_heads", 4, "key/value heads"), ("sliding_window", 9, "sliding window")):
        bent = tmp + "/bent_drafter"
        shutil.copytree(folder, bent, dirs_exist_ok=True)
        config = json.load(open(bent + "/config.json"))
        (config if key in config else config["text_config"])[key] = value
        json.dump(config, open(bent + "/config.json", "w"))
        refused(bent, says, every_verb if value == 17 else every_verb[:1])
    data = open(tmp + "/d.gguf", "rb").read()
    for share in (0.01, 0.5, 0.99):
        open(tmp + "/cut.gguf", "wb").write(data[: int(share * len(data))])
        facet(*ask, "-md", tmp + "/cut.gguf", code=3, says="cut.gguf")


def drafts_on_texts(tmp, model, text):
    """What a model writes after pieces of a text, and how often a drafter is right there."""
    ask = ["data", "continuations", "-m", model, "-f", text, "--texts", "6", "--prompt-tokens", "8", "-n", "12", "-s", "3"]
    told = facet(*ask, "-t", "2", "--out", tmp + "/own.u32").stdout
    facet(*ask, "-t", "1", "--out", tmp + "/own1.u32")
    own = open(tmp + "/own.u32", "rb").read()
    check(own == open(tmp + "/own1.u32", "rb").read() and len(own) % 4 == 0 and len(own) >= 4 * (6 * 9 - 1), f"continuations: the same on any number of threads: {told!r}")
    check(own.count((2).to_bytes(4, "little")) >= 5, "continuations: each begins with <bos>, but for the first")
    facet(*ask, "--out", tmp + "/own.txt", code=2, says=".u32")
    facet(*ask[:-4], "-n", "999999", "--out", tmp + "/own.u32", code=2, says="positions")
    facet("data", "continuations", "-m", model, "-f", tmp + "/absent", "--out", tmp + "/own.u32", code=3, says="absent")
    judge = ["eval", "-m", model, "-md", tmp + "/drafter", "--text", text, "--max-texts", "5", "--prompt-tokens", "8", "-n", "16"]
    told = json.loads(facet(*judge, "--spec-draft-n-max", "3", "--format", "json").stdout)
    check(told["drafts"] == 3 and sum(told[k]["texts"] for k in ("greedy", "drawn") if k in told) == 5 and
          all(len(told[k]["right"]) == 3 and 1 <= told[k]["mean_length"] <= 4 for k in ("greedy", "drawn") if k in told), f"eval -md: {told}")
    check("tokens a round" in facet(*judge).stdout, "eval -md: text")
    facet(*judge, "--reference", model, code=2, says="--reference")
    steps = json.load(open(facet_logits(tmp, model)))
    check(len(steps) == 3 and steps[1]["token"] == steps[0]["top"] and None in steps[0]["logits"], "logits -md: chained steps, tokens outside the clusters are null")
    # The one that ships.
    plain = facet("run", "-p", "Once upon a time", "-n", "80", "--temp", "0")
    drafted = facet("run", "-p", "Once upon a time", "-n", "80", "--temp", "0", "-md", "builtin", "--spec-draft-n-max", "4")
    check(drafted.stdout == plain.stdout and "drafts: " in drafted.stderr, "the built-in drafter changes no text")
    length = json.loads(facet("eval", "-md", "builtin", "--text", text, "--max-texts", "8", "-n", "64", "--format", "json").stdout)
    check(max(length[k]["mean_length"] for k in ("greedy", "drawn") if k in length) > 1.5, f"the built-in drafter is right often enough to pay: {length}")


def facet_logits(tmp, model):
    open(tmp + "/draft_ids.txt", "w").write("2 40 41 42 43")
    facet("logits", "-m", model, "-md", tmp + "/drafter", "--draft-steps", "3", "--tokens", tmp + "/draft_ids.txt", "--out", tmp + "/steps.json")
    return tmp + "/steps.json"


def bench_drafts(tmp, model):
    """`bench -md`: what is counted, what is refused; the fields of rows without drafts are those of `bench`."""
    drafter, other = tmp + "/drafter", tmp + "/other_drafter"
    ask = ["bench", "-m", model, "-md", drafter, "-n", "24", "-r", "2", "-t", "1"]
    rows = json.loads(facet(*ask, "--spec-draft-n-max", "1,3,auto", "-d", "0,20", "-o", "json").stdout)
    check([(r["n_depth"], r["draft_length"]) for r in rows] == [(d, n) for d in (0, 20) for n in ("none", "1", "3", "auto")], "bench -md: the rows")
    plain = json.loads(facet("bench", "-m", model, "-p", "0", "-n", "4", "-r", "1", "-o", "json").stdout)[0]
    for r in rows:
        check(set(plain) - set(r) == {"ttft_ms", "logits_hash"}, f"bench -md: fields of bench are kept: {set(plain) - set(r)}")
        check(r["same_text"] and len(r["samples_ts"]) == 2 and r["n_gen"] == 24 and r["median_ts"] > 0, f"bench -md: figures: {r}")
        if r["draft_length"] == "none":
            check(r["draft_n"] == 0 and r["speedup"] == 1 and r["bytes_per_token"] > 0, f"bench -md: the plain row: {r}")
        else:
            check(r["draft_n"] > 0 and r["draft_accepted"] <= r["draft_n"] and r["draft_ms"] > 0 and r["speedup"] > 0, f"bench -md: a row of drafts: {r}")
            check((r["draft_chosen"] != "") == (r["draft_length"] == "auto"), "bench -md: what auto measured")
    for half in (rows[:4], rows[4:]):
        check(len({r["text_hash"] for r in half}) == 1, "bench -md: one text")
    for chance, length in (("0", 1), ("1", 4)):
        r = json.loads(facet(*ask, "--spec-draft-n-max", "3", "--acceptance", chance, "-o", "json").stdout)[1]
        check(r["mean_accepted_length"] == length and r["same_text"], f"bench --acceptance {chance}: {r['mean_accepted_length']}")
    heads = [json.loads(facet(*ask, *flag, "-o", "json").stdout)[1]["draft_head"] for flag in ([], ["--dense-head"])]
    check(heads == ["4 of 16 clusters", "dense"], f"bench --dense-head: {heads}")
    open(tmp + "/prompt.txt", "w").write("the cat sat on the mat")
    r = json.loads(facet(*ask, "-f", tmp + "/prompt.txt", "-d", "5,0", "-o", "json").stdout)
    check(r[0]["n_depth"] == 5 and r[2]["n_depth"] > 5, f"bench -f: {[x['n_depth'] for x in r]}")
    open(tmp + "/long.txt", "w").write("the cat sat on the mat. " * 20000)
    facet(*ask, "-f", tmp + "/long.txt", code=2, says="-d N begins with the first N")
    check("| tg24 | auto |" in facet(*ask).stdout and "same_text" in facet(*ask, "-o", "csv").stdout, "bench -md: table and csv")
    for flags, says in [(["-p", "8"], "-p"), (["-pg", "4,4"], "-pg"), (["--spec-draft-n-max", "1,x"], "'x'"), (["--spec-draft-n-max", ""], "''"),
                        (["--spec-draft-n-max", "16"], "16"), (["--acceptance", "1.5"], "1.5"), (["-n", "0"], "-n"), (["-d", "9999999"], "-d"),
                        (["-f", tmp + "/prompt.txt", "-d", "99"], "-d 99"), (["-c", "16"], "do not fit")]:
        facet(*ask, *flags, code=2, says=says)
    for flags in (["-f", tmp + "/prompt.txt"], ["--acceptance", "1"], ["--dense-head"]):
        facet("bench", "-m", model, *flags, code=2, says="-md")
    facet(*ask, "-f", tmp + "/absent", code=3, says="absent")
    facet("bench", "-m", model, "-md", other, code=3, says="another model")

    seen = json.loads(facet("inspect", "-m", model, "-md", drafter, "--spec-draft-n-max", "4", "--format", "json").stdout)
    d = seen["drafter"]
    check(d["clusters"] == 16 and d["n_draft_max"] == 4 and d["resident_bytes"] == sum(d[f"{part}_bytes"] for part in ("weights", "vectors", "buffers", "logits")),
          f"inspect -md: {d}")
    check(d["resident_bytes_with_model"] == d["resident_bytes"] + seen["plan"]["resident_bytes"] and 0 < d["weight_bytes_per_draft"] < d["weights_bytes"],
          f"inspect -md: the sum: {d}")
    check("with the model" in facet("inspect", "-m", model, "-md", drafter).stdout, "inspect -md: text")
    # Room for the model alone, and for both.
    both = d["resident_bytes_with_model"]
    for verb in (["run", "-p", "x", "-n", "1", "-t", "1"], ["bench", "-n", "4", "-r", "1", "-t", "1"], ["inspect"]):
        args = [verb[0], "-m", model, *verb[1:], "-c", "512"]
        facet(*args, "-md", drafter, "--spec-draft-n-max", "4", "--memory-limit", "1G")
    limited = ["run", "-m", model, "-p", "x", "-n", "1", "-t", "1", "--spec-draft-n-max", "4", "--memory-limit"]
    facet(*limited, str(both), "-md", drafter)
    refused = facet(*limited, str(both - 1), "-md", drafter, code=5, says="the limit is")
    check(drafter in refused.stderr and refused.stdout == "", f"a limit is refused before anything is written: {refused.stderr!r} {refused.stdout!r}")
    facet(*limited, str(both - 1))
    facet("bench", "-m", model, "-md", drafter, "-n", "4", "--memory-limit", "2M", code=5, says="the limit is")
    facet("inspect", "-m", model, "-md", drafter, "--memory-limit", str(both - 1), code=5, says="the limit is")


def bench(tmp, model):
    facet("synth", "--preset", "e3b", "--out", tmp + "/x.gguf", code=2, says="e3b")
    facet("synth", "--preset", "e2b", "--scheme", "q5", "--out", tmp + "/x.gguf", code=2, says="q5")
    facet("synth", "--preset", "e2b", "--scheme", "mobile", "--out", tmp + "/x.gguf", code=2, says="folder")
    facet("synth", "--preset", "e2b", "--scheme", "q4_0", "--out", tmp + "/absent/x.gguf", code=1, says="absent")
    check(not os.path.exists(tmp + "/x.gguf"), "a refused synth leaves nothing behind")
    for flags, says in [(["-p", "x"], "-p"), (["-p", "0", "-n", "0"], "nothing"), (["-t", "0"], "-t"), (["-d", "5-1"], "-d"),
                        (["-c", "16"], "context"), (["-d", "9999999"], "-d")]:
        facet("bench", "-m", model, *flags, code=2, says=says)
    out = facet("bench", "-m", model, "-p", "8-24+16", "-n", "3", "-d", "0,20", "--pg", "4,2", "-r", "2", "-t", "1,2", "-o", "json").stdout
    rows = json.loads(out)
    check(len(rows) == 16, f"bench: {len(rows)} rows, expected 2 threads x 2 depths x 4 tests")
    check({r["n_depth"] for r in rows} == {0, 20} and {r["n_prompt"] for r in rows} == {0, 4, 8, 24}, "bench: the tests asked for")
    check(all(r["avg_ts"] > 0 and len(r["samples_ts"]) == 2 and r["peak_rss_bytes"] > 0 for r in rows), "bench: figures")
    for a, b in zip(rows[:8], rows[8:]):
        check(a["logits_hash"] == b["logits_hash"], "bench: the same logits on one thread and two")
    check("| tg4 @ d8 |" in facet("bench", "-m", model, "-p", "0", "-n", "4", "-d", "8", "-r", "1").stdout, "bench: the table")
    facet("inspect", "-m", tmp + "/absent", code=3, says="absent")
    facet("run", "-m", model, "-p", "x", "--memory-limit", "1K", code=5, says="the limit is")
    facet("run", "-m", model, "-p", "x", "--memory-limit", "lots", code=2, says="lots")
    facet("run", "-m", model, "-p", "x", "-n", "1", "--memory-limit", "1G")
    facet("bench", "-m", model, "--memory-limit", "2M", code=5, says="cache")
    facet("run", "-m", model, "-p", "x", "-ctk", "q5", code=2, says="q5")
    facet("run", "-m", model, "-p", "x", "-ctv", "i8", code=2, says="cache scales")
    for k, v in [("q8", "f16"), ("bf16", "q8_0"), ("f32", "f32")]:
        facet("run", "-m", model, "-p", "x", "-n", "4", "-ctk", k, "-ctv", v)
    row = json.loads(facet("bench", "-m", model, "-pg", "4,2", "-p", "0", "-n", "0", "-r", "1", "-ctk", "q8", "-o", "json").stdout)[0]
    check((row["type_k"], row["type_v"], row["n_prompt"], row["n_gen"]) == ("q8", "f16", 4, 2), "bench: -ctk and -pg")
    cut = tmp + "/shrinks"
    shutil.copytree(model, cut)
    running = subprocess.Popen([FACET, "bench", "-m", cut, "-p", "0", "-n", "60", "-r", "10000"], stderr=subprocess.PIPE, text=True)
    time.sleep(1.5)
    os.truncate(cut + "/model.safetensors", 4096)
    _, errors = running.communicate(timeout=60)
    check(running.returncode == 3 and "became shorter" in errors, f"a file that shrinks: {running.returncode} {errors[-200:]!r}")
    seen = json.loads(facet("inspect", "-m", model, "-c", "64", "--format", "json").stdout)
    check(sum(t["bytes"] for t in seen["tensors"]) == seen["bytes"] == sum(c["bytes"] for c in seen["components"].values()),
          "inspect: tensors and components add up")
    plan = seen["plan"]
    check(plan["context"] == 64 and plan["cache_bytes"] > 0 and plan["resident_bytes"] > plan["weights_bytes"], "inspect: the plan")
    check("resident" in facet("inspect", "-m", model, "-v").stdout, "inspect: text")
    check("avg_ts" in facet("bench", "-m", model, "-p", "4", "-n", "0", "-r", "1", "-o", "csv").stdout, "bench: csv")


def conversions(tmp, model):
    facet("convert", "-m", model, "--to", "q5_0", "--out", tmp + "/c.gguf", code=2, says="q4_0-gguf")
    facet("convert", "-m", model, "--to", "hf", "--out", tmp + "/c.gguf", code=2, says="folder")
    facet("convert", "-m", model, "--to", "q4_0-gguf", "--out", tmp + "/c", code=2, says=".gguf")
    facet("convert", "-m", model, "--to", "hf", "--out", model, code=2, says="itself")
    facet("convert", "-m", tmp + "/absent", "--to", "hf", "--out", tmp + "/c", code=3, says="absent")
    facet("convert", "-m", model, "--to", "q4_0-gguf", "--out", tmp + "/c.gguf", code=4, says="--allow-ptq")
    check(not os.path.exists(tmp + "/c.gguf"), "a refused conversion leaves no file")
    facet("convert", "-m", model, "--to", "q4_0-gguf", "--out", tmp + "/c.gguf", "--allow-ptq")
    facet("convert", "-m", tmp + "/c.gguf", "--to", "hf", "--out", tmp + "/c_hf")
    told = facet("convert", "-m", tmp + "/c_hf", "--to", "q4_0-gguf", "--out", tmp + "/c2.gguf").stdout
    check("(100.00 %)" in told, f"convert says what was exact: {told!r}")
    facet("convert", "-m", tmp + "/c2.gguf", "--to", "w4a16", "--out", tmp + "/c_w4")
    texts = {facet("run", "-m", m, "-p", "hello", "-n", "8", "--temp", "0").stdout for m in (tmp + "/c2.gguf", tmp + "/c_w4")}
    check(len(texts) == 1 or "" not in texts, "a w4a16 folder runs")
    check("compressed-tensors" in open(tmp + "/c_w4/config.json").read(), "w4a16 says so in its config")
    seen = {t["name"]: t for t in json.loads(facet("inspect", "-m", tmp + "/c_hf", "--verify", "--format", "json").stdout)["tensors"]}
    grid = seen["layers.0.mlp.up_proj.weight"]["grid"]
    check(grid["name"] == "q4_0" and grid["on_grid"] == grid["groups"], f"inspect --verify finds the grid: {grid}")
    check(len({t["sha256"] for t in seen.values()}) > 10, "inspect --verify hashes tensors")
    check("decoded" in facet("inspect", "-m", tmp + "/c.gguf", "--verify").stdout, "inspect --verify as text")
    damaged = tmp + "/damaged.gguf"
    data = bytearray(open(tmp + "/c.gguf", "rb").read())
    data[-40000:-39000] = b"\xff" * 1000
    open(damaged, "wb").write(data)
    facet("inspect", "-m", damaged, "--verify", code=4, says="not finite")


def tokens(tmp, model):
    ids = facet("tokenize", "-m", model, "-p", "hello <eos>\n there").stdout
    check(facet("detokenize", "-m", model, "-p", ids).stdout == "hello <eos>\n there\n", "detokenize -p undoes tokenize -p")
    check(int(facet("tokenize", "-m", model, "-p", "hello <eos>\n there", "--show-count").stdout) == len(ids.split()), "--show-count")
    lines = facet("tokenize", "-m", model, "-p", "hello <eos>\n there", "--pieces").stdout.splitlines()
    check([line.split("\t")[0] for line in lines] == ids.split(), "--pieces has the same ids")
    check("".join(json.loads(line.split("\t")[1]) for line in lines).startswith("hello\u2581"), "--pieces shows the vocabulary's pieces")
    facet("tokenize", "-m", model, "-p", "x", "--pieces", "--show-count", code=2)
    strings = ["", "hello", "two\nlines", "\u00e9\U0001F600\0", "<eos>"]
    with open(tmp + "/strings.jsonl", "w") as out:
        out.writelines(json.dumps(s) + "\n" for s in strings)
    many = facet("tokenize", "-m", model, "--jsonl", "-f", tmp + "/strings.jsonl", "--special").stdout
    rows = [json.loads(line) for line in many.splitlines()]
    check(len(rows) == len(strings) and rows[0] == [] and len(rows[-1]) == 1, "tokenize --jsonl")
    open(tmp + "/ids.jsonl", "w").write(many)
    back = facet("detokenize", "-m", model, "--jsonl", "-f", tmp + "/ids.jsonl").stdout
    check([json.loads(line) for line in back.splitlines()] == strings[:-1] + [""], "detokenize --jsonl")
    one = subprocess.run([FACET, "tokenize", "-m", model, "-f", "-"], input="hello", capture_output=True, text=True)
    check(one.stdout == facet("tokenize", "-m", model, "-p", "hello").stdout, "tokenize reads standard input")
    for content, says in [('"a"\nhello\n', "line 2"), ("[1]\n", "line 1"), ('"\\ud800"\n', "line 1")]:
        open(tmp + "/bad.jsonl", "w").write(content)
        facet("tokenize", "-m", model, "--jsonl", "-f", tmp + "/bad.jsonl", code=2, says=says)
    for content, says in [("[1]\n[-1]\n", "line 2"), ("[1.5]\n", "line 1"), ("[99999999999999999999]\n", "line 1"), ("1\n", "line 1")]:
        open(tmp + "/bad.jsonl", "w").write(content)
        facet("detokenize", "-m", model, "--jsonl", "-f", tmp + "/bad.jsonl", code=2, says=says)
    facet("detokenize", "-m", model, "-p", "1 x", code=2, says="x")
    facet("detokenize", "-m", model, code=2, says="-p")
    facet("tokenize", "-m", model, code=2, says="-f")


def bench_parts(tmp, model, text):
    rows = json.loads(facet("bench", "load", "-m", model, "-r", "3", "-o", "json").stdout)
    check([r["what"] for r in rows] == ["checkpoint", "tokenizer", "both"], "bench load: the rows")
    check(all(0 < r["min_ms"] <= r["median_ms"] <= r["max_ms"] and len(r["samples_ms"]) == 3 for r in rows), "bench load: figures")
    check("| both |" in facet("bench", "load", "-m", model, "-r", "1").stdout, "bench load: the table")
    facet("bench", "load", "-m", tmp + "/absent", code=3, says="absent")
    facet("bench", "load", "-m", model, "-r", "0", code=2)
    rows = json.loads(facet("bench", "tokenize", "-m", model, "-f", text, "-r", "2", "-o", "json").stdout)
    check(len(rows) == 2 and all(r["median_mb_per_second"] > 0 and r["n_tokens"] > 0 for r in rows), "bench tokenize: figures")
    check("MB/s" in facet("bench", "tokenize", "-m", model, "-f", text, "-r", "1").stdout, "bench tokenize: the table")
    facet("bench", "tokenize", "-m", model, code=2, says="--text")
    open(tmp + "/empty.txt", "w").close()
    facet("bench", "tokenize", "-m", model, "-f", tmp + "/empty.txt", code=2, says="empty")


def use(tmp, model, text):
    first = facet("run", "-m", model, "-p", "hello", "-n", "12", "--temp", "0", "-t", "1").stdout
    second = facet("run", "-m", model, "-p", "hello", "-n", "12", "--temp", "0", "-t", "2", "-b", "3").stdout
    check(first == second, "greedy text does not depend on threads and batch")
    ids = facet("tokenize", "-m", model, "-p", "hello there", "--bos").stdout
    open(tmp + "/ids.txt", "w").write(ids)
    check("hello there" in facet("detokenize", "-m", model, "-f", tmp + "/ids.txt").stdout, "tokens go back to text")
    facet("logits", "-m", model, "--tokens", tmp + "/ids.txt", "--out", tmp + "/logits.json")
    logits = json.load(open(tmp + "/logits.json"))
    check(len(logits) == len(ids.split()) and len(logits[0]["logits"]) > 100, "one row of logits per token")
    open(tmp + "/bad_ids.txt", "w").write("2 x 3")
    facet("logits", "-m", model, "--tokens", tmp + "/bad_ids.txt", "--out", tmp + "/l.json", code=3, says="'x'")
    open(tmp + "/far_ids.txt", "w").write("2 999999")
    facet("logits", "-m", model, "--tokens", tmp + "/far_ids.txt", "--out", tmp + "/l.json", code=2)
    check(not os.path.exists(tmp + "/l.json"), "a failed run leaves no output")

    facet("quantize", "-m", model, "--scheme", "q5_9", "--out", tmp + "/x.gguf", code=2, says="unknown scheme")
    facet("quantize", "-m", model, "--method", "magic", "--out", tmp + "/x.gguf", code=2, says="magic")
    facet("quantize", "-m", model, "--scheme", "mobile", "--out", tmp + "/x.gguf", code=2, says="folder")
    facet("quantize", "-m", model, "--scheme", "mobile", "--rule", "embed_token$=8", "--text", text, "-c", "32",
          "--out", tmp + "/x", code=2, says="embed_token$")
    facet("quantize", "-m", model, "--rule", "mlp=8", "--out", tmp + "/x.gguf", code=2, says="has no rules")
    facet("quantize", "-m", model, "--method", "gptq", "--out", tmp + "/x.gguf", code=2, says="--text")
    facet("quantize", "-m", model, "--method", "rtn", "--out", "/proc/nowhere/x.gguf", code=1)
    out = tmp + "/eval"
    os.mkdir(out)
    common = ["--text", text, "--ctx-size", "32", "--windows", "4"]
    facet("quantize", "-m", model, "--scheme", "q4_0", "--method", "rtn", "--out", out + "/q4_0.gguf")
    facet("quantize", "-m", model, "--scheme", "mobile", "--method", "mse", *common, "--out", out + "/mobile")
    facet("quantize", "-m", out + "/q4_0.gguf", "--scheme", "q4_0", "--out", tmp + "/x.gguf", code=3)
    evaluate = ["--text", text, "-c", "32", "--max-windows", "3", "--reference", model, "--format", "json", "--output"]
    for name, path in [("float", model), ("q4_0", out + "/q4_0.gguf"), ("mobile", out + "/mobile")]:
        facet("eval", "-m", path, *evaluate, f"{out}/{name}.eval.json")
    record = json.load(open(out + "/q4_0.eval.json"))
    check(record["references"][0]["kld_mean"] > 0 and record["peak_rss_bytes"] > 0, "an evaluation has its figures")
    facet("report", out)
    check(len(json.load(open(out + "/report.json"))["rows"]) == 3, "the report has a row per record")
    facet("report", tmp + "/cut", code=3, says="eval.json")
    facet("eval", "-m", model, "--text", text, "-c", "100000", code=2, says="tokens")
    facet("eval", "-m", out + "/q4_0.gguf", "--text", text, "-c", "32", "--max-windows", "3", "--reference", model,
          "--max-kld", "1e-9", code=4, says="--max-kld")
    facet("eval", "-m", model, "--text", tmp + "/none.txt", code=3)
    facet("eval", "-m", model, "--text", text, "--scheme", "q4", code=2, says="q4")
    facet("eval", "-m", model, "--text", text, "--max-kld", "0.1", code=2, says="--reference")
    before = open(model + "/model.safetensors", "rb").read()
    facet("quantize", "-m", model, "--scheme", "mobile", "--method", "mse", *common, "--out", model, code=2, says="itself")
    check(open(model + "/model.safetensors", "rb").read() == before, "a model is not quantized over itself")
    with open("/dev/full", "w") as full:
        code = subprocess.run([FACET, "run", "-m", model, "-p", "x", "-n", "400"], stdout=full, stderr=subprocess.DEVNULL).returncode
    check(code == 1, f"a full standard output ends with {code}, expected 1")


def train(tmp, model, text):
    run = tmp + "/run"
    common = ["--init", model, "--train-text", text, "--valid-text", text, "--context", "32", "--batch-size", "2",
              "--eval-windows", "4", "--threads", "1"]
    facet("train", "--config", tmp + "/none.json", code=3)
    facet("train", *common, "--max-steps", "2", "--scheme", "q9", "--output-dir", run, code=2, says="scheme")
    facet("train", *common, "--max-steps", "2", "--context", "1000000", "--output-dir", run, code=2)
    facet("train", *common, "--max-steps", "4", "--scheme", "mobile", "--loss", "kl", "--teacher", model, "--output-dir", run)
    check(os.path.exists(run + "/last-mobile/model.safetensors"), "training exports the mobile model")
    facet("run", "-m", run + "/last-mobile", "-p", "hello", "-n", "3")
    drafter = ["train-drafter", "--target", model, "--text", text, "--valid-text", text, "--context", "32", "--batch-size", "2",
               "--eval-windows", "4", "--threads", "1", "--drafter-hidden", "32", "--drafter-ffn", "32"]
    told = facet(*drafter, "--max-steps", "3", "--out", tmp + "/run_drafter").stdout
    check("tokens a round" in told, f"train-drafter says how often it is right: {told!r}")
    drafted = facet("run", "-m", model, "-p", "the quick", "-n", "20", "-md", tmp + "/run_drafter/best", "--spec-draft-n-max", "2")
    check(drafted.stdout == facet("run", "-m", model, "-p", "the quick", "-n", "20").stdout and "drafts: " in drafted.stderr,
          "a drafter that was trained drafts, and changes no text")
    facet(*drafter, "--max-steps", "3", "--teacher", model, "--out", tmp + "/run_drafter2", code=2, says="teacher")
    facet(*drafter, "--max-steps", "3", "--scheme", "mobile", "--out", tmp + "/run_drafter2", code=2, says="mobile")
    facet(*drafter[:2], tmp + "/absent", *drafter[3:], "--max-steps", "3", "--out", tmp + "/run_drafter2", code=3, says="absent")
    # Ctrl-C and a polite kill: saved, exit 130.
    for sent in (signal.SIGINT, signal.SIGTERM):
        out = f"{tmp}/{sent.name}"
        process = subprocess.Popen([FACET, "train", *common, "--max-steps", "100000", "--output-dir", out],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        log = out + "/log.jsonl"
        for _ in range(600):
            if os.path.exists(log) and '"step"' in open(log).read():
                break
            time.sleep(0.1)
        process.send_signal(sent)
        process.communicate(timeout=120)
        check(process.returncode == 130, f"{sent.name} ends with {process.returncode}, expected 130")
        check(os.path.isdir(out + "/state"), f"{sent.name} saves")


def main():
    tmp = tempfile.mkdtemp(prefix="facet_cli_")
    try:
        model = tmp + "/model"
        subprocess.run([WRITE_MODEL, model], check=True, stdout=subprocess.DEVNULL)
        text = tmp + "/text.txt"
        open(text, "w").write("the quick brown fox jumps over the lazy dog. " * 60)
        usage()
        models(tmp, model)
        tokens(tmp, model)
        use(tmp, model, text)
        bench_parts(tmp, model, text)
        bench(tmp, model)
        drafters(tmp, model)
        drafts_on_texts(tmp, model, text)
        bench_drafts(tmp, model)
        conversions(tmp, model)
        if HAS_TRAINER:
            train(tmp, model, text)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    for failure in failures:
        print("FAILED:", failure)
    print(f"{'FAILED' if failures else 'passed'}: {len(failures)} problems")
    sys.exit(1 if failures else 0)


main()
