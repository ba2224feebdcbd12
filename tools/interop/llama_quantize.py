#!/usr/bin/env python3
"""Quantizes a GGUF file with llama.cpp's own quantizer, in the library that node-llama-cpp brings.

usage: llama_quantize.py LIBRARY_FOLDER IN.gguf OUT.gguf TYPE      (TYPE: Q4_K_M, ...)
"""
import ctypes
import pathlib
import sys

# llama.h: enum llama_ftype.
FILE_TYPES = {"Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_S": 11, "Q3_K_M": 12, "Q4_K_S": 14, "Q4_K_M": 15,
              "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18}


class Params(ctypes.Structure):
    """llama_model_quantize_params: we set its second word; what follows only has to be large enough."""
    _fields_ = [("n_threads", ctypes.c_int32), ("file_type", ctypes.c_int32), ("rest", ctypes.c_byte * 248)]


def main():
    folder, source, target, name = sys.argv[1:]
    library = ctypes.CDLL(str(next(pathlib.Path(folder).glob("libllama.*so*"))))
    library.llama_model_quantize_default_params.restype = Params
    library.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Params)]
    library.llama_model_quantize.restype = ctypes.c_uint32
    library.llama_backend_init()
    params = library.llama_model_quantize_default_params()
    params.n_threads, params.file_type = 1, FILE_TYPES[name]
    sys.exit(library.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)))


main()
