"""Drafters of transformers' own making, and what it computes with them: tests/golden/hf/*/drafter/.  Part of models.py.

For a model of tests/golden/hf a tiny random drafter, and for contexts of N tokens a chain of steps at the constant position N:
hidden state of the model's last token, then logits and post-projection of each step.

transformers' own generator shows a drafter other sliding keys than docs/model/drafters.md says (W + 1 of them, and after a rejected
draft a stale one); its classes take the keys they are given, so they are given those of the document.
"""
import shutil
import subprocess

import numpy as np
import torch

CONTEXTS = (6, 24)  # fewer tokens than a window of 8, and more
STEPS = (7, 200, 31)  # the tokens that are fed


def drafter_config(kind):
    from transformers import Gemma4AssistantConfig, Gemma4TextConfig
    sliding, full = "sliding_attention", "full_attention"
    text = Gemma4TextConfig(
        vocab_size=256, vocab_size_per_layer_input=0, hidden_size=16, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, global_head_dim=32, sliding_window=8, max_position_embeddings=512,
        hidden_size_per_layer_input=0, num_kv_shared_layers=4, layer_types=[sliding] * 3 + [full], final_logit_softcapping=None,
        tie_word_embeddings=True,
        rope_parameters={sliding: {"rope_type": "default", "rope_theta": 10000.0},
                         full: {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1000000.0}},
        **(dict(attention_k_eq_v=True, num_global_key_value_heads=1) if kind == "k_eq_v" else {}))
    return Gemma4AssistantConfig(text_config=text, backbone_hidden_size=32, use_ordered_embeddings=kind == "e", num_centroids=16,
                                 centroid_intermediate_top_k=4)


def target_state(model, ids):
    """Keys and values that the model's layers share, and its last hidden state."""
    with torch.no_grad():
        out = model(torch.tensor([ids]), output_hidden_states=True, return_shared_kv_states=True, use_cache=False)
    return out.shared_kv_states, out.hidden_states[-1][:, -1:]


def visible(keys_values, window, n):
    """The entries below position n that a drafter's layers may see."""
    first = {"sliding_attention": max(0, n - window + 1), "full_attention": 0}
    return {kind: tuple(t[:, :, first[kind]:n] for t in keys_values[kind]) for kind in first}


def chain(model, drafter, ids):
    window, n = model.config.sliding_window, len(ids)
    keys_values, hidden = target_state(model, ids)
    keys_values = visible(keys_values, window, n)
    rows = [hidden.flatten()]
    for token in STEPS:
        with torch.no_grad():
            embedding = model.get_input_embeddings()(torch.tensor([[token]]))
            out = drafter(inputs_embeds=torch.cat([embedding, hidden], dim=-1), position_ids=torch.tensor([[n]]),
                          shared_kv_states=keys_values)
        hidden, logits = out.last_hidden_state, out.logits.flatten().clone()
        if drafter.config.use_ordered_embeddings:  # what it fills in for tokens of other clusters
            logits[logits == logits.min()] = -torch.inf
        rows += [logits, hidden.flatten()]
    return torch.cat(rows).float().numpy()


def golden(root, randomize):
    from transformers import Gemma4AssistantForCausalLM, Gemma4ForCausalLM
    for kind in ("e", "k_eq_v"):
        folder = root / kind / "drafter"
        shutil.rmtree(folder, ignore_errors=True)
        drafter = Gemma4AssistantForCausalLM(drafter_config(kind)).eval()
        randomize(drafter)
        if kind == "e":
            drafter.masked_embedding.token_ordering.copy_(torch.randperm(256, generator=torch.Generator().manual_seed(11)))
        drafter.to(torch.bfloat16).save_pretrained(folder)
        drafter = Gemma4AssistantForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        model = Gemma4ForCausalLM.from_pretrained(root / kind, dtype=torch.float32).eval()
        ids = [int(i) for i in (root / kind / "ids.txt").read_text().split()]
        np.concatenate([chain(model, drafter, ids[:n]) for n in CONTEXTS]).astype("<f4").tofile(folder / "steps.f32")
        (folder / "steps.txt").write_text(" ".join(map(str, CONTEXTS)) + "\n" + " ".join(map(str, STEPS)) + "\n")
        for extra in folder.glob("generation_config.json"):
            extra.unlink()


def check(work, writer, kind, facet, expect):
    """Drafters that Facet writes: transformers loads the folder whole, and the GGUF and what comes back of it hold the same numbers."""
    import gguf
    from safetensors.torch import load_file
    from transformers import Gemma4AssistantForCausalLM, Gemma4ForCausalLM
    folder, back, path = work / f"{kind}_drafter", work / f"{kind}_drafter_back", work / f"{kind}_drafter.gguf"
    subprocess.run([writer, str(folder), f"{kind}-drafter"], check=True)
    facet("convert", "-m", folder, "--to", "bf16-gguf", "--out", path)
    facet("convert", "-m", path, "--to", "hf", "--out", back)
    ours, again = load_file(folder / "model.safetensors"), load_file(back / "model.safetensors")
    expect(ours.keys() == again.keys() and all(torch.equal(t.to(torch.bfloat16) if t.ndim == 2 else t, again[n]) for n, t in ours.items()),
           f"{kind} drafter: a folder through GGUF and back has the same tensors (matrices as bf16)")
    drafter, told = Gemma4AssistantForCausalLM.from_pretrained(back, dtype=torch.float32, output_loading_info=True)
    clean = not any(told[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    expect(clean, f"{kind} drafter: transformers finds every tensor it wants and no other")
    model = Gemma4ForCausalLM.from_pretrained(work / kind, dtype=torch.float32).eval()
    steps = chain(model, drafter.eval(), [2] + list(range(10, 33)))
    expect(bool(np.isfinite(steps).sum() > 64), f"{kind} drafter: and computes with it")
    reader = gguf.GGUFReader(path)
    names = {t.name: t for t in reader.tensors}
    fields = {n: reader.fields["gemma4-assistant." + n].contents() for n in ("block_count", "embedding_length_out", "nextn_predict_layers")}
    expect(fields == {"block_count": 4, "embedding_length_out": 64, "nextn_predict_layers": 4}, f"{kind} drafter: gguf-py reads {fields}")
    same = torch.equal(torch.from_numpy(gguf.quants.dequantize(names["nextn.pre_projection.weight"].data,
                                                               names["nextn.pre_projection.weight"].tensor_type).copy()),
                       again["pre_projection.weight"].float())
    if kind == "e":
        same = same and names["masked_embd_ordering"].data.tolist() == again["masked_embedding.token_ordering"].tolist()
    expect(same, f"{kind} drafter: and its tensors have our values")
