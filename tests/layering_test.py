#!/usr/bin/env python3
"""The house keeps its layers: every #include under src/ and include/ goes down the table of docs/architecture.md.

    layering_test.py [ROOT]      checks the repository at ROOT (default: the one this file is in); exit 1 lists what is wrong
    layering_test.py --self-test breaks a small made-up house in each way and expects each to be found

Rules: a room uses itself and the rooms its row allows; rooms of one row do not see each other; include/facet uses only itself and
the standard library; a header has #pragma once (but x-inl.h, which is text for the inside of a namespace); a test file is named in
its room's CMakeLists.txt, for one that nobody builds passes always.
"""
import re
import sys
import tempfile
from pathlib import Path

ROW = re.compile(r"^\|\s*(\d+)\s*\|([^|]*)\|([^|]*)\|")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)


def read_table(text):
    """{room: set of rooms it may use}, from rows such as | 3 | formats, text | 0-2 | ... |"""
    layers, allowed = {}, {}
    rows = [m.groups() for m in map(ROW.match, text.splitlines()) if m]
    for number, rooms, _ in rows:
        for room in filter(None, (r.strip() for r in rooms.split(","))):
            layers[room] = int(number)
    for number, rooms, may_use in rows:
        below = int(number)
        span = re.search(r"(\d+)(?:-(\d+))?", may_use)
        if span:
            first, last = int(span[1]), int(span[2] or span[1])
        elif "anything below" in may_use:
            first, last = 0, below - 1
        else:  # the standard library
            first, last = 0, -1
        if last >= below:
            raise ValueError(f"docs/architecture.md: layer {below} may use layer {last}, which is not below it")
        exceptions = {e.strip() for e in may_use.partition("not ")[2].split(",")}
        for room in filter(None, (r.strip() for r in rooms.split(","))):
            allowed[room] = {r for r, n in layers.items() if first <= n <= last and r not in exceptions}
    return allowed


def strip_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), text, flags=re.S)


def check(root):
    """A list of lines, one for each thing that is wrong."""
    root = Path(root)
    table = root / "docs/architecture.md"
    allowed = read_table(table.read_text()) if table.exists() else {}
    if not allowed:
        return ["docs/architecture.md: no table of layers found"]
    wrong = []
    files = [p for top in ("src", "include") for p in sorted((root / top).rglob("*")) if p.suffix in (".h", ".cc")]
    if not files:
        return [f"{root}: no sources found under src/ and include/"]
    for path in files:
        name = path.relative_to(root).as_posix()
        text = strip_comments(path.read_text())
        if path.suffix == ".h" and not name.endswith("-inl.h") and not re.search(r"^\s*#\s*pragma\s+once\b", text, re.M):
            wrong.append(f"{name}: no #pragma once")
        public = name.startswith("include/")
        room = None if public else name.split("/")[1]
        if not public and (name.count("/") < 2 or room not in allowed):
            wrong.append(f"{name}: is in no room of docs/architecture.md")
            continue
        if name.endswith("_test.cc"):
            lists = root / "src" / room / "CMakeLists.txt"
            inside = path.relative_to(lists.parent).as_posix()
            if not lists.exists() or not re.search(rf"(?<![\w/]){re.escape(inside)}(?!\w)", lists.read_text()):
                wrong.append(f"{name}: no CMakeLists.txt builds this test")
        for match in INCLUDE.finditer(text):
            quoted, target = match[1] == '"', match[2]
            line = text.count("\n", 0, match.start()) + 1
            first = target.split("/")[0]
            ours = first in allowed or first == "facet"
            if public:
                if not (first == "facet" if quoted else re.fullmatch(r"[a-z_0-9]+", target)):
                    wrong.append(f"{name}:{line}: include/ may use only itself and the standard library, not {target}")
            elif quoted and "/" not in target:
                wrong.append(f"{name}:{line}: write the room too: \"{room}/{target}\"")
            elif ours and first not in ("facet", room) and first not in allowed[room]:
                wrong.append(f"{name}:{line}: {room} may not use {first} ({target})")
            elif quoted and not ours:
                wrong.append(f"{name}:{line}: {target} is in no room; a library's header goes in <>")
            if quoted and ours and not any((root / top / target).exists() for top in ("src", "include")):
                wrong.append(f"{name}:{line}: {target} does not exist")
    return wrong


