#!/usr/bin/env python3
"""`facet chat` as a person meets it: through a real terminal (tmux), and through pipes.

usage: chat_test.py FACET WRITE_RANDOM_MODEL
The model is the tiny random one with Gemma 4's turn markers put into its vocabulary: it talks nonsense, always the same.
"""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

FACET, WRITE_MODEL = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
MARKERS = ["<|tool>", "<tool|>", "<|think|>", "<|turn>", "<turn|>", "<|tool_call>", "<tool_call|>", "<|tool_response>",
           "<tool_response|>", "<|\"|>", "<|channel>", "<channel|>"]
GREEDY = ["--temp", "0", "-t", "1"]
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)


PRINTABLE = {f"<0x{byte:02X}>" for byte in range(0x20, 0x7f)} | {"\u2581", "th", *"abcdefghijklmnopqrstuvwxyz"}


def chat_model(path, positions=512, may_say=PRINTABLE):
    """The random model with markers in place of unused tokens, and <turn|> among its end tokens.  It says nothing but `may_say`: printable
    ASCII survives a file of JSON."""
    subprocess.run([WRITE_MODEL, path], check=True, stdout=subprocess.DEVNULL)
    tokenizer = json.load(open(path + "/tokenizer.json"))
    vocab = tokenizer["model"]["vocab"]
    unused = sorted((piece for piece in vocab if piece.startswith("<unused")), key=vocab.get)
    for marker, piece in zip(MARKERS, unused):
        vocab[marker] = vocab.pop(piece)
        tokenizer["added_tokens"].append({"id": vocab[marker], "content": marker, "single_word": False, "lstrip": False, "rstrip": False,
                                          "normalized": False, "special": True})
    json.dump(tokenizer, open(path + "/tokenizer.json", "w"))
    config = json.load(open(path + "/config.json"))
    json.dump({**config, "max_position_embeddings": positions}, open(path + "/config.json", "w"))
    generation = json.load(open(path + "/generation_config.json"))
    generation["suppress_tokens"] = sorted({id for piece, id in vocab.items() if piece not in may_say} |
                                           {token["id"] for token in tokenizer["added_tokens"] if token["content"] not in may_say})
    json.dump({**generation, "eos_token_id": [1, vocab["<turn|>"], vocab["<|tool_response>"]]}, open(path + "/generation_config.json", "w"))
    return path


def pipe(model, *flags, text="", code=0, says=None, env=None):
    """One run with standard input from a pipe."""
    result = subprocess.run([FACET, "chat", "-m", model, *flags], input=text.encode(), capture_output=True, timeout=120,
                            env={**os.environ, **(env or {})})
    out, err = result.stdout.decode(errors="replace"), result.stderr.decode(errors="replace")
    name = "facet chat " + " ".join(flags) + f" <<< {text!r}"
    check(result.returncode == code, f"{name}: exit {result.returncode}, expected {code}: {err[-300:]!r}")
    check(says is None or says in err, f"{name}: says {err[-400:]!r}, expected {says!r} in it")
    check("\x1b" not in out + err, f"{name}: escape sequences without a terminal")
    return out, err


