// engine.h: a Gemma 4 model, its tokenizer and one timeline, for applications.  Offline; no framework behind it.
//
//   facet::Result<facet::Engine> engine = facet::Engine::load("model.gguf");      // or a Hugging Face folder
//   if (!engine.ok()) return fail(engine.status());
//   std::vector<int> prompt = engine->encode("Once upon a time");
//   auto stats = engine->generate(prompt, {.max_tokens = 100}, [](std::string_view text) { show(text); return true; });
//
// With CMake: find_package(facet) and link facet::facet.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "facet/generate_options.h"
#include "facet/status.h"

namespace facet {

struct EngineOptions {
  int threads = 0;  // 0 = the processors this process may use
  int context = 0;  // positions at most; 0 = min(what the model allows, 4096)
};

// Weights stay in the mapped file, which must not change while the engine lives.  One thread at a time.
class Engine {
 public:
  // kNotFound, kCorrupt, kUnsupported: what is wrong with the model, and where.  kNoResources: memory is not enough.
  static Result<Engine> load(const std::string& path, const EngineOptions& options = {});
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  // bos: begin with the <bos> token, as the first tokens of a timeline must.
  std::vector<int> encode(std::string_view text, bool bos = true) const;
  std::string decode(std::span<const int> tokens) const;
  int vocab_size() const;
  int context() const;

  // Appends `tokens` at position(), then draws until something stops it (generate_options.h).  on_text sees the bytes
  // of each token as it is drawn, cut wherever tokens end; false stops.  cancelled may be set from a signal handler.
  // kInvalidArgument: no tokens, more than fit in the context, or an option out of range.
  Result<GenerateStats> generate(std::span<const int> tokens, const GenerateOptions& options,
                                 const std::function<bool(std::string_view bytes)>& on_text = {},
                                 const std::atomic<bool>* cancelled = nullptr);

  // Appends tokens; logits: vocab_size() floats, those after the last token.
  Status evaluate(std::span<const int> tokens, std::span<float> logits);
  int position() const;
  // Forgets the last k positions, at most 16 or all of them.
  Status rollback(int k);

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace facet
