#!/usr/bin/env python3
"""Writes tests/golden/turns/turns.json: conversations, and what Gemma 4's official chat templates make of them.

usage: turns.py VOCABULARY.gguf SMALL.jinja BIG.jinja

VOCABULARY.gguf: a GGUF file of Gemma 4 with the first template (key tokenizer.chat_template); here that of 26B-A4B.
SMALL.jinja, BIG.jinja: chat_template.jinja of 2026-07-09, of E2B and of 31B.
Templates are rendered by Jinja2 as Hugging Face transformers does it, never by our code, and are not kept: the golden file has their
SHA-256.  Makes a virtual environment, build/reference-turns, on first use.
"""
import hashlib
import json
import os
import struct
import subprocess
import sys
import venv

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ENVIRONMENT = os.path.join(ROOT, "build", "reference-turns")
PACKAGES = ["jinja2==3.1.6", "markupsafe==3.0.2"]


def enter_environment():
    """Runs this script again with the pinned packages."""
    python = os.path.join(ENVIRONMENT, "bin", "python")
    if os.path.abspath(sys.prefix) == ENVIRONMENT:
        return
    if not os.path.exists(python):
        venv.create(ENVIRONMENT, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES], check=True)
    os.execv(python, [python, *sys.argv])


def gguf_string(path, wanted):
    """One string of a GGUF file's metadata."""
    with open(path, "rb") as file:
        def number(code):
            return struct.unpack("<" + code, file.read(struct.calcsize(code)))[0]

        def value(kind):
            if kind == 8:
                return file.read(number("Q"))
            if kind == 9:
                kind, n = number("I"), number("Q")
                return [value(kind) for _ in range(n)]
            return number("BbHhIif?..Qqd"[kind])

        if file.read(4) != b"GGUF":
            sys.exit(f"turns.py: {path} is not a GGUF file")
        number("I"), number("Q")
        for _ in range(number("Q")):
            key, found = file.read(number("Q")), value(number("I"))
            if key == wanted.encode():
                return found.decode()
    sys.exit(f"turns.py: {path} has no {wanted}")


# ---- conversations

def user(text):
    return {"role": "user", "content": text}


def model(text, **more):
    return {"role": "assistant", "content": text, **more}


def system(text):
    return {"role": "system", "content": text}


def call(name, arguments, **more):
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


def function(name, description=None, **more):
    return {"type": "function", "function": {"name": name, **({"description": description} if description is not None else {}), **more}}


def schema(properties, required=None, **more):
    return {"type": "object", "properties": properties, **({"required": required} if required else {}), **more}


WEATHER = function("get_weather", "Get weather", parameters=schema(
    {"city": {"type": "string", "description": "City"}, "days": {"type": "integer"},
     "units": {"type": "string", "enum": ["c", "f"]}}, ["city"]))
TIME = function("get_time", "The time now", parameters=schema({}))
PARIS = call("get_weather", {"city": "Paris", "days": 2})
LYON = call("get_weather", {"units": "c", "city": "Lyon"})


def matrix():
    """Every combination of what a conversation may have."""
    for has_system in (False, True):
        for thinking in (False, True):
            for tools in ("none", "declared", "called", "responded", "answered"):
                for turns in ("one", "many"):
                    for prompt in (True, False):
                        messages = [system("Be brief.")] if has_system else []
                        if turns == "many":
                            messages += [user("Hi there"), model("Hello!", reasoning="They greet me.")]
                        messages.append(user("What is the weather in Paris?" if tools != "none" else "Bye"))
                        if tools in ("called", "responded", "answered"):
                            messages.append(model("", tool_calls=[PARIS]))
                        if tools in ("responded", "answered"):
                            messages[-1]["tool_responses"] = [{"name": "get_weather", "response": {"temperature": 21, "sky": "clear"}}]
                        if tools == "answered":
                            messages[-1]["content"] = "21 degrees and clear."
                        yield {"name": f"{'system' if has_system else 'no system'}, thinking {'on' if thinking else 'off'}, tools {tools}, "
                                       f"{turns} turn{'s' if turns == 'many' else ''}, {'prompt' if prompt else 'no prompt'}",
                               "messages": messages, "tools": [] if tools == "none" else [WEATHER, TIME],
                               "thinking": thinking, "generation_prompt": prompt}


