// facet inspect: what a model is made of, and the memory it needs.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/cli.h"
#include "cli/progress.h"
#include "engine/plan.h"
#include "eval/record.h"
#include "eval/sha256.h"
#include "model/verify.h"

namespace facet::cli {
namespace {

using Json = nlohmann::ordered_json;

struct InspectFlags {
  std::string model, format = "text";
  SessionFlags session;
  DraftFlags drafting;
  int threads = 1;
  bool verbose = false, verify = false;
};

const char* component_of(const TensorSpec& spec) {
  switch (spec.role) {
    case Role::kEmbedding:
      return "embedding";
    case Role::kHead:
      return "head";
    case Role::kPleTable:
      return "per-layer table";
    case Role::kPleModelProj:
    case Role::kPleProjNorm:
    case Role::kPleGate:
    case Role::kPleProj:
    case Role::kPostPleNorm:
      return "per-layer inputs";
    case Role::kAttnNorm:
    case Role::kQ:
    case Role::kK:
    case Role::kV:
    case Role::kO:
    case Role::kQNorm:
    case Role::kKNorm:
    case Role::kPostAttnNorm:
      return "attention";
    case Role::kRouter:
    case Role::kRouterScale:
    case Role::kExpertScale:
    case Role::kExpertsGateUp:
    case Role::kExpertsDown:
    case Role::kFfnNorm2:
    case Role::kPostFfnNorm1:
    case Role::kPostFfnNorm2:
      return "experts";
    case Role::kFfnNorm:
    case Role::kGate:
    case Role::kUp:
    case Role::kDown:
    case Role::kPostFfnNorm:
      return "feed-forward";
    case Role::kOutputNorm:
    case Role::kLayerScalar:
    case Role::kPreProjection:
    case Role::kPostProjection:
    case Role::kCentroids:
      return "other";
  }
  return "other";
}

struct Component {
  std::uint64_t weights = 0, bytes = 0;
  std::map<std::string, std::uint64_t> types;  // name -> weights
};

std::string types_of(const Component& c) {
  std::string out;
  for (const auto& [name, n] : c.types) out += (out.empty() ? "" : ", ") + name;
  return out;
}

double bits(std::uint64_t bytes, std::uint64_t weights) { return 8.0 * double(bytes) / double(weights); }

Json plan_json(const MemoryPlan& p, const Session& session) {
  return {{"context", session.options().context},
          {"batch", session.options().max_batch},
          {"type_k", name_of(session.options().kv)},
          {"type_v", name_of(session.options().value_type())},
          {"resident_bytes", p.resident()},
          {"weights_bytes", p.weights},
          {"experts_bytes", p.experts},
          {"vectors_bytes", p.vectors},
          {"cache_bytes", p.cache},
          {"buffers_bytes", p.buffers},
          {"logits_bytes", p.logits},
          {"program_bytes", p.program},
          {"mapped_not_resident_bytes", p.tables},
          {"weight_bytes_per_token", weight_bytes_per_token(session.model())},
          {"cache_bytes_per_token_at_the_end",
           cache_bytes_per_token(session.model(), session.options(), session.options().context - 1)}};
}

std::string line(const char* what, std::uint64_t bytes, const char* note) {
  return bytes == 0 ? std::string() : fmt::format("  {:<12} {:>9.1f} MB  {}\n", what, double(bytes) / 1e6, note);
}

std::string plan_text(const MemoryPlan& p, const Session& session) {
  std::string out =
      fmt::format("\nmemory, context {}, batch {}, cache {} and {}:\n", session.options().context,
                  session.options().max_batch, name_of(session.options().kv), name_of(session.options().value_type()));
  out += line("weights", p.weights, "mapped, read by every token");
  out += line("experts", p.experts, "mapped, a few of them read by each token");
  out += line("vectors", p.vectors, "norms and scalars");
  out += line("cache", p.cache, "keys and values of the whole context");
  out += line("activations", p.buffers, "of one batch");
  out += line("logits", p.logits, "of one position");
  out += line("program", p.program, "code, stacks, the file's header");
  out += line("resident", p.resident(), "in all");
  out += line("not resident", p.tables, "mapped tables of which a token reads one row");
  out += fmt::format(
      "each token reads {:.1f} MB of weights, and {:.1f} MB of cache at the end of the context\n",
      double(weight_bytes_per_token(session.model())) / 1e6,
      double(cache_bytes_per_token(session.model(), session.options(), session.options().context - 1)) / 1e6);
  return out;
}

std::string head_of(const GemmaConfig& drafter) {
  if (drafter.n_clusters == 0) return fmt::format("all {} tokens", drafter.vocab_size);
  return fmt::format("{} of {} clusters", drafter.n_clusters_used, drafter.n_clusters);
}

Json drafter_json(const DraftFlags& flags, const LoadedDrafter& d, const MemoryPlan& model) {
  const Checkpoint& c = d.model->checkpoint();
  const MemoryPlan p = plan_memory(*d.drafter, d.count.n_max);
  return {{"model", flags.drafter},
          {"bytes", c.byte_size()},
          {"bits", c.bits_per_weight()},
          {"clusters", c.config.n_clusters},
          {"clusters_used", c.config.n_clusters_used},
          {"n_draft_max", d.count.n_max},
          {"resident_bytes", p.resident()},
          {"weights_bytes", p.weights},
          {"vectors_bytes", p.vectors},
          {"buffers_bytes", p.buffers},
          {"logits_bytes", p.logits},
          {"weight_bytes_per_draft", d.drafter->weight_bytes_per_step()},
          {"resident_bytes_with_model", (model + p).resident()}};
}

std::string drafter_text(const DraftFlags& flags, const LoadedDrafter& d, const MemoryPlan& model) {
  const Checkpoint& c = d.model->checkpoint();
  const MemoryPlan p = plan_memory(*d.drafter, d.count.n_max);
  std::string out = fmt::format("\ndrafter {}, {:.2f} bits per weight, head over {}, at most {} drafts a round:\n",
                                flags.drafter, c.bits_per_weight(), head_of(c.config), d.count.n_max);
  out += line(
      "weights", p.weights,
      c.config.n_clusters > 0 ? "mapped, or where there are clusters in their order" : "mapped, read by every draft");
  out += line("vectors", p.vectors, "norms, scalars and the tokens of clusters");
  out += line("activations", p.buffers, "of one draft");
  out += line("logits", p.logits, "of a draft, and of the drafts that are checked at once");
  out += line("resident", p.resident(), "of the drafter");
  out += line("resident", (model + p).resident(), "with the model");
  return out + fmt::format("each draft reads {:.1f} MB of weights\n", double(d.drafter->weight_bytes_per_step()) / 1e6);
}

std::string hash_of(const TensorView& t) {
  Sha256 hash;
  hash.add(t.bytes);
  hash.add(std::as_bytes(t.row_scales));
  return hash.hex();
}

// Recomputes what a file says of itself and what nobody checked at load: every weight is decoded, and floats are asked
// which grid they lie on.
Status run_verify(const InspectFlags& flags) {
  FACET_ASSIGN(const std::string path, model_path_or_builtin(flags.model));
  FACET_ASSIGN(const Checkpoint model, load_checkpoint(path));
  FACET_ASSIGN(const Tokenizer tokenizer, load_tokenizer(path));
  ThreadPool pool(flags.threads);
  Progress progress;
  Json tensors = Json::array();
  std::string list;
  std::int64_t n_not_finite = 0;
  std::string first_bad;
  const std::vector<TensorSpec> specs = tensor_specs(model.config);
  for (const TensorSpec& spec : specs) {
    if (interrupted) return {Code::kCancelled, "interrupted"};
    progress.show(spec.name);
    const TensorView& t = model.tensors.at(spec.name);
    FACET_ASSIGN(const TensorCheck check, check_tensor(model, spec, pool));
    if (check.n_not_finite > 0 && n_not_finite == 0) first_bad = spec.name;
    n_not_finite += check.n_not_finite;
    const std::string hash = hash_of(t), type(info(t.dtype).name);
    model.release(t.bytes);
    if (flags.format == "json") {
      Json one = {{"name", spec.name},
                  {"type", type},
                  {"shape", t.shape},
                  {"sha256", hash},
                  {"not_finite", check.n_not_finite}};
      if (!check.grid.name.empty())
        one["grid"] = {{"name", check.grid.name}, {"groups", check.grid.n_groups}, {"on_grid", check.grid.n_on}};
      tensors.push_back(std::move(one));
    } else {
      const std::string grid =
          check.grid.name.empty()
              ? ""
              : fmt::format("  {:.2f} % on the {} grid", 100.0 * double(check.grid.n_on) / double(check.grid.n_groups),
                            check.grid.name);
      list += fmt::format("{:<52} {:>5} {:>18}  {}{}{}\n", spec.name, type, to_string(t.shape), hash.substr(0, 16),
                          grid, check.n_not_finite > 0 ? fmt::format("  {} NOT FINITE", check.n_not_finite) : "");
    }
  }
  progress.finish();
  FACET_ASSIGN(const std::string file_hash, model_sha256(path));
  if (flags.format == "json") {
    const Json out = {{"model", path},
                      {"sha256", file_hash},
                      {"tokens", tokenizer.vocab_size()},
                      {"metadata", model.metadata},
                      {"not_finite", n_not_finite},
                      {"tensors", tensors}};
    FACET_TRY(write_output("", out.dump(1) + "\n"));
  } else {
    for (const auto& [key, value] : model.metadata) list += fmt::format("  {} = {}\n", key, value);
    FACET_TRY(write_output("", list + fmt::format("{}: {} tensors decoded, {} tokens, sha256 {}\n", path, specs.size(),
                                                  tokenizer.vocab_size(), file_hash)));
  }
  if (n_not_finite == 0) return {};
  return {Code::kGateFailed,
          fmt::format("{}: {} weights are not finite, the first in '{}' (a damaged file, or a training "
                      "that diverged)",
                      path, n_not_finite, first_bad)};
}

Status run_inspect(const InspectFlags& flags) {
  if (flags.verify) return run_verify(flags);
  FACET_ASSIGN(std::string path, model_path_or_builtin(flags.model));
  FACET_ASSIGN(Model model, Model::load(path));
  FACET_ASSIGN(const Companions beside, load_companions(path));
  ThreadPool pool(1);
  FACET_ASSIGN(SessionOptions options, session_options(flags.session, 0, model));
  FACET_ASSIGN(Session session, Session::create(model, pool, options));
  const MemoryPlan plan = plan_memory(session);
  FACET_ASSIGN(const LoadedDrafter drafter, open_drafter(flags.drafting, session));

  const GemmaConfig& c = model.config();
  std::map<std::string, Component> components;
  Component all;
  Json tensors = Json::array();
  std::string list;
  for (const TensorSpec& spec : tensor_specs(c)) {
    const TensorView& t = model.checkpoint().tensors.at(spec.name);
    const auto weights = static_cast<std::uint64_t>(element_count(t.shape));
    const std::uint64_t bytes = t.bytes.size() + t.row_scales.size_bytes();
    const std::string type(info(t.dtype).name);
    for (Component* to : {&components[component_of(spec)], &all}) {
      to->weights += weights;
      to->bytes += bytes;
      to->types[type] += weights;
    }
    if (flags.format == "json")
      tensors.push_back(
          {{"name", spec.name}, {"type", type}, {"shape", t.shape}, {"bytes", bytes}, {"bits", bits(bytes, weights)}});
    else if (flags.verbose)
      list += fmt::format("{:<52} {:>5} {:>18} {:>12} bytes {:>6.2f} bits\n", spec.name, type, to_string(t.shape),
                          bytes, bits(bytes, weights));
  }
  if (flags.format == "json") {
    Json parts = Json::object();
    for (const auto& [name, part] : components)
      parts[name] = {{"weights", part.weights},
                     {"bytes", part.bytes},
                     {"bits", bits(part.bytes, part.weights)},
                     {"types", part.types}};
    Json out = {{"model", path},
                {"weights", all.weights},
                {"bytes", all.bytes},
                {"bits", bits(all.bytes, all.weights)},
                {"layers", c.n_layers()},
                {"max_positions", c.max_positions},
                {"metadata", model.checkpoint().metadata},
                {"vision_tensors", beside.size_of(Tower::kVision).n_tensors},
                {"vision_bytes", beside.size_of(Tower::kVision).bytes},
                {"audio_tensors", beside.size_of(Tower::kAudio).n_tensors},
                {"audio_bytes", beside.size_of(Tower::kAudio).bytes},
                {"chat_template", !beside.chat_template.empty()},
                {"components", parts},
                {"plan", plan_json(plan, session)},
                {"tensors", tensors}};
    if (drafter.drafter != nullptr) out["drafter"] = drafter_json(flags.drafting, drafter, plan);
    return write_output("", out.dump(1) + "\n");
  }
  std::string out = fmt::format(
      "{}: {} layers, {:.2f} B weights, {:.1f} MB, {:.2f} bits per weight; at most {} positions\n", path, c.n_layers(),
      double(all.weights) / 1e9, double(all.bytes) / 1e6, bits(all.bytes, all.weights), c.max_positions);
  for (const auto& [key, value] : model.checkpoint().metadata) out += fmt::format("  {} = {}\n", key, value);
  out += "\n" + list + (list.empty() ? "" : "\n");
  for (const auto& [name, part] : components)
    out += fmt::format("  {:<18} {:>9.1f} M weights {:>9.1f} MB {:>6.2f} bits  {}\n", name, double(part.weights) / 1e6,
                       double(part.bytes) / 1e6, bits(part.bytes, part.weights), types_of(part));
  if (!beside.towers.empty())
    out += fmt::format("  not run, but kept by `facet convert`: {}\n", beside.describe_towers());
  out += plan_text(plan, session);
  if (drafter.drafter != nullptr) out += drafter_text(flags.drafting, drafter, plan);
  return write_output("", out);
}

}  // namespace

void add_inspect(CLI::App& app, Status& status) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* verb = app.add_subcommand("inspect", "show what a model is made of, and the memory it needs");
  option(verb, "-m,--model", flags->model, "model folder or .gguf file (default: the built-in model)");
  session_flags(verb, flags->session);
  drafting_flags(verb, flags->drafting);
  option(verb, "--format", flags->format, "text or json")->check(CLI::IsMember({"text", "json"}));
  verb->add_flag("-v,--verbose", flags->verbose, "list every tensor");
  verb->add_flag(
      "--verify", flags->verify,
      "decode every weight, hash every tensor, and tell which grid floats lie on (exit 4 for NaN or infinity)");
  threads_option(verb, flags->threads);
  verb->callback([flags, &status] { status = run_inspect(*flags); });
}

}  // namespace facet::cli
