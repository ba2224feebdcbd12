"""Seeded strings that try to hurt a tokenizer; all of them are Unicode text (no surrogates), none is empty."""
import os
import random

SPACES = [" ", "\n", "\t", "\r\n", "\r", "\u00a0", "\u3000", "\u2003", "\u200b", "\u2581", "\u2028", "\v", "\f", "\u0085"]
EDGES = [0, 1, 0x1F, 0x20, 0x7E, 0x7F, 0x80, 0xFF, 0x100, 0x7FF, 0x800, 0xFFF, 0x1000, 0x2580, 0x2581, 0x2582, 0xD7FF, 0xE000,
         0xFDD0, 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x1FFFF, 0xE0001, 0xE007F, 0xF0000, 0xFFFFF, 0x100000, 0x10FFFF]
EMOJI = ["\U0001F600", "\U0001F468\u200d\U0001F469\u200d\U0001F467\u200d\U0001F466", "\U0001F44D\U0001F3FD", "\u2764\ufe0f",
         "\U0001F1E9\U0001F1EA", "\U0001F1E9", "1\ufe0f\u20e3", "\U0001F3F4\U000E0067\U000E0062\U000E007F", "\u200d", "\ufe0f",
         "\U0001F9D1\U0001F3FB\u200d\U0001F4BB", "\u2640", "\U0001FAE8"]
SCRIPTS = [(0x41, 0x7A), (0xC0, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF), (0x530, 0x58F), (0x5D0, 0x5EA), (0x600, 0x6FF),
           (0x900, 0x97F), (0xB80, 0xBFF), (0xE00, 0xE7F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1E00, 0x1EFF), (0x3040, 0x30FF),
           (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x20000, 0x2A6DF), (0x1D400, 0x1D7FF), (0x2190, 0x23FF), (0x10330, 0x1034F)]
MARKS = [(0x300, 0x36F), (0x483, 0x487), (0x591, 0x5BD), (0x64B, 0x65F), (0x93C, 0x94D), (0xE31, 0xE3A), (0x1AB0, 0x1ACE),
         (0x20D0, 0x20F0), (0x302A, 0x302D), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF)]
ENGLISH = ("the of and to a in that is was he for it with as his on be at by i this had not are but from or have an they which one "
           "you were all her she there would their we him been has when who will no more if out so up said what its about than "
           "into them can only other time new some could these two may first then do any like my now over such our man me even "
           "most made after also did many off before must well back through years where much your way down should because long "
           "each just state people those too mr how little good world make very year still see own work men day get here between "
           "both life being under three never know same last another while us might great old year come since against go came "
           "right used take himself few house use place during high without again home around small however found mrs part school "
           "thought went say general once upon left war don't it's can't I'll we've shouldn't").split()
CODE = ["> </", "></", "> <", "\t\t", "    ", "  ", "()", "{}", "[];", "==", "!=", "//", "/* ", " */", "0x", "\\n", "\"", "'", "<0x41>",
        "<0xFF>", "<0xE2>", "&amp;", "<td> </td>", "def ", "return ", "#include <", "::", "->", "...", "--", "__", "</s>", "<s>", "<table>",
        "[multimodal]", "<unused0>", "<unused99>", "http://", "@", "%s", "$", "\u2026", "\u201c", "\u2019"]


def character(rng):
    c = rng.choice((rng.randrange(0x80), rng.randrange(0x800), rng.randrange(0x10000), rng.randrange(0x110000), rng.choice(EDGES)))
    return chr(c) if not 0xD800 <= c < 0xE000 else chr(c - 0x800)


def within(rng, ranges):
    first, last = rng.choice(ranges)
    return chr(rng.randint(first, last))


