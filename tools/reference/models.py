#!/usr/bin/env python3
"""Facet against transformers, compressed-tensors and gguf, both ways; run by tools/reference/run in its own environment.

usage: models.py golden FACET WORK WRITE_RANDOM_MODEL
           random tiny models, float ones of transformers' own making and quantized ones, with transformers' logits: tests/golden/hf/
       models.py check FACET WORK WRITE_RANDOM_MODEL [LLAMA_LIBRARY_FOLDER]
           what we write, they load; what they write, we load; values compared
"""
import contextlib
import importlib.metadata
import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import torch
import transformers

import drafters
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "hf"
POSITIONS = 24
torch.manual_seed(20261126)
torch.set_num_threads(1)


def config_of(kind, **other):
    """The shapes that releases have, small: sliding windows that wrap, sharing layers, per-layer inputs, experts."""
    from transformers import Gemma4TextConfig
    sliding, full = "sliding_attention", "full_attention"
    common = dict(vocab_size=256, vocab_size_per_layer_input=256, hidden_size=32, intermediate_size=48, num_attention_heads=4,
                  num_key_value_heads=2, head_dim=16, global_head_dim=32, sliding_window=8, max_position_embeddings=512,
                  final_logit_softcapping=30.0, tie_word_embeddings=True, hidden_size_per_layer_input=0, num_kv_shared_layers=0,
                  rope_parameters={sliding: {"rope_type": "default", "rope_theta": 10000.0},
                                   full: {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1000000.0}})
    kinds = {
        "e": dict(layer_types=[sliding, sliding, full] * 2 + [sliding, full], num_kv_shared_layers=4, use_double_wide_mlp=True,
                  hidden_size_per_layer_input=16),
        "k_eq_v": dict(layer_types=[sliding] * 5 + [full], attention_k_eq_v=True, num_global_key_value_heads=1),
        "moe": dict(layer_types=[sliding, sliding, full], attention_k_eq_v=True, num_global_key_value_heads=1, enable_moe_block=True,
                    num_experts=8, top_k_experts=2, moe_intermediate_size=16),
    }
    config = {**common, **kinds[kind], **other}
    return Gemma4TextConfig(num_hidden_layers=len(config["layer_types"]), **config)


def randomize(model):
    """Ranges a trained model has: norms around 1, small sums of values, spread router logits, scalars off 1."""
    generator = torch.Generator().manual_seed(7)
    draw = lambda t, mean, deviation: t.copy_(mean + deviation * torch.randn(t.shape, generator=generator))
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim >= 2 and "router" not in name:
                draw(p, 0, 1.0 if "embed" in name else p.shape[-1] ** -0.5)
            elif "router.proj" in name:
                draw(p, 0, 1.0)
            elif name.endswith("q_norm.weight") or name.endswith("k_norm.weight"):
                draw(p, 0.4, 0.05)
            else:
                draw(p, 1.0, 0.1)
        for name, b in model.named_buffers():
            if name.endswith("layer_scalar"):
                draw(b, 0.9, 0.05)


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].float().numpy()


def token_ids(n, vocabulary):
    rng = np.random.default_rng(5)
    return [2] + [int(v) for v in rng.integers(5, vocabulary, n - 1)]


def store_golden(name, model, folder, ids):
    logits_of(model, ids).astype("<f4").tofile(folder / "logits.f32")
    (folder / "ids.txt").write_text(" ".join(map(str, ids)) + "\n")
    for extra in folder.glob("generation_config.json"):
        extra.unlink()


def golden(facet, work, writer):
    from transformers import Gemma4ForCausalLM
    for kind in ("e", "k_eq_v", "moe"):
        folder = GOLDEN / kind
        shutil.rmtree(folder, ignore_errors=True)
        model = Gemma4ForCausalLM(config_of(kind)).eval()
        randomize(model)
        model.to(torch.bfloat16).save_pretrained(folder)
        # Loaded anew: the constants by which embeddings are multiplied were rounded with the weights.
        store_golden(kind, Gemma4ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), folder, token_ids(POSITIONS, 256))

    drafters.golden(GOLDEN, randomize)

    # compressed-tensors packs, transformers computes.
    checker = Checker(facet, work, writer)
    folder = GOLDEN / "w4a16"
    shutil.rmtree(folder, ignore_errors=True)
    model = Gemma4ForCausalLM(config_of("e", intermediate_size=64, hidden_size_per_layer_input=32)).eval()
    randomize(model)
    model.to(torch.bfloat16).save_pretrained(checker.work / "w4a16_source")
    pack(checker.work / "w4a16_source", folder)
    store_golden("w4a16", Gemma4ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), folder, token_ids(POSITIONS, 256))

    # Nobody but us quantizes to the mobile format; transformers computes, and tells its noise.
    subprocess.run([writer, str(checker.work / "e"), "e"], check=True)
    folder = GOLDEN / "mobile"
    shutil.rmtree(folder, ignore_errors=True)
    with mobile_groups(checker.work / "e"):
        shutil.copytree(checker.quantize_mobile("e"), folder)
        model = Gemma4ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        ids = token_ids(POSITIONS, 380)
        store_golden("mobile", model, folder, ids)
        (folder / "noise.txt").write_text(f"{noise_of(model, ids):.3g}\n")
    for tokenizer in folder.glob("tokenizer*"):
        tokenizer.unlink()
    made_with = {p: importlib.metadata.version(p) for p in ("transformers", "torch", "safetensors", "compressed-tensors")}
    (GOLDEN / "provenance.json").write_text(json.dumps({"made_by": "tools/reference/run golden FACET", **made_with}, indent=1) + "\n")