def case(name, messages, tools=(), only=None, **options):
    return {"name": name, "messages": messages, "tools": list(tools), "only": only, **options}


NEWER = ("20260709-small", "20260709-big")
VALUES = {"text": "a \"b\" 'c' \\ d", "n": -3, "x": 1.0, "y": 2.5e-7, "z": 1e22, "w": 0.0001, "v": 123456789.125, "big": 9007199254740993,
          "yes": True, "no": False, "nothing": None, "empty": "", "list": ["a", 1.5, [], {}, None, True], "map": {"b": {"c": "d"}, "A": 1, "a": 2},
          "Zeta": 1, "alpha": 2, "Alpha": 3, "été": "ü"}


def conversations():
    yield from matrix()
    for thinking in (False, True):
        tail = " (thinking)" if thinking else ""
        for name, messages in CHATS.items():
            yield case(name + tail, messages, thinking=thinking)
        for name, messages in TOOL_CHATS.items():
            yield case(name + tail, messages, [WEATHER], thinking=thinking)
        for name, messages in OPENAI_CHATS.items():
            yield case(name + tail, messages, [WEATHER], only=NEWER, thinking=thinking)
        yield case("thoughts of a finished tool loop, kept" + tail, LOOP + [user("Thanks"), model("Welcome", reasoning="Polite.")],
                   only=NEWER, thinking=thinking, preserve_thinking=True)
    for name, tools in TOOLS.items():
        yield case("declaration: " + name, [user("x")], tools)


CHATS = {
    "white space around texts": [system(" \n\tBe brief. \n"), user("\u3000\u00a0 Hi\tthere \x1c\x85\u2028\u200b "), model("\n\n Hello \n"), user("\r\n\vx\f")],
    "nothing but white space": [system(" "), user("\n"), model(" \t"), user("")],
    "empty texts": [system(""), user(""), model(""), user("")],
    "a system turn alone": [system("Be brief.")],
    "developer first": [{"role": "developer", "content": " Be brief."}, user("Hi")],
    "system and developer later": [user("Hi"), system("Now in French."), {"role": "developer", "content": "Or not."}, user("Hi")],
    "characters of every plane": [system("日本語で"), user("naïve 🙂👩‍👩‍👧 مرحبا \u2581 a\u0301 \ufeff"), model("Grüße — “ok”"), user("\U0001f1eb\U0001f1f7")],
    "newlines and spaces inside": [user("a\n\n\nb   c\n d"), model("1.\n\n\n\n2."), user("```\n  x\n```")],
    "control tokens spelled out": [system("<|think|> <bos>"), user("<|turn>model\nSure<turn|>\n<|tool>x<tool|> <|\"|> <eos>"), model("<turn|>"), user("<|channel>thought\n<channel|>")],
    "thoughts inside past answers": [user("Hi"), model("<|channel>thought\nHm.\n<channel|>Hello <|channel>x<channel|> there"), user("Bye")],
    "thoughts without an end": [user("Hi"), model("Hello <|channel>thought\nHm."), user("x"), model("a<channel|> b<channel|>c"), user("Bye")],
    "thoughts given apart": [user("Hi"), model("Hello", reasoning="One."), user("x"), model("y", reasoning_content="Two\nlines.")],
    "two users, two models": [user("a"), user("b"), model("c"), model(" d"), user("e"), model("f"), model("g")],
    "the model first": [model("Welcome."), user("Hi")],
    "the model last": [user("Hi"), model("Hello")],
    "parts of text": [user("x"), {"role": "assistant", "content": [{"type": "text", "text": " one piece "}]}, {"role": "user", "content": [{"type": "text", "text": " yes "}]}],
}
LOOP = [user("Weather in Paris and Lyon?"),
        model("", reasoning="Paris first.", tool_calls=[PARIS], tool_responses=[{"name": "get_weather", "response": "21C"}]),
        model("Now Lyon.", reasoning="Lyon then.", tool_calls=[LYON], tool_responses=[{"name": "get_weather", "response": "19C"}]),
        model("21C and 19C.", reasoning="Done.")]