class Terminal:
    """`facet chat` in a window of tmux, whose screen and exit code can be read."""
    socket = f"facet_chat_{os.getpid()}"

    def __init__(self, model, *flags, env="", out=None, ready="> "):
        command = " ".join(shlex.quote(word) for word in [FACET, "chat", "-m", model, *flags])
        if out:
            command += " > " + shlex.quote(out)
        # A server that outlives its windows: one that goes with the last of them may still be going when the next is asked for.
        self.tmux("-f", "/dev/null", "start-server", ";", "set-option", "-g", "exit-empty", "off", ";",
                  "new-session", "-d", "-x", "150", "-y", "48", "-s", "chat", f"{env} {command}; echo \"[exit $?]\"; sleep 1000")
        self.screen_until(ready)

    @classmethod
    def tmux(cls, *words):
        done = subprocess.run(["tmux", "-L", cls.socket, *words], capture_output=True, text=True, timeout=20)
        check(done.returncode == 0, f"tmux {words[0]}: {done.stderr.strip()!r}")
        return done.stdout

    def screen(self, escapes=False):
        return self.tmux("capture-pane", "-p", "-J", "-S", "-500", "-t", "chat", *(["-e"] if escapes else []))

    def screen_until(self, text, seconds=30):
        """Waits until the screen's text matches; returns it."""
        end = time.time() + seconds
        while time.time() < end:
            screen = self.screen()
            if text in screen:
                return screen
            time.sleep(0.05)
        failures.append(f"no {text!r} within {seconds} s on the screen: {self.screen()[-600:]!r}")
        return self.screen()

    def keys(self, *keys):
        self.tmux("send-keys", "-t", "chat", *keys)

    def type(self, line):
        self.tmux("send-keys", "-t", "chat", "-l", line)
        self.keys("Enter")

    def say(self, line):
        """Types a line and waits for the statistics after its answer."""
        before = self.screen().count("(VmHWM)")
        self.type(line)
        end = time.time() + 30
        while time.time() < end and self.screen().count("(VmHWM)") == before:
            time.sleep(0.05)
        check(self.screen().count("(VmHWM)") == before + 1, f"no answer to {line!r}: {self.screen()[-600:]!r}")
        time.sleep(0.1)

    def code(self):
        screen = self.screen_until("[exit ")
        found = re.search(r"\[exit (\d+)\]", screen)
        return int(found[1]) if found else None

    def close(self):
        self.tmux("kill-session", "-t", "chat")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def bad_input(tmp, model):
    plain = tmp + "/plain"
    subprocess.run([WRITE_MODEL, plain], check=True, stdout=subprocess.DEVNULL)
    pipe(plain, text="hi\n", code=3, says="not a chat model")
    markers = tmp + "/no_markers"
    shutil.copytree(plain, markers)
    open(markers + "/chat_template.jinja", "w").write("'<|turn>'")
    pipe(markers, text="hi\n", code=3, says="<|turn>")
    open(markers + "/chat_template.jinja", "w").write("<start_of_turn>")
    pipe(markers, text="hi\n", code=3, says="not one of Gemma 4")
    builtin = subprocess.run([FACET, "chat", "-p", "hi"], capture_output=True, text=True, timeout=60)
    check(builtin.returncode == 3 and builtin.stderr.count("\n") == 1 and "not a chat model" in builtin.stderr,
          f"the built-in model is refused in one line: {builtin.returncode} {builtin.stderr[-300:]!r}")
    pipe(tmp + "/absent", code=3, says="absent")
    pipe(model, "--reasoning", "maybe", code=2, says="maybe")
    pipe(model, "--temp", "-1", code=2)
    pipe(model, "-sys", "a", "-sysf", "/dev/null", code=2, says="once")
    pipe(model, "-sysf", tmp + "/absent", code=3, says="absent")
    pipe(model, "-c", "1000000", code=2, says="context")
    pipe(model, "-st", "-c", "64", text="x" * 200, code=2, says="shorten it")
    for line, says in [("/frobnicate", "unknown command '/frobnicate'"), ("/read", "needs a file"), (f"/read {tmp}/absent", "absent"),
                       (f"/load {tmp}/absent", "absent"), (f"/load {model}/config.json", "no 'messages'"), ("/save /proc/nowhere/x", "/proc/nowhere"),
                       ("/save", "needs a file"), ("/regen", "no message"), ("x" * 600, "shorten it")]:
        out, err = pipe(model, text=line + "\n", says=says)
        check(out == "" and err.count("error: ") == 1, f"{line[:40]}: one error line, no output: {out!r} {err[-300:]!r}")
    with open("/dev/full", "w") as full:
        code = subprocess.run([FACET, "chat", "-m", model, "-p", "x", "-st"], stdout=full, stderr=subprocess.DEVNULL).returncode
    check(code == 1, f"a full standard output ends with {code}, expected 1")


