"""llama.cpp through the library that node-llama-cpp brings: as much of llama.h as our tools call, by ctypes.

Parameter structures differ between versions: the library makes them, we change words by offset, and give them back.
"""
import ctypes
import glob
import os
import sys


class Opaque(ctypes.Structure):
    """Larger than any version of a structure of parameters."""
    _fields_ = [("bytes", ctypes.c_byte * 512)]

    def get(self, offset):
        return ctypes.c_uint32.from_buffer(self, offset).value

    def set(self, offset, value, kind=ctypes.c_uint32):
        kind.from_buffer(self, offset).value = value


class Batch(ctypes.Structure):
    """llama_batch."""
    _fields_ = [("n_tokens", ctypes.c_int32), ("token", ctypes.c_void_p), ("embd", ctypes.c_void_p), ("pos", ctypes.c_void_p),
                ("n_seq_id", ctypes.c_void_p), ("seq_id", ctypes.c_void_p), ("logits", ctypes.c_void_p)]


P, I = ctypes.c_void_p, ctypes.c_int32
SIGNATURES = {
    "llama_model_default_params": (Opaque, []), "llama_context_default_params": (Opaque, []),
    "llama_model_load_from_file": (P, [ctypes.c_char_p, Opaque]), "llama_init_from_model": (P, [P, Opaque]),
    "llama_batch_get_one": (Batch, [P, I]), "llama_decode": (I, [P, Batch]), "llama_synchronize": (None, [P]),
    "llama_get_memory": (P, [P]), "llama_memory_clear": (None, [P, ctypes.c_bool]),
    "llama_memory_seq_rm": (ctypes.c_bool, [P, I, I, I]), "llama_get_logits_ith": (P, [P, I]),
    "llama_model_get_vocab": (P, [P]), "llama_vocab_n_tokens": (I, [P]), "llama_model_n_embd_out": (I, [P]),
    # C++ by name: the interface of drafters is not in llama.h yet.
    "_Z26llama_set_embeddings_nextnP13llama_contextbb": (None, [P, ctypes.c_bool, ctypes.c_bool]),
    "_Z30llama_get_embeddings_nextn_ithP13llama_contexti": (P, [P, I]),
}


class Llama:
    """The library of a folder, its CPU backend chosen for this machine."""

    def __init__(self, folder):
        folder = os.path.abspath(folder)

        def load(pattern):
            return ctypes.CDLL(glob.glob(os.path.join(folder, pattern))[0], mode=ctypes.RTLD_GLOBAL)
        self.base, self.ggml, self.library = load("libggml-base*so*"), load("libggml.*so*"), load("libllama.*so*")
        self.quiet = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, P)(lambda *_: None)
        self.base.ggml_log_set(self.quiet, None)
        self.library.llama_log_set(self.quiet, None)
        self.ggml.ggml_backend_load_all_from_path(folder.encode())
        self.library.llama_backend_init()
        for name, (result, arguments) in SIGNATURES.items():
            function = getattr(self.library, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name.removeprefix("_Z26").removeprefix("_Z30").split("P13")[0], function)

    def model(self, path):
        model = self.llama_model_load_from_file(path.encode(), self.llama_model_default_params())
        if not model:
            sys.exit(f"llama.cpp does not load {path}")
        return model

    def context(self, model, size, threads, target=None):
        """target: the context whose cache a drafter reads."""
        params = self.llama_context_default_params()
        # n_ctx, n_batch, n_ubatch, some counts, n_threads and n_threads_batch (4 by default), the type of the context; some
        # floats; cache types, callbacks, six or more booleans; samplers and their number; the other context.
        threads_at = next(i for i in range(12, 64, 4) if params.get(i) == params.get(i + 4) == 4)
        for offset, value in ((0, size), (4, 512), (8, 512), (threads_at, threads), (threads_at + 4, threads)):
            params.set(offset, value)
        if target:
            booleans = next(i for i in range(96, 160, 8) if params.get(i) == 0x01010100)
            params.set(threads_at + 8, 1)
            params.set(booleans + 24, target, ctypes.c_uint64)
        context = self.llama_init_from_model(model, params)
        if not context:
            sys.exit("llama.cpp makes no context")
        return context

    def decode(self, context, batch):
        if self.llama_decode(context, batch) != 0:
            sys.exit("llama_decode failed")
        self.llama_synchronize(context)


class Rows:
    """A batch of tokens at given positions; hidden: one row of floats for each, of drafters.  Logits of every row."""

    def __init__(self, most, width=0):
        self.token, self.pos, self.n_seq, self.seq = ((I * most)() for _ in range(4))
        self.logits, self.ids = (ctypes.c_int8 * most)(*[1] * most), (P * most)()
        self.hidden = (ctypes.c_float * (width * most))() if width else None
        for i in range(most):
            self.n_seq[i], self.ids[i] = 1, ctypes.addressof(self.seq) + 4 * i

    def batch(self, tokens, positions):
        for i, (token, position) in enumerate(zip(tokens, positions)):
            self.token[i], self.pos[i] = token, position
        batch = Batch(len(tokens), *(ctypes.cast(a, P) if a is not None else None for a in
                                     (self.token, self.hidden, self.pos, self.n_seq, self.ids, self.logits)))
        batch.rows = self  # which it points into
        return batch
