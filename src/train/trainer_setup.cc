#include "train/trainer_setup.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/mapped_file.h"
#include "base/thread_pool.h"
#include "model/checkpoint.h"
#include "train/cpu/gemm.h"
#include "train/cpu/prepare.h"
#include "train/drafter_setup.h"
#include "train/quantizers.h"
#include "train/trainer.h"

namespace facet::train {
namespace {

// How many processes of this run share this machine.
int processes_here(const ProcessPlace& place) {
  if (const char* local = std::getenv("LOCAL_WORLD_SIZE")) return std::max(1, std::atoi(local));
  bool loopback = place.master_address == "127.0.0.1" || place.master_address == "localhost";
  return loopback ? place.world_size : 1;
}

Result<GemmaConfig> scratch_config(const std::string& model) {
  for (const std::string& name : preset_names())
    if (name == model) return preset(model);
  Result<std::string> text = read_text_file(model, 1 << 24);
  if (!text.ok()) {
    std::string names;
    for (const std::string& name : preset_names()) names += (names.empty() ? "" : ", ") + name;
    return Status(text.status().code(),
                  "'model' is neither a preset (" + names + ") nor a readable config.json: " + text.status().message());
  }
  Result<GemmaConfig> config = parse_hf_config(*text);
  return config.ok() ? config : config.status().with_prefix(model);
}

Result<Graph> load_graph(const std::string& path, const GraphOptions& options) {
  FACET_ASSIGN(Checkpoint checkpoint, load_checkpoint(path));
  Result<Graph> graph = Graph::from_checkpoint(checkpoint, options);
  return graph.ok() ? std::move(graph) : graph.status().with_prefix(path);
}

}  // namespace

Result<GraphOptions> set_up_device(const TrainConfig& config, const ProcessPlace& place) {
  cpu::prepare(config.threads > 0 ? config.threads : std::max(1, available_processors() / processes_here(place)));
  GraphOptions options;
  bool fast_bf16 = config.device == "cuda" || cpu::rounds_to_bf16();
  bool bf16 = config.dtype == "bf16" || (config.dtype == "auto" && fast_bf16);
  options.compute = bf16 ? torch::kBFloat16 : torch::kFloat32;
  options.checkpoint_blocks = config.checkpoint_blocks;
  if (config.device == "cuda") {
    if (!at::globalContext().hasCUDA())
      return unsupported("device cuda: this build of libtorch has no CUDA, or the machine no GPU; use device cpu");
    const char* local = std::getenv("LOCAL_RANK");
    options.device = torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(local ? std::atoi(local) : 0));
  }
  return options;
}

Result<Graph> make_student(const TrainConfig& config, const GraphOptions& options) {
  if (!config.init.empty()) return load_graph(config.init, options);
  FACET_ASSIGN(GemmaConfig model, scratch_config(config.model));
  return Graph::initialize(model, config.seed, options);
}

Result<std::unique_ptr<TrainHooks>> make_hooks(const TrainConfig& config, const Graph& graph) {
  if (config.qat.scheme.kind == Scheme::Kind::kNone) return std::unique_ptr<TrainHooks>(std::make_unique<FloatHooks>());
  FACET_ASSIGN(std::unique_ptr<QuantizerSet> quantizers, QuantizerSet::create(graph, config.qat));
  return std::unique_ptr<TrainHooks>(std::move(quantizers));
}

Result<TrainSummary> train(TrainConfig config, const TrainCallbacks& callbacks) {
  FACET_TRY(validate(config));
  if (config.centroids > 0 && config.init.empty()) {
    const TrainConfig dense = dense_stage(config);
    FACET_ASSIGN(const TrainSummary summary, train(dense, callbacks));
    config = cluster_stage(config, summary.model);
  }
  FACET_ASSIGN(ProcessPlace place, place_from_environment());
  FACET_ASSIGN(GraphOptions options, set_up_device(config, place));
  const bool drafter = config.draft_steps > 0;
  const std::string& tokenizer_path = !config.tokenizer.empty() ? config.tokenizer
                                      : drafter                 ? config.teacher
                                                                : config.init;
  FACET_ASSIGN(Tokenizer tokenizer, load_tokenizer(tokenizer_path));
  Companions beside;
  if (!config.init.empty() && !drafter) {
    FACET_ASSIGN(beside, load_companions(config.init));
    if (!config.tokenizer.empty()) beside.files.clear();  // another tokenizer's
  }
  auto say = [&](const std::string& text) {
    if (place.rank == 0 && callbacks.message) callbacks.message(text);
  };

  // Text before weights: a missing file should be noticed before a large model is read.
  FACET_ASSIGN(TokenStream train_tokens, load_tokens(config.train_text, tokenizer, at::get_num_threads()));
  std::optional<TokenStream> valid_tokens;
  if (!config.valid_text.empty()) {
    FACET_ASSIGN(valid_tokens, load_tokens(config.valid_text, tokenizer, at::get_num_threads()));
  }
  say("training text: " + std::to_string(train_tokens.n_tokens()) + " tokens" +
      (valid_tokens ? ", validation: " + std::to_string(valid_tokens->n_tokens()) : ""));

  std::optional<Graph> teacher;
  if (!config.teacher.empty()) {
    if (config.teacher != config.init && !drafter) {
      Result<Tokenizer> its_own = load_tokenizer(config.teacher);
      if (its_own.ok() && !(*its_own == tokenizer))
        return invalid_argument(config.teacher + ": the teacher's vocabulary is not that of " + tokenizer_path +
                                "; a teacher must share the student's tokenizer");
    }
    FACET_ASSIGN(teacher, load_graph(config.teacher, options));
    for (auto& [name, value] : teacher->parameters()) value.set_requires_grad(false);
  }
  FACET_ASSIGN(Graph student,
               drafter ? make_drafter(config, teacher->config(), options) : make_student(config, options));
  std::int64_t n_parameters = 0;
  for (const auto& [name, value] : student.parameters()) n_parameters += value.numel();
  say((drafter ? "drafter: " : "student: ") + std::to_string(n_parameters) + " parameters, " +
      std::to_string(student.config().n_layers()) + " layers");
  FACET_ASSIGN(std::unique_ptr<TrainHooks> hooks, make_hooks(config, student));
  FACET_ASSIGN(std::unique_ptr<Collectives> collectives, Collectives::connect(place, options.device));
  std::optional<Graph> target;  // tensors are shared
  std::optional<TokenStream> text;
  if (drafter) target = teacher, text = valid_tokens;
  FACET_ASSIGN(TrainSummary summary,
               run_training(config,
                            TrainParts{std::move(student), std::move(teacher), std::move(hooks), std::move(tokenizer),
                                       std::move(train_tokens), std::move(valid_tokens), std::move(collectives),
                                       std::move(beside), drafter ? drafting(config) : TrainParts::Objective(),
                                       drafter ? drafter_trains(config) : nullptr},
                            callbacks));
  if (text && place.rank == 0) {
    FACET_ASSIGN(summary.agreement, agreement_of(summary.model, config, *target, *text));
  }
  return summary;
}

}  // namespace facet::train
