"""Gemma's tokenizer in Hugging Face's `tokenizers`, built from a GGUF file or a tokenizer.json without any code of src/."""
import json
import os
import struct

from tokenizers import Tokenizer

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SHARED = os.environ.get("FACET_SHARED", os.path.join(ROOT, "..", "shared"))
BUILTIN = os.path.join(ROOT, "models", "builtin")
GEMMA4 = os.path.join(SHARED, "data", "gemma4-vocab.gguf")  # the real one
SPACE = "\u2581"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def read_gguf(path):
    """Tokens, merges and token types of a GGUF file (v3) that we trust."""
    data = open(path, "rb").read()
    at = 0

    def number(code):
        nonlocal at
        at += struct.calcsize("<" + code)
        return struct.unpack_from("<" + code, data, at - struct.calcsize("<" + code))[0]

    def value(kind):
        nonlocal at
        if kind == 8:
            size = number("Q")
            at += size
            return data[at - size:at].decode()
        if kind == 9:
            element, count = number("I"), number("Q")
            return [value(element) for _ in range(count)]
        return number({0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}[kind])

    at = 16  # magic, version, number of tensors
    keys = {}
    for _ in range(number("Q")):
        key = value(8)
        keys[key] = value(number("I"))
    types = keys["tokenizer.ggml.token_type"]
    tokens = keys["tokenizer.ggml.tokens"]
    added = {i: tokens[i] for i in range(len(tokens)) if types[i] in (UNKNOWN, CONTROL, USER_DEFINED)}
    return tokens, keys["tokenizer.ggml.merges"], added, {i for i in added if types[i] == USER_DEFINED}


def read_json(path):
    root = json.load(open(path, encoding="utf-8"))
    vocab = root["model"]["vocab"]
    tokens = sorted(vocab, key=vocab.get)
    added = {t["id"]: t["content"] for t in root["added_tokens"]}
    return tokens, root["model"]["merges"], added, {t["id"] for t in root["added_tokens"] if not t["special"]}


class Reference:
    """plain(): special tokens in a text are text.  special(): they are cut out, as Hugging Face does unless told otherwise.
    decode(): control tokens are left out, the ones a chat parser has to see are printed."""

    def __init__(self, path):
        read = read_gguf if path.endswith(".gguf") else read_json
        self.tokens, merges, self.added, visible = read(path)
        self.plain_tokenizer = self._build(merges, set())
        self.plain_tokenizer.encode_special_tokens = True
        self.special_tokenizer = self._build(merges, set())
        self.decoder = self._build(merges, visible)

    def _build(self, merges, visible):
        # The pipeline of the released file: no prefix, no split, a space is U+2581.
        return Tokenizer.from_str(json.dumps({
            "version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False,
                              "normalized": False, "special": i not in visible} for i, t in self.added.items()],
            "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
            "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
            "post_processor": None,
            "decoder": {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
            "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                      "vocab": {t: i for i, t in enumerate(self.tokens)}, "merges": [m.split(" ") for m in merges]}}))

    def plain(self, texts):
        return [e.ids for e in self.plain_tokenizer.encode_batch(texts, add_special_tokens=False)]

    def special(self, texts):
        return [e.ids for e in self.special_tokenizer.encode_batch(texts, add_special_tokens=False)]

    def decode(self, ids):
        return self.decoder.decode_batch(ids, skip_special_tokens=True)