class Texts:
    """texts: an endless deterministic sequence.  tokens: pieces of a vocabulary to glue together; added: its special tokens;
    books: folder of English text, or None (nothing of it may go into the repository)."""

    def __init__(self, seed, tokens, added, books=None, long_share=0.01):
        self.rng = random.Random(seed)
        self.tokens = [t.replace("\u2581", " ") for t in tokens]
        self.added = list(added)
        self.books = ""
        if books:
            self.books = "".join(open(os.path.join(books, f), encoding="utf-8").read() for f in sorted(os.listdir(books)))
        self.long_share = long_share
        self.kinds = [self.planes, self.script, self.marks, self.blanks, self.specials, self.mixed, self.glued, self.emoji, self.english,
                      self.code, self.repeated, self.digits, self.edges, self.mutated] + [self.book] * (4 if self.books else 0)

    def next(self):
        rng = self.rng
        if rng.random() < self.long_share:
            return self.long_word()
        text = rng.choice(self.kinds)()
        while rng.random() < 0.2:
            text += rng.choice(self.kinds)()
        return text or " "

    def planes(self):
        return "".join(character(self.rng) for _ in range(self.rng.randint(1, 20)))

    def script(self):
        part = [self.rng.choice(SCRIPTS)]
        return "".join(within(self.rng, part) if self.rng.random() < 0.85 else " " for _ in range(self.rng.randint(1, 40)))

    def marks(self):
        return "".join(within(self.rng, MARKS if self.rng.random() < 0.5 else SCRIPTS) for _ in range(self.rng.randint(1, 12)))

    def blanks(self):
        rng, out = self.rng, ""
        for _ in range(rng.randint(1, 6)):
            out += rng.choice(SPACES[:3] if rng.random() < 0.7 else SPACES) * rng.choice((1, 1, 2, 3, rng.randint(1, 40), rng.randint(28, 70)))
            out += rng.choice(("", "", "a", "word", ".", "\u00e9", ">"))
        return out

    def specials(self):
        rng, out = self.rng, ""
        for _ in range(rng.randint(1, 6)):
            token = rng.choice(self.added)
            kind = rng.random()
            if kind < 0.25:  # cut short, or with a hole
                at = rng.randrange(1, len(token))
                token = rng.choice((token[:at], token[at:], token[:at] + rng.choice((" ", token, "<|")) + token[at:]))
            out += token + rng.choice(("", "", " ", "\n", "user\n", "x", "<", "|", ">"))
        return out

    def mixed(self):
        return "".join(within(self.rng, SCRIPTS) if self.rng.random() < 0.8 else self.rng.choice(SPACES) for _ in range(self.rng.randint(2, 30)))

    def glued(self):  # pieces side by side: merges reach across
        join = self.rng.choice(("", "", " "))
        return join.join(self.rng.choice(self.tokens) for _ in range(self.rng.randint(1, 8)))

    def emoji(self):
        return "".join(self.rng.choice(EMOJI) if self.rng.random() < 0.8 else self.rng.choice((" ", "ok", "!")) for _ in range(self.rng.randint(1, 10)))

    def english(self):
        rng = self.rng
        words = [w.capitalize() if rng.random() < 0.1 else w.upper() if rng.random() < 0.03 else w
                 for w in rng.choices(ENGLISH, k=rng.randint(1, 20))]
        return "".join(w + rng.choice((" ", " ", " ", " ", ", ", ". ", "\n", "; ", "-", "  ")) for w in words)

    def code(self):
        return "".join(self.rng.choice(CODE) if self.rng.random() < 0.7 else self.rng.choice(ENGLISH) for _ in range(self.rng.randint(1, 15)))

    def repeated(self):
        unit = self.rng.choice(("a", "ab", "aaa ", "\u4e16", "\U0001F600", ".", "-", "=", "hahaha", "\u2581", self.rng.choice(self.tokens), character(self.rng)))
        return unit * self.rng.randint(2, 30)

    def digits(self):
        return "".join(self.rng.choice("0123456789,.+-eE%$ \u0663\u0967\u00bd") for _ in range(self.rng.randint(1, 30)))

    def edges(self):
        return "".join(chr(self.rng.choice(EDGES)) for _ in range(self.rng.randint(1, 8)))

    def mutated(self):
        text = list(self.english())
        for _ in range(self.rng.randint(1, 5)):
            at = self.rng.randrange(len(text))
            text[at] = self.rng.choice(("", text[at] * 2, character(self.rng), within(self.rng, MARKS), "\u2581", "\n"))
        return "".join(text)

    def book(self):
        at = self.rng.randrange(len(self.books))
        return self.books[at:at + self.rng.randint(1, 400)]

    def long_word(self):
        rng = self.rng
        size = rng.randint(200, 4000)
        kind = rng.randrange(5)
        if kind == 0:
            return rng.choice(("a", "\u00e9", "\u4e16", "\n", " ", "\t", "=", "\U0001F600", "<", ">")) * size
        if kind == 1:
            return "".join(rng.choice("acgt") for _ in range(size))
        if kind == 2:
            return "".join(rng.choice(ENGLISH) for _ in range(size // 4))
        if kind == 3:
            return "".join(within(rng, SCRIPTS) for _ in range(size))
        return "".join(character(rng) for _ in range(size))