def pack(source, target):
    """A float folder as compressed-tensors makes w4a16 of it; returns its tensors, decompressed by it."""
    from compressed_tensors.compressors.pack_quantized.base import PackedQuantizationCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    args = QuantizationArgs(num_bits=4, type="int", symmetric=True, strategy="group", group_size=32)
    scheme = QuantizationScheme(targets=["Linear"], weights=args)
    out, expected = {}, {}
    for name, w in load_file(source / "model.safetensors").items():
        linear = name.endswith("_proj.weight") and ".layers." in name or name.endswith("per_layer_input_gate.weight") or \
            name.endswith("per_layer_projection.weight")
        if not linear or w.ndim != 2:
            out[name] = expected[name] = w
            continue
        scale = (w.float().reshape(w.shape[0], -1, 32).abs().amax(-1) / 7.5).to(torch.bfloat16)
        packed = PackedQuantizationCompressor.compress({"weight": w.to(torch.bfloat16), "weight_scale": scale}, scheme)
        for key, value in packed.items():
            out[f"{name[: -len('.weight')]}.{key}"] = value
        expected[name] = PackedQuantizationCompressor.decompress(packed, scheme)["weight"]
    assert len(out) > len(expected)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.safetensors"))
    save_file({k: v.contiguous() for k, v in out.items()}, target / "model.safetensors", {"format": "pt"})
    config = json.load(open(target / "config.json"))
    config["quantization_config"] = {
        "quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "compressed",
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": json.loads(args.model_dump_json()),
                                      "input_activations": None, "output_activations": None}},
        "ignore": ["lm_head", "re:.*per_layer_model_projection"], "version": importlib.metadata.version("compressed-tensors")}
    json.dump(config, open(target / "config.json", "w"), indent=1)
    return expected


@contextlib.contextmanager
def mobile_groups(folder):
    """transformers 5.24 computes with a scale for each group of a row, as the per-layer table has them, but declares one."""
    from transformers.integrations import gemma_quant
    plain = gemma_quant.QuantizedEmbedding.__init__
    config = json.load(open(folder / "config.json"))
    config = config.get("text_config", config)
    layers, size = config["num_hidden_layers"], config["hidden_size_per_layer_input"]

    def with_groups(module, num_embeddings, embedding_dim, **kwargs):
        plain(module, num_embeddings=num_embeddings, embedding_dim=embedding_dim, **kwargs)
        if embedding_dim == layers * size:
            module.embedding_scale = torch.nn.Parameter(torch.ones(num_embeddings, layers))

    gemma_quant.QuantizedEmbedding.__init__ = with_groups
    try:
        yield
    finally:
        gemma_quant.QuantizedEmbedding.__init__ = plain


def noise_of(model, ids):
    """On static int8 grids a value near the middle of two steps falls either way, and the rest follows.  How far, transformers
    itself tells when its embedding's scales move by a millionth."""
    before, noise = logits_of(model, ids), 0
    with torch.no_grad():
        for step in range(3):
            model.get_input_embeddings().embedding_scale.mul_(1 + 1e-6)
            noise = max(noise, relative(logits_of(model, ids), before))
    return noise


failures = []


def expect(condition, what):
    print(("ok    " if condition else "WRONG ") + what, flush=True)
    if not condition:
        failures.append(what)


def relative(a, b):
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    return float(np.sqrt(((a - b) ** 2).sum() / (b ** 2).sum()))


