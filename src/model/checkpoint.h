// checkpoint.h: a model as named tensors: where loaders, writers, PTQ, the trainer and the engine meet.
#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "model/companions.h"
#include "model/config.h"
#include "model/tensor_spec.h"
#include "tensor/tensor.h"
#include "text/tokenizer.h"

namespace facet {

// Static int8 scales of one linear (mobile scheme); 0 = not quantized there.
struct ActivationScales {
  float input = 0, output = 0;
};
// Static int8 scales of one layer's cache; 0 = float.
struct CacheScales {
  float k = 0, v = 0;
};

//   Result<Checkpoint> c = load_checkpoint("model.gguf");        // or a Hugging Face folder
//   TensorView w = c->tensors.at("layers.0.mlp.up_proj.weight");
// Cheap to copy: tensors are views.  Whatever they look into is kept alive by `owners`, which copies share on purpose:
// a quantized copy of a model keeps using the float model's mapping for what it did not change.
struct Checkpoint {
  GemmaConfig config;
  std::map<std::string, TensorView> tensors;                  // by canonical name; every TensorSpec is present
  std::map<std::string, ActivationScales> activation_scales;  // by module name; empty outside the mobile scheme
  std::vector<CacheScales> cache_scales;                      // per layer (sharing layers repeat the donor's), or empty
  std::vector<int> token_ordering;  // drafters with clusters: a permutation of 0..V-1, cluster after cluster
  std::map<std::string, std::string> metadata;  // provenance, e.g. "facet.scheme" -> "q4_0", "facet.method" -> "gptq"
  std::vector<std::shared_ptr<const void>> owners;
  std::vector<std::shared_ptr<const MappedFile>> files;  // those of the owners that are mappings

  // Replaces (or adds) a tensor; the checkpoint keeps it alive.
  void set(const std::string& name, Tensor tensor);
  // MappedFile::release() of bytes that lie in one of the files; does nothing for others.
  void release(std::span<const std::byte> bytes) const {
    for (const auto& file : files) file->release(bytes);
  }
  // Copies bytes of a tensor, from its file where it lies in one (MappedFile::copy()), else from memory.
  void copy(std::span<const std::byte> bytes, std::byte* out) const {
    for (const auto& file : files)
      if (file->copy(bytes, out)) return;
    std::memcpy(out, bytes.data(), bytes.size());
  }
  // The type that holds most weights.
  DType main_type() const;
  // Sizes over all tensors: bits per stored element (scales included), and bytes.
  double bits_per_weight() const;
  std::uint64_t byte_size() const;
};

// path: a folder with config.json and *.safetensors (one file or an index), or a .gguf file; what either may hold is in
// docs/model/checkpoints.md.  Checks that every tensor the config implies is there with the right shape, that no
// unknown decoder tensor is left over, and that floats are finite where cheap (vectors and scales; matrices are checked
// by whoever reads them).  kNotFound: a file or tensor is missing; kUnsupported: another architecture, quant_method or
// GGUF type; kCorrupt: anything that contradicts itself.
Result<Checkpoint> load_checkpoint(const std::string& path);
// The tokenizer that lies in the same place.
Result<Tokenizer> load_tokenizer(const std::string& path);

// Where bytes come from when they are written, for models that do not fit in memory: hands those of one tensor to
// `write`, in order, in pieces of any size.  May be called more than once for a tensor.
using ByteSink = std::function<Status(std::span<const std::byte>)>;
using TensorStream = std::function<Status(const TensorSpec& spec, const ByteSink& write)>;

// Writes config.json, generation_config.json, model.safetensors, tokenizer.json, tokenizer_config.json into `folder`
// (made if missing).  Float and mobile row types only: kUnsupported names the first block-quantized tensor.  A model
// that was there is replaced only once everything is on the disk.
// Here and below, a matrix (not a router) whose view has type, shape and row scales but no bytes gets them from
// `stream`.  `beside` goes along: a folder with towers becomes one again, if their form can stay what it is; a GGUF
// file has the chat template alone.
Status save_hf(const std::string& folder, const Checkpoint& checkpoint, const Tokenizer& tokenizer,
               const TensorStream& stream = {}, const Companions& beside = {});
// Writes one GGUF.  Row types are kUnsupported.  Loads in llama.cpp.
Status save_gguf(const std::string& path, const Checkpoint& checkpoint, const Tokenizer& tokenizer,
                 const TensorStream& stream = {}, const Companions& beside = {});
// By the path's ending: ".gguf" or a folder.
Status save_checkpoint(const std::string& path, const Checkpoint& checkpoint, const Tokenizer& tokenizer,
                       const TensorStream& stream = {}, const Companions& beside = {});
// Whether a folder of this checkpoint takes the towers along: codes stay codes only in the mobile scheme.
bool keeps_towers(const Checkpoint& checkpoint, const Companions& beside);

// Seeded random weights in the ranges a trained model has (norms around 1, layer scalars off 1, spread router logits):
// for tests and benches.
Checkpoint random_checkpoint(const GemmaConfig& config, std::uint64_t seed);
// The same, damped as training does.  As drawn, scores of unit-norm heads spread by sqrt(C), so that a query copies one
// value; and where it mixes several, the norm behind blows the small sum up again: roundings grow tenfold on their way
// through the layers.  For comparing implementations.
Checkpoint calm_random_checkpoint(const GemmaConfig& config, std::uint64_t seed);

}  // namespace facet