GOOD = {
    "docs/architecture.md": """
| layer | rooms | may use | must never learn |
|---|---|---|---|
| 0 | base | the standard library | tensors |
| 1 | tensor | 0 | files |
| 2 | formats, text | 0-1 | each other |
| 3 | train | 0-2 | x |
| 4 | eval | 0-3, not train | flags |
| 5 | cli | anything below | |
""",
    "include/facet/status.h": "#pragma once\n#include <string>\n",
    "include/facet/model.h": '#pragma once\n#include "facet/status.h"\n',
    "src/base/a.h": '#pragma once\n#include "facet/status.h"\n#include <sys/mman.h>\n',
    "src/tensor/t.h": '#pragma once\n#include "base/a.h"\n// #include "cli/main.h"\n',
    "src/text/x.cc": '#include "tensor/t.h"\n#include <nlohmann/json.hpp>\n',
    "src/formats/gguf/g.h": '// comment first\n#pragma once\n#include "base/a.h"\n',
    "src/formats/gguf/g.cc": '#include "formats/gguf/g.h"\n',
    "src/formats/gguf/g-inl.h": "",
    "src/train/t.h": "#pragma once\n",
    "src/train/cpu/k_test.cc": "",
    "src/train/CMakeLists.txt": "facet_room(train TESTS cpu/k_test.cc)\n",
    "src/eval/e.cc": '#include "text/x.cc"\n',
    "src/cli/main.cc": '#include "train/t.h"\n#include "formats/gguf/g.h"\n',
}
BAD = [
    ("src/base/up.cc", '#include "tensor/t.h"\n', "src/base/up.cc:1: base may not use tensor"),
    ("src/base/up.cc", "#include <tensor/t.h>\n", "base may not use tensor"),
    ("src/base/up.cc", '\n  #  include "cli/main.cc"\n', "src/base/up.cc:2: base may not use cli"),
    ("src/text/s.cc", '/* two\nlines */\n#include "formats/gguf/g.h"\n', "src/text/s.cc:3: text may not use formats"),
    ("src/eval/t.cc", '#include "train/t.h"\n', "eval may not use train"),
    ("src/text/local.cc", '#include "x.cc"\n', "write the room too"),
    ("src/text/lost.cc", '#include "base/absent.h"\n', "base/absent.h does not exist"),
    ("src/text/lib.cc", '#include "fmt/format.h"\n', "goes in <>"),
    ("src/attic/a.h", "#pragma once\n", "src/attic/a.h: is in no room"),
    ("src/loose.h", "#pragma once\n", "src/loose.h: is in no room"),
    ("src/base/g.h", "#ifndef G\n#endif\n", "src/base/g.h: no #pragma once"),
    ("src/base/g.h", "// #pragma once\n", "src/base/g.h: no #pragma once"),
    ("include/facet/x.h", '#pragma once\n#include "base/a.h"\n', "include/ may use only itself"),
    ("include/facet/x.h", "#pragma once\n#include <fmt/format.h>\n", "include/ may use only itself"),
    ("src/text/t_test.cc", "", "src/text/t_test.cc: no CMakeLists.txt builds this test"),
    ("src/train/k_test.cc", "", "src/train/k_test.cc: no CMakeLists.txt builds this test"),
    ("docs/architecture.md", "no table\n", "no table of layers found"),
]


def write(root, files):
    for name, text in files.items():
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def self_test():
    failures = []
    for name, text, expected in [(None, "", None), *BAD]:
        with tempfile.TemporaryDirectory() as root:
            write(root, GOOD | ({name: text} if name else {}))
            wrong = check(root)
            ok = wrong == [] if expected is None else len(wrong) == 1 and expected in wrong[0]
            if not ok:
                failures.append(f"{name}: expected {expected!r}, got {wrong}")
    return failures


def main(args):
    wrong = self_test() if args == ["--self-test"] else check(args[0] if args else Path(__file__).resolve().parent.parent)
    print("\n".join(wrong) if wrong else "ok")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