def pipes(tmp, model):
    out, err = pipe(model, *GREEDY, "-n", "8", text="hello\n")
    check(out.endswith("\n") and out.count("\n") >= 1 and "> " not in out, f"an answer on standard output: {out!r}")
    check("prompt: " in err and "first token" in err and "VmHWM" in err and "context 512" in err, f"statistics and choices: {err!r}")
    quiet = pipe(model, *GREEDY, "-n", "8", "--no-show-timings", text="hello\n")[1]
    check("prompt: " not in quiet, "--no-show-timings")
    for flags, text in [(["-p", "hello", "-st"], ""), (["-st"], "hello"), (["-p", "hello"], ""), ([], " hello \r\n\n   \n"), ([], "hello")]:
        check(pipe(model, *GREEDY, "-n", "8", *flags, text=text)[0] == out, f"the same message through {flags} {text!r}")
    check(pipe(model, *GREEDY, "-n", "8", "-st", text="a\nb")[0] == pipe(model, *GREEDY, "-n", "8", text="a\\\nb\n")[0], "a backslash joins lines")
    # The tokens of a prompt are those of its official text.
    ids = subprocess.run([FACET, "tokenize", "-m", model, "--special", "-p", "<bos><|turn>system\nbe brief<turn|>\n<|turn>user\nhello<turn|>\n<|turn>model\n"],
                         capture_output=True, text=True).stdout.split()
    err = pipe(model, *GREEDY, "-n", "1", "-sys", "be brief", text="hello\n")[1]
    check(f"prompt: {len(ids)} tokens" in err, f"{len(ids)} tokens in the prompt: {err!r}")
    open(tmp + "/system.txt", "w").write("be brief\n")
    sysf = pipe(model, *GREEDY, "-n", "8", "-sysf", tmp + "/system.txt", text="hello\n")[0]
    check(sysf == pipe(model, *GREEDY, "-n", "8", text="/system be brief\nhello\n")[0], "-sysf and /system")
    open(tmp + "/part.txt", "w").write("some text")
    check(pipe(model, *GREEDY, "-n", "8", text=f"/read {tmp}/part.txt\nhello\n")[0] == pipe(model, *GREEDY, "-n", "8", "-st", text="some text\nhello")[0], "/read")
    # Markers in a message are text: the prompt grows by their letters.
    few, many = (int(re.search(r"prompt: (\d+)", pipe(model, "-n", "1", text=t + "\n")[1])[1]) for t in ("x", "x<turn|>"))
    check(many - few == len("<turn|>"), f"markers typed by a user are text: {few} {many}")
    seeds = [pipe(model, "-s", s, "-n", "12", "-t", "1", text="hello\n")[0] for s in ("1", "1", "2")]
    check(seeds[0] == seeds[1] != seeds[2], f"same seed, same answer: {seeds}")
    answers = pipe(model, "-s", "1", "-n", "12", "-t", "1", text=f"hello\n/regen\n/save {tmp}/regen.json\n")[0]
    check(answers != seeds[0] * 2, "/regen draws anew")
    check(len(json.load(open(tmp + "/regen.json"))["messages"]) == 2, "/regen replaces the answer")