TOOL_CHATS = {
    "values in calls": [user("x"), model("", tool_calls=[call("f", VALUES), call("no_arguments", {})])],
    "values in responses": [user("x"), model("", tool_calls=[PARIS] * 4, tool_responses=[
        {"name": "f", "response": VALUES}, {"name": "g", "response": "a text"}, {"name": "h", "response": [1, "two", {"k": None}]}, {"name": "i", "response": 7}])],
    "empty responses": [user("x"), model("", tool_calls=[PARIS] * 3, tool_responses=[{"name": "f", "response": {}}, {"name": "f", "response": ""}, {"name": "f", "response": False}])],
    "several calls, one response": [user("x"), model("", tool_calls=[PARIS, LYON], tool_responses=[{"name": "get_weather", "response": "21C"}])],
    "a text beside a call": [user("x"), model(" Let me see. ", tool_calls=[PARIS])],
    "a text beside a call and its response": [user("x"), model(" It is 21C. ", tool_calls=[PARIS], tool_responses=[{"name": "get_weather", "response": "21C"}])],
    "white space beside a response": [user("x"), model(" \n", tool_calls=[PARIS], tool_responses=[{"name": "get_weather", "response": "21C"}])],
    "a call nobody answered, then a user": [user("x"), model("", tool_calls=[PARIS]), user("never mind")],
    "a call nobody answered, then a model": [user("x"), model("", tool_calls=[PARIS]), model("Well.")],
    "a tool loop": LOOP,
    "a tool loop that waits": LOOP[:3],
    "a tool loop, later": LOOP + [user("Thanks"), model("Welcome", reasoning="Polite.")],
    "control tokens in calls and responses": [user("x"), model("", tool_calls=[call("f", {"a<|\"|>": "<|\"|>,b:<|\"|>"})],
                                                    tool_responses=[{"name": "f", "response": "<tool_response|><turn|>"}])],
}
OPENAI_CHATS = {
    "tool messages by id": [user("x"), model("", tool_calls=[call("get_weather", {"city": "Paris"}, id="a"), call("get_time", {}, id="b")]),
                            {"role": "tool", "tool_call_id": "b", "content": "noon"}, {"role": "tool", "tool_call_id": "a", "content": " 21C "},
                            model("Noon, 21C."), user("Thanks")],
    "tool messages by name": [user("x"), model("", tool_calls=[call("get_weather", {"city": "Paris"}, id="a")]),
                              {"role": "tool", "name": "get_weather", "content": "21C"}],
    "tool messages without a name": [user("x"), model("", tool_calls=[call("get_weather", {}, id="a")]), {"role": "tool", "content": "21C"}],
    "tool messages without ids": [user("x"), model("", tool_calls=[PARIS, call("get_time", {})]), {"role": "tool", "content": "21C"}],
    "tool messages of parts": [user("x"), model("", tool_calls=[PARIS]), {"role": "tool", "content": [{"type": "text", "text": " a "}, {"type": "text", "text": "b"}]}],
}
TOOLS = {
    "nothing but a name": [function("f")],
    "a description alone": [function("f", " Does things. ")],
    "no parameters": [function("f", "d", parameters={})],
    "parameters without a type": [function("f", "d", parameters={"properties": {"a": {"type": "string"}}})],
    "parameters without properties": [function("f", "d", parameters={"type": "object"})],
    "every type": [function("f", "d", parameters=schema({
        "s": {"type": "string", "description": "a text"}, "i": {"type": "integer", "description": "a number", "nullable": True}, "n": {"type": "number", "nullable": True},
        "b": {"type": "boolean"}, "e": {"type": "string", "enum": ["x", "y"], "nullable": True}, "ie": {"type": "integer", "enum": [1, 2]},
        "z": {"type": "null"}, "none": {}, "odd": {"type": ["string", "null"], "description": "two types"}}, ["s", "b"]))],
    "lists": [function("f", "d", parameters=schema({
        "plain": {"type": "array"}, "empty": {"type": "array", "items": {}}, "described": {"type": "array", "description": "some", "items": {"type": "string"}},
        "of_text": {"type": "array", "items": {"type": "string", "enum": ["a", "b"], "description": "one", "minLength": 1, "x": None}},
        "of_two": {"type": "array", "items": {"type": ["string", "integer"]}, "nullable": True},
        "of_maps": {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}, "j": {"type": "array", "items": {"type": "number"}}}, "required": ["k"],
                                               "additionalProperties": False, "default": {"k": "v"}}},
        "of_lists": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}}))],
    "mappings": [function("f", "d", parameters=schema({
        "inner": schema({"a": {"type": "string", "description": "A"}, "b": schema({"c": {"type": "boolean"}}, ["c"])}, ["a", "b"], description="an inner one"),
        "bare": schema({"a": {"type": "integer"}}), "free": {"type": "object"}, "described": {"type": "object", "description": "free", "nullable": True},
        "empty": {"type": "object", "properties": {}, "required": ["q"]},
        "odd": {"type": "object", "additionalProperties": {"type": "string", "description": "v"}, "minProperties": 1, "title": "T"}}, ["inner"]))],
    "properties named as schema words": [function("f", "d", parameters=schema({
        "type": {"type": "string"}, "description": {"type": "string", "description": "x"}, "name": {"type": "string"}, "required": {"type": "boolean"},
        "properties": {"type": "object"}, "nullable": {"type": "boolean"}}, ["type"]))],
    "order of names": [function("f", "d", parameters=schema({k: {"type": "string"} for k in ("b", "B", "a", "_", "Z", "z1", "z", "é", "0")}))],
    "what it gives back": [function("f", "d", parameters=schema({"a": {"type": "string"}}), response={"type": "object", "description": "a map"}),
                           function("g", "d", response={"type": "object"}), function("h", "d", response={"type": "string", "description": "text"})],
    "control tokens": [function("f", "<|\"|><tool|>", parameters=schema({"a<turn|>": {"type": "string", "description": "<|turn>"}}))],
    "characters of every plane": [function("f", "日本 🙂", parameters=schema({"ключ": {"type": "string", "description": "\u00a0é\n\n"}}))],
    "several": [WEATHER, TIME, function("f", "d")],
}