def hf_name(name):
    """Of the tensors compared: matrices under their names in a folder."""
    whole = {"token_embd.weight": "embed_tokens.weight", "per_layer_token_embd.weight": "embed_tokens_per_layer.weight"}
    parts = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "inp_gate": "per_layer_input_gate",
             "proj": "per_layer_projection"}
    if name in whole:
        return whole[name]
    blk, _, rest = name.partition(".")
    layer, _, part = rest.partition(".")
    part = part.removesuffix(".weight")
    return f"layers.{layer}.{parts[part]}.weight" if blk == "blk" and part in parts else None


class Checker:
    def __init__(self, facet, work, write_random_model):
        self.facet_binary, self.work, self.writer = facet, pathlib.Path(work), write_random_model
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.ids = token_ids(40, 380)
        (self.work / "ids.txt").write_text(" ".join(map(str, self.ids)))
        text = " ".join("abcdefghijklmnopqrstuvwxyz"[i % 26] * (i % 7 + 1) for i in range(4000))
        (self.work / "text.txt").write_text(text)

    def facet(self, *args):
        subprocess.run([self.facet_binary, *map(str, args)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def logits(self, model, *flags):
        out = self.work / "logits.json"
        self.facet("logits", "-m", model, "--tokens", self.work / "ids.txt", "--out", out, *flags)
        return [row["logits"] for row in json.load(open(out))]

    def values(self, folder):
        """Every float tensor of a folder that Facet wrote as hf."""
        return load_file(folder / "model.safetensors")

    def floats(self, kind):
        from transformers import AutoModelForCausalLM
        folder = self.work / kind
        subprocess.run([self.writer, str(folder), kind], check=True)
        theirs = logits_of(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), self.ids)
        error = relative(self.logits(folder), theirs)
        expect(error < 2e-4, f"{kind}: transformers loads our float folder; logits differ by {error:.1e} relative RMS (2e-4)")

    def quantize_mobile(self, kind):
        """The mobile form of a float folder, without cache scales: transformers keeps keys and values as floats."""
        folder, bare = self.work / f"{kind}_mobile", self.work / f"{kind}_mobile_bare"
        self.facet("quantize", "-m", self.work / kind, "--scheme", "mobile", "--method", "rtn", "--text", self.work / "text.txt",
                   "-c", 32, "--windows", 8, "--out", folder)
        shutil.copytree(folder, bare)
        kept = {k: v for k, v in load_file(folder / "model.safetensors").items() if not k.endswith("_cache_scale")}
        save_file(kept, bare / "model.safetensors", {"format": "pt"})
        return bare

    def mobile(self, kind):
        from transformers import AutoModelForCausalLM
        bare, decoded = self.quantize_mobile(kind), self.work / f"{kind}_mobile_floats"
        with mobile_groups(self.work / kind):
            model = AutoModelForCausalLM.from_pretrained(bare, dtype=torch.float32)
        # Weights first, exactly: their unpacking against ours.
        self.facet("convert", "-m", self.work / f"{kind}_mobile", "--to", "hf", "--out", decoded)
        self.same_linears(model, decoded, f"{kind} mobile")
        theirs, noise = logits_of(model, self.ids), noise_of(model, self.ids)
        error = relative(self.logits(bare), theirs)
        expect(error < 2 * noise, f"{kind} mobile: logits differ by {error:.1e} relative RMS; its own noise is {noise:.1e}")

    def same_linears(self, model, decoded, what):
        ours, checked = self.values(decoded), 0
        for name, module in model.named_modules():
            if type(module).__name__ != "QuantizedLinear" or name == "lm_head":
                continue
            theirs = module._dequantize_weights(torch.float32)
            checked += 1
            if not torch.equal(theirs.to(torch.bfloat16).float(), ours[name + ".weight"].float()):
                expect(False, f"{what}: {name} decodes to other values")
        expect(checked > 0, f"{what}: transformers' {checked} quantized linears decode to our values, bit for bit (bf16)")

    def packed(self, kind):
        from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32
        from transformers import AutoModelForCausalLM
        folder = self.work / f"{kind}_w4a16"
        self.facet("convert", "-m", self.work / kind, "--to", "w4a16", "--allow-ptq", "--out", folder)
        self.facet("convert", "-m", folder, "--to", "hf", "--out", self.work / f"{kind}_w4a16_floats")
        ours, stored, checked = self.values(self.work / f"{kind}_w4a16_floats"), load_file(folder / "model.safetensors"), 0
        for name in [n for n in stored if n.endswith(".weight_packed")]:
            module = name[: -len(".weight_packed")]
            codes = unpack_from_int32(stored[name], 4, torch.Size(stored[module + ".weight_shape"].tolist()))
            scale = stored[module + ".weight_scale"].float().repeat_interleave(codes.shape[1] // stored[module + ".weight_scale"].shape[1], 1)
            checked += 1
            if not torch.equal((codes.float() * scale).to(torch.bfloat16), ours[module + ".weight"].to(torch.bfloat16)):
                expect(False, f"{kind} w4a16: {module} decodes to other values")
        expect(checked > 0, f"{kind} w4a16: compressed-tensors unpacks {checked} linears to our values, bit for bit (bf16)")
        theirs = logits_of(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), self.ids)
        error = relative(self.logits(folder, "--float-activations"), theirs)
        expect(error < 2e-4, f"{kind} w4a16: transformers loads our folder; logits differ by {error:.1e} (2e-4)")

    def their_packed(self, kind):
        """A w4a16 folder of compressed-tensors' own making."""
        folder = self.work / f"{kind}_their_w4a16"
        expected = pack(self.work / kind, folder)
        self.facet("convert", "-m", folder, "--to", "hf", "--out", self.work / f"{kind}_their_w4a16_floats")
        ours = self.values(self.work / f"{kind}_their_w4a16_floats")
        same = all(torch.equal(ours[n].to(torch.bfloat16), w.to(torch.bfloat16)) for n, w in expected.items() if n in ours)
        expect(same, f"{kind}: we load a w4a16 folder that compressed-tensors packed, bit for bit (bf16)")

    def multimodal(self):
        """Towers of transformers' own making, through every kind of folder."""
        from transformers import Gemma4AudioConfig, Gemma4Config, Gemma4ForConditionalGeneration, Gemma4VisionConfig
        source = self.work / "multimodal"
        text = config_of("e", vocab_size=392, vocab_size_per_layer_input=392, intermediate_size=64, hidden_size_per_layer_input=32)
        vision = Gemma4VisionConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
                                    head_dim=16, patch_size=4, position_embedding_size=64, use_clipped_linears=True)
        audio = Gemma4AudioConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, subsampling_conv_channels=[8, 4],
                                  output_proj_dims=32)
        markers = {name: 384 + i for i, name in enumerate(("boi_token_id", "eoi_token_id", "image_token_id", "video_token_id",
                                                           "boa_token_id", "eoa_token_index", "audio_token_id"))}
        model = Gemma4ForConditionalGeneration(Gemma4Config(text_config=text, vision_config=vision, audio_config=audio, **markers)).eval()
        randomize(model)
        model.to(torch.bfloat16).save_pretrained(source)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(self.work / "e" / name, source)
        (source / "chat_template.jinja").write_text("{{ '<|turn>' }}")
        (source / "processor_config.json").write_text('{"processor_class": "Gemma4Processor"}')
        stored = load_file(source / "model.safetensors")
        towers = [n for n in stored if any(part in n for part in ("vision", "audio"))]
        for target in ("hf", "mobile", "w4a16"):
            folder = self.work / f"multimodal_{target}"
            self.facet("convert", "-m", source, "--to", target, "--allow-ptq", "--out", folder)
            with mobile_groups(source):
                loaded, info = Gemma4ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
            expect(not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"],
                   f"multimodal {target}: transformers finds every tensor and no other: {info}")
            state = loaded.state_dict()
            same = [n for n in towers if n in state and torch.equal(state[n].float(), stored[n].float())]
            expect(len(same) == len(towers) > 50, f"multimodal {target}: {len(same)} of {len(towers)} vision and audio tensors arrive bit for bit")
            files = all((folder / n).read_bytes() == (source / n).read_bytes()
                        for n in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "processor_config.json"))
            expect(files, f"multimodal {target}: tokenizer, template and processor files are the source's")
            theirs = logits_of(loaded.eval(), self.ids)
            error = relative(self.logits(folder, *(["--float-activations"] if target == "w4a16" else [])), theirs)
            expect(error < 2e-4, f"multimodal {target}: logits differ by {error:.1e} relative RMS (2e-4)")

    def llama_quantized(self, library):
        """Files that llama.cpp's own quantizer made of ours, decoded by gguf-py and by us."""
        import gguf
        source = self.work / "wide.gguf"
        subprocess.run([self.writer, str(source), "wide"], check=True)
        for name in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K_M", "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K"):
            path, back = self.work / f"wide_{name}.gguf", self.work / f"wide_{name}_floats"
            subprocess.run([sys.executable, ROOT / "tools/interop/llama_quantize.py", library, source, path, name], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.facet("convert", "-m", path, "--to", "hf", "--out", back)
            ours, types, differing = self.values(back), set(), []
            ours = {k.removeprefix("model."): v for k, v in ours.items()}
            for tensor in gguf.GGUFReader(path).tensors:
                canonical = hf_name(tensor.name)
                if canonical is None:
                    continue
                types.add(tensor.tensor_type.name)
                theirs = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy()).to(torch.bfloat16)
                if not torch.equal(theirs.reshape(ours[canonical].shape), ours[canonical].to(torch.bfloat16)):
                    differing.append(tensor.name)
            expect(not differing, f"llama.cpp's {name} ({', '.join(sorted(types))}): gguf-py and we decode the same values (bf16) {differing}")

    def gguf_files(self, kind):
        import gguf
        path, floats = self.work / f"{kind}_q4_0.gguf", self.work / f"{kind}_q4_0_floats"
        self.facet("convert", "-m", self.work / kind, "--to", "q4_0-gguf", "--allow-ptq", "--out", path)
        self.facet("convert", "-m", path, "--to", "hf", "--out", floats)
        ours, reader, checked = self.values(floats), gguf.GGUFReader(path), 0
        names = {t.name: t for t in reader.tensors}
        for layer_name, gguf_name in [("model.embed_tokens.weight", "token_embd.weight")] + [
                (f"model.layers.{l}.{a}.weight", f"blk.{l}.{b}.weight") for l in range(4)
                for a, b in [("self_attn.q_proj", "attn_q"), ("self_attn.o_proj", "attn_output"), ("mlp.gate_proj", "ffn_gate"),
                             ("mlp.down_proj", "ffn_down"), ("input_layernorm", "attn_norm")]]:
            tensor = names[gguf_name]
            theirs = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy()).to(torch.bfloat16)
            checked += 1
            if not torch.equal(theirs.reshape(ours[layer_name].shape), ours[layer_name].to(torch.bfloat16)):
                expect(False, f"{kind} q4_0: {gguf_name} decodes to other values")
        expect(checked > 0, f"{kind} q4_0: gguf-py reads {checked} tensors to our values, bit for bit (bf16)")
        # Theirs: the same file with matrices re-encoded by gguf-py's own quantizers.
        for type_name in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"):
            kind_of = gguf.GGMLQuantizationType[type_name]
            other = self.work / f"{kind}_{type_name}.gguf"
            writer, expected = gguf.GGUFWriter(other, "gemma4"), {}
            copy_metadata(gguf, reader, writer)
            for tensor in reader.tensors:
                values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
                if tensor.tensor_type == gguf.GGMLQuantizationType.Q4_0:
                    data = gguf.quants.quantize(values, kind_of)
                    writer.add_tensor(tensor.name, data, raw_dtype=kind_of)
                    expected[tensor.name] = gguf.quants.dequantize(data, kind_of)
                else:
                    writer.add_tensor(tensor.name, values.astype(np.float32))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            back = self.work / f"{kind}_{type_name}_floats"
            self.facet("convert", "-m", other, "--to", "hf", "--out", back)
            got = self.values(back)
            same = all(torch.equal(torch.from_numpy(expected[g].copy()).to(torch.bfloat16).reshape(got[n].shape), got[n].to(torch.bfloat16))
                       for n, g in [("model.embed_tokens.weight", "token_embd.weight"), ("model.layers.0.mlp.up_proj.weight", "blk.0.ffn_up.weight"),
                                    ("model.layers.1.self_attn.o_proj.weight", "blk.1.attn_output.weight")])
            expect(same, f"{kind}: we load a GGUF that gguf-py quantized to {type_name}, bit for bit (bf16)")
            self.logits(other)


def copy_metadata(gguf, reader, writer):
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        kind, sub = field.types[0], field.types[-1] if len(field.types) > 1 else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=sub)


def check(facet, work, writer, library=None):
    checker = Checker(facet, work, writer)
    for kind in ("e", "k_eq_v", "moe"):
        checker.floats(kind)
        checker.gguf_files(kind)
        if kind != "moe":
            checker.mobile(kind)
            checker.packed(kind)
            checker.their_packed(kind)
            drafters.check(checker.work, writer, kind, checker.facet, expect)
    checker.multimodal()
    if library:
        checker.llama_quantized(library)
    else:
        print("skipped: llama.cpp's quantizer (no library folder given; tools/interop/run installs one)")
    sys.exit(f"{len(failures)} checks failed" if failures else 0)


if __name__ == "__main__":
    transformers.utils.logging.disable_progress_bar()
    if len(sys.argv) == 5 and sys.argv[1] == "golden":
        golden(*sys.argv[2:])
    elif len(sys.argv) in (5, 6) and sys.argv[1] == "check":
        check(*sys.argv[2:])
    else:
        sys.exit(__doc__)