def turns(tmp, model):
    """Answers out of the cache are those of a program that starts with the same history."""
    history = tmp + "/history.json"
    for reasoning in ("off", "on"):
        flags = [*GREEDY, "-n", "10", "--reasoning", reasoning, "--repeat-penalty", "1.2"]
        text = f"hello there\n/save {history}\nhow are you\n/save {tmp}/two.json\nand you\n"
        out, err = pipe(model, *flags, "-sys", "be brief", text=text)
        kept = [int(n) for n in re.findall(r"and (\d+) kept", err)]
        check(len(kept) == 2 and kept[0] > 20 and kept[1] > kept[0], f"turns go on in the cache: {kept} {err[-500:]!r}")
        second = pipe(model, *flags, text=f"/load {history}\nhow are you\n")[0]
        third = pipe(model, *flags, text=f"/load {tmp}/two.json\nand you\n")[0]
        check(second and out.endswith(second + third), f"a fresh program says the same ({reasoning}): {out!r} against {second!r} and {third!r}")
    again = pipe(model, *GREEDY, "-n", "10", text="one\n/clear\none\n")[0]
    check(again[: len(again) // 2] * 2 == again, f"/clear forgets: {again!r}")
    # A big model's format, where each answer is read again without its empty thought; and a template that says so.
    big = tmp + "/big"
    shutil.copytree(model, big)
    open(big + "/chat_template.jinja", "w").write("'<|turn>' '<|think|>\\n' '<|channel>thought\\n<channel|>'")
    # Two markers, and "thought" with its newline, where "th" is one token.
    small, large = (int(re.search(r"prompt: (\d+)", pipe(m, "-n", "1", text="x\n")[1])[1]) for m in (model, big))
    check(large - small == 2 + 7, f"the empty thought of big models: {small} {large}")
    out, err = pipe(big, *GREEDY, "-n", "10", text=f"hello there\n/save {history}\nhow are you\n")
    check("kept" in err and out.endswith(pipe(big, *GREEDY, "-n", "10", text=f"/load {history}\nhow are you\n")[0]), f"a big model's second turn: {err[-300:]!r}")


def drafters(tmp, model):
    """The same conversations with a drafter and without, through pipes and on a terminal."""
    drafter, other = tmp + "/drafter", tmp + "/other_drafter"
    for path, kind in ((drafter, "e-drafter"), (other, "k_eq_v-drafter")):
        subprocess.run([WRITE_MODEL, path, kind], check=True, stdout=subprocess.DEVNULL)
        shutil.copy(model + "/tokenizer.json", path)  # which has turns: a drafter of other words is refused
    text = "hello there\nhow are you\n/regen\n/clear\nand you\n/system be brief\nand now\n"
    for draw in (["--temp", "0"], ["-s", "3", "--temp", "1.5", "--repeat-penalty", "1.2"]):
        for reasoning in ("off", "on"):
            flags = [*draw, "-t", "1", "-n", "24", "--reasoning", reasoning]
            plain, _ = pipe(model, *flags, text=text + f"/save {tmp}/plain.json\n")
            for n in ("1", "5", "auto"):
                out, err = pipe(model, *flags, "-md", drafter, "--spec-draft-n-max", n, text=text + f"/save {tmp}/drafted.json\n")
                check(out == plain, f"a drafter changes no answer ({flags}, {n}): {out!r} against {plain!r}")
                check(open(tmp + "/drafted.json").read() == open(tmp + "/plain.json").read(), f"nor the conversation ({flags}, {n})")
                # Those of a random drafter are always wrong: "auto" soon has none.
                check(1 <= err.count("drafts: ") <= 5 and (n == "auto" or err.count("drafts: ") == 5), f"answers tell of their drafts: {err[-600:]!r}")
    small = ["-c", "96", "-n", "12", *GREEDY]
    many = "".join(f"message {letter}\n" for letter in "abcdefgh")
    check(pipe(model, *small, "-md", drafter, text=many)[0] == pipe(model, *small, text=many)[0], "nor when old messages are forgotten")
    pipe(model, "-md", other, text="hi\n", code=3, says="another model")
    pipe(model, "-md", model, text="hi\n", code=3, says="not a drafter")
    for n in ("0", "16", "x"):
        pipe(model, "-md", drafter, "--spec-draft-n-max", n, text="hi\n", code=2, says="expected 1 to 15")
    pipe(model, "-md", drafter, "--memory-limit", "100K", text="hi\n", code=5, says="the limit is")
    screens = []
    for flags in ([], ["-md", drafter, "--spec-draft-n-max", "4"], ["-md", drafter]):
        with Terminal(model, *GREEDY, "-n", "12", *flags) as t:
            for line in ("hello", "and you"):
                t.say(line)
            t.type("/stats")
            t.screen_until("positions in the cache")
            if "-md" in flags and "4" not in flags:
                t.screen_until("drafting: ")
            screen = t.screen()
            check(("drafts: " in screen) == bool(flags), f"a terminal tells of drafts: {screen[-600:]!r}")
            screens.append([line for line in screen.splitlines() if line and not re.match(r"prompt: |drafts: |drafting: |model |\d+ messages; ", line)])
            t.type("/bye")
            check(t.code() == 0, "/bye ends with 0")
    check(screens[0] == screens[1] == screens[2] and len(screens[0]) > 4, f"a terminal shows the same answers: {screens}")


def thoughts(tmp):
    """Models of few words, drawn evenly: which come when depends on the seed alone."""
    draw = ["-s", "1", "--temp", "100", "-t", "1", "-n", "200"]
    thinker = chat_model(tmp + "/thinker", may_say={"<|channel>", "<channel|>", "<0x0A>", "o", "e"})
    out, err = pipe(thinker, *draw, "--no-show-timings", text=f"x\n/save {tmp}/thought.json\n")
    answer = json.load(open(tmp + "/thought.json"))["messages"][-1]
    thought = err.split("\n", 2)[2].rsplit("\n", 2)[0]  # behind what was chosen, before what was saved
    check(out == answer["content"] + "\n" and set(out) <= set("oe\n"), f"the answer alone goes to standard output: {out!r}")
    check(answer["reasoning"] and answer["reasoning"].count("o") == thought.count("o"), f"thoughts go to stderr: {answer['reasoning']!r} {thought!r}")
    with Terminal(thinker, *draw, out="/dev/null") as t:
        t.say("x")
        check(re.search("\x1b\\[2m[oe]", t.screen(escapes=True)), "thoughts are dimmed on a terminal")
    stops = chat_model(tmp + "/stops", may_say={"o", "<turn|>"})
    out, err = pipe(stops, *draw, text="x\nx\n")
    counts = [int(n) for n in re.findall(r"generated: (\d+)", err)]
    check(len(counts) == 2 and max(counts) < 200 and set(out) <= set("o\n"), f"<turn|> ends an answer: {out!r} {err[-300:]!r}")
    calls = chat_model(tmp + "/calls", may_say={"<|tool_call>", "<tool_call|>", "o"})
    out, err = pipe(calls, *draw, text="x\n")
    check("<|tool_call>" in out and err.count("error: ") == 0, f"a call that cannot be read is shown as text: {out!r} {err[-300:]!r}")


def full_context(tmp, model):
    out, err = pipe(model, *GREEDY, "-c", "96", "-n", "12", text="".join(f"message {'abcdefgh'[i]}\n" for i in range(8)) + f"/save {tmp}/full.json\n")
    check("messages were forgotten" in err, f"old messages are forgotten: {err[-500:]!r}")
    left = json.load(open(tmp + "/full.json"))["messages"]
    check(0 < len(left) < 16 and left[-2]["content"] == "message h", f"the last message stays: {left}")
    err = pipe(model, *GREEDY, "-c", "64", "--ignore-eos", text="hello\nagain\n")[1]
    check("the answer ends here" in err and err.count("error: ") == 0, f"an answer fills the context: {err[-500:]!r}")


def terminal(tmp, model):
    out = tmp + "/out.txt"
    with Terminal(model, *GREEDY, "-n", "8", out=out) as t:
        t.say("hello")
        t.type("/stats")
        t.screen_until("positions in the cache")
        t.type("/help")
        t.screen_until("/regen")
        t.type("/nonsense")
        t.screen_until("error: unknown command '/nonsense'")
        t.type("one\\")
        t.screen_until("\n. ")
        t.say("two")
        t.type(f"/save {tmp}/typed.json")
        t.screen_until("4 messages in")
        check(json.load(open(tmp + "/typed.json"))["messages"][2]["content"] == "one\ntwo", "a backslash goes on in the next line")
        t.type("/clear")
        t.type("/stats")
        t.screen_until("0 messages")
        screen = t.screen(escapes=True)
        check("\x1b[2m" in screen, "statistics are dimmed on a terminal")
        t.type("/bye")
        check(t.code() == 0, "/bye ends with 0")
    check(open(out).read().startswith(pipe(model, *GREEDY, "-n", "8", text="hello\n")[0]), "a terminal's answer is a pipe's")
    with Terminal(model, *GREEDY, "-n", "8", env="NO_COLOR=1") as t:
        t.say("hello")
        check("\x1b[2m" not in t.screen(escapes=True), "NO_COLOR is respected")
        t.keys("C-d")
        check(t.code() == 0, "Ctrl-D on an empty line ends with 0")
    with Terminal(model) as t:
        t.keys("C-c")
        check(t.code() == 130, "Ctrl-C at the prompt ends with 130")
    with Terminal(model) as t:
        t.type("/exit")
        check(t.code() == 0, "/exit ends with 0")


def interrupts(tmp):
    """Ctrl-C while the model writes: a context that takes it long to fill."""
    model = chat_model(tmp + "/long", 1 << 20)
    flags = [*GREEDY, "-c", str(1 << 18), "--ignore-eos"]
    out = tmp + "/long.txt"

    def until_it_writes(size):
        end = time.time() + 30
        while time.time() < end and (not os.path.exists(out) or os.path.getsize(out) <= size):
            time.sleep(0.05)

    with Terminal(model, *flags, out=out) as t:
        t.type("hello")
        until_it_writes(0)
        t.keys("C-c")
        t.screen_until("interrupted")
        t.screen_until("VmHWM")
        t.type(f"/save {tmp}/interrupted.json")
        t.screen_until("2 messages in")
        size = os.path.getsize(out)
        t.type("again")
        until_it_writes(size)
        t.keys("C-c")
        t.screen_until("kept")
        t.type("/stats")
        t.screen_until("4 messages;")
        t.keys("C-c")
        check(t.code() == 130, "Ctrl-C after an interrupted answer ends with 130")
    os.remove(out)
    with Terminal(model, *flags, "-st", "-p", "hello", out=out, ready="context ") as t:
        until_it_writes(0)
        t.keys("C-c")
        check(t.code() == 130, "an interrupted single turn ends with 130")
    # A polite kill ends it at once, whatever it does.
    process = subprocess.Popen([FACET, "chat", "-m", model, *flags, "-p", "hello"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.read(1)
    process.terminate()
    check(process.wait(timeout=20) == 130, "SIGTERM ends with 130")


def main():
    tmp = tempfile.mkdtemp(prefix="facet_chat_")
    try:
        model = chat_model(tmp + "/model")
        bad_input(tmp, model)
        pipes(tmp, model)
        turns(tmp, model)
        drafters(tmp, model)
        thoughts(tmp)
        full_context(tmp, model)
        terminal(tmp, model)
        interrupts(tmp)
    finally:
        Terminal.tmux("kill-server")
        shutil.rmtree(tmp, ignore_errors=True)
    for failure in failures:
        print("FAILED:", failure)
    print(f"{'FAILED' if failures else 'passed'}: {len(failures)} problems")
    sys.exit(1 if failures else 0)


main()