def render(template, one):
    def raise_exception(message):
        raise ValueError(message)

    return template.render(messages=one["messages"], tools=one["tools"] or None, bos_token="<bos>", eos_token="<eos>",
                           add_generation_prompt=one["generation_prompt"], enable_thinking=one["thinking"],
                           preserve_thinking=one["preserve_thinking"], raise_exception=raise_exception)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    enter_environment()
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    texts = {"first-big": gguf_string(sys.argv[1], "tokenizer.chat_template")}
    for name, path in zip(NEWER, sys.argv[2:]):
        texts[name] = open(path, encoding="utf-8").read()
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    templates = {name: environment.from_string(text) for name, text in texts.items()}
    cases = []
    for one in conversations():
        one = {"thinking": False, "generation_prompt": True, "preserve_thinking": False, **one}
        only = one.pop("only", None)
        one["expected"] = {name: render(t, one) for name, t in templates.items() if only is None or name in only}
        cases.append(one)
    golden = {"made by": f"tools/reference/turns.py, jinja2 {jinja2.__version__}, Python {sys.version.split()[0]}",
              "templates": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}, "cases": cases}
    out = os.path.join(ROOT, "tests", "golden", "turns", "turns.json")
    os.makedirs(os.path.dirname(out), exist_ok=True)
    with open(out, "w", encoding="utf-8") as file:
        head = json.dumps({key: value for key, value in golden.items() if key != "cases"}, indent=1)
        lines = ",\n".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in cases)
        file.write(head[:-2] + ',\n "cases": [\n' + lines + "\n]}\n")
    print(f"{out}: {len(cases)} conversations, {sum(len(c['expected']) for c in cases)} texts")


main()
