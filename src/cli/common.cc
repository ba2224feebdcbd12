#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/process.h"
#include "base/thread_pool.h"
#include "cli/cli.h"
#include "engine/plan.h"
#include "model/drafter.h"
#include "text/documents.h"

namespace facet::cli {
namespace fs = std::filesystem;

CLI::Option* threads_option(CLI::App* app, int& threads) {
  threads = available_processors();
  return option(app, "-t,--threads", threads, "threads")->check(CLI::Range(1, 1024));
}

Result<std::string> builtin_model_path() {
  std::string tried;
  auto has_model = [&](const fs::path& folder) {
    tried += (tried.empty() ? "" : ", ") + folder.string();
    std::error_code ignored;
    return fs::exists(folder / "config.json", ignored);
  };
  if (const char* env = std::getenv("FACET_BUILTIN_MODEL")) {
    if (has_model(env)) return std::string(env);
    return not_found("FACET_BUILTIN_MODEL=" + std::string(env) + ": no config.json there");
  }
  std::error_code error;
  fs::path binary = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    fs::path installed = binary.parent_path().parent_path() / "share" / "facet" / "builtin";
    if (has_model(installed)) return installed.string();
  }
  fs::path in_source = fs::path(FACET_SOURCE_DIR) / "models" / "builtin";
  if (has_model(in_source)) return in_source.string();
  return not_found("the built-in model is not where it should be (tried " + tried + "); give a model with -m");
}

Result<std::string> builtin_drafter_path() {
  FACET_ASSIGN(const std::string model, builtin_model_path());
  return model + "-drafter.gguf";
}

Result<std::string> model_path_or_builtin(const std::string& given) {
  if (!given.empty()) return given;
  return builtin_model_path();
}

namespace {
constexpr std::pair<const char*, KvType> kKvTypes[] = {
    {"auto", KvType::kAuto}, {"f32", KvType::kF32}, {"f16", KvType::kF16}, {"bf16", KvType::kBF16},
    {"i8", KvType::kI8},     {"q8", KvType::kQ8},   {"q8_0", KvType::kQ8}};
Result<KvType> parse_kv_type(const std::string& flag, const std::string& name) {
  for (auto [known, type] : kKvTypes)
    if (name == known) return type;
  return invalid_argument(flag + " '" + name + "': unknown cache type (auto f32 f16 bf16 q8 i8)");
}

// Bytes, or a number with K, M or G (10^3, 10^6, 10^9); nothing = 0.
Result<std::uint64_t> parse_bytes(const std::string& flag, const std::string& text) {
  if (text.empty()) return std::uint64_t{0};
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const double factor = unit.empty() ? 1 : unit == "K" ? 1e3 : unit == "M" ? 1e6 : unit == "G" ? 1e9 : 0;
  if (error != std::errc() || factor == 0 || !(value >= 0) || value * factor > 1e18)
    return invalid_argument(flag + " '" + text + "': expected bytes, such as 1000000000, 900M or 1.6G");
  return static_cast<std::uint64_t>(value * factor);
}

}  // namespace

std::string name_of(KvType type) {
  for (auto [name, known] : kKvTypes)
    if (type == known) return name;
  return "";
}

Status check_out(const std::string& out, const Scheme& scheme) {
  const bool gguf = out.ends_with(".gguf");
  if (scheme.kind == Scheme::Kind::kMobile && gguf)
    return invalid_argument("--out " + out + ": the mobile scheme goes to a folder, not to a .gguf file");
  if ((scheme.kind == Scheme::Kind::kQ4_0 || scheme.kind == Scheme::Kind::kQ8_0) && !gguf)
    return invalid_argument("--out " + out + ": " + std::string(name_of(scheme.kind)) + " goes to a .gguf file");
  return {};
}

void note_towers(const std::string& out, const Checkpoint& checkpoint, const Companions& beside) {
  const std::string what = beside.describe_towers();
  if (what.empty()) return;
  const char* fate = out.ends_with(".gguf") ? "stay behind: readers of GGUF expect them in a file of their own (mmproj)"
                     : keeps_towers(checkpoint, beside) ? "go along as they are"
                                                        : "stay behind: their codes have no form there";
  std::fprintf(stderr, "note: %s %s\n", what.c_str(), fate);
}

void session_flags(CLI::App* verb, SessionFlags& flags) {
  option(verb, "-c,--ctx-size", flags.context, "positions (0: the model's, at most 4096)")
      ->check(CLI::Range(0, 1 << 24));
  option(verb, "-b,--batch-size", flags.batch, "prompt tokens per call")->check(CLI::Range(1, 1 << 16));
  option(verb, "--ubatch-size", flags.ubatch, "-ub: prompt tokens per step, at most those of a call")
      ->check(CLI::Range(1, 1 << 16));
  option(verb, "--threads-batch", flags.batch_threads, "-tb: threads for prompts (0: as -t)")
      ->check(CLI::Range(0, 1024));
  option(verb, "--cache-type-k", flags.cache_k, "-ctk: type of cached keys, auto f32 f16 bf16 q8 i8");
  option(verb, "--cache-type-v", flags.cache_v, "-ctv: type of cached values");
  option(verb, "--memory-limit", flags.memory_limit,
         "refuse to run when the memory plan is above this: 1000000000, 900M, 1.6G");
}

Result<SessionOptions> session_options(const SessionFlags& flags, int threads, const Model& model) {
  SessionOptions out;
  out.threads = threads;
  out.batch_threads = flags.batch_threads > 0 ? flags.batch_threads : threads;
  out.context = flags.context;
  out.max_batch = std::min(flags.batch, flags.ubatch);
  FACET_ASSIGN(out.memory_limit, parse_bytes("--memory-limit", flags.memory_limit));
  FACET_ASSIGN(out.kv, parse_kv_type("-ctk", flags.cache_k));
  FACET_ASSIGN(out.kv_values, parse_kv_type("-ctv", flags.cache_v));
  if (out.kv == KvType::kAuto) out.kv = default_cache(model);
  if (out.kv_values == KvType::kAuto) out.kv_values = default_cache(model);
  return out;
}

void draw_flags(CLI::App* verb, DrawFlags& flags) {
  SamplerOptions& sampling = flags.sampling;
  option(verb, "-n,--predict,--n-predict", flags.n_predict, "tokens to write (-1: until the model stops)")
      ->check(CLI::Range(-1, 1 << 30));
  option(verb, "--temp", sampling.temperature, "temperature, 0 = always the most probable token")
      ->check(CLI::Range(0.0, 100.0));
  option(verb, "--top-k", sampling.top_k, "keep the k most probable (0: all)")->check(CLI::Range(0, 1 << 30));
  option(verb, "--top-p", sampling.top_p, "keep the fewest that hold this probability")->check(CLI::Range(0.0, 1.0));
  option(verb, "--min-p", sampling.min_p, "drop what is less probable than this share of the best")
      ->check(CLI::Range(0.0, 1.0));
  option(verb, "--repeat-penalty", sampling.repeat_penalty, "penalty of recent tokens, 1 = none");
  option(verb, "--repeat-last-n", sampling.repeat_last_n, "how many tokens are recent (-1: all)");
  option(verb, "-s,--seed", sampling.seed, "same seed, same text");
  verb->add_flag("--ignore-eos", flags.ignore_eos, "write on through end tokens");
  verb->add_flag("--no-show-timings", flags.no_timings, "no statistics at the end");
  threads_option(verb, flags.threads);
}

void print_timings(const GenerateStats& stats, int kept) {
  fmt::print(stderr,
             "prompt: {} tokens{}, {:.1f} tokens/s; generated: {} tokens, {:.1f} tokens/s; first token {:.1f} ms; peak "
             "memory {:.1f} MB (VmHWM)\n",
             stats.prompt_tokens, kept > 0 ? fmt::format(" and {} kept", kept) : "", stats.prompt_tokens_per_second(),
             stats.generated_tokens, stats.generated_tokens_per_second(), 1e3 * stats.first_token_seconds,
             double(peak_rss_bytes()) / 1e6);
  if (stats.draft_rounds > 0)
    fmt::print(
        stderr,
        "drafts: {} of {} accepted ({:.1f} %), {:.2f} tokens per round of {}; drafting took {:.1f} % of the time\n",
        stats.accepted_tokens, stats.drafted_tokens, 100.0 * stats.accepted_tokens / stats.drafted_tokens,
        stats.mean_accepted_length(), stats.draft_rounds,
        stats.generation_seconds > 0 ? 100.0 * stats.draft_seconds / stats.generation_seconds : 0.0);
}

void drafting_flags(CLI::App* verb, DraftFlags& flags) {
  option(verb, "--model-draft", flags.drafter, "-md: drafter folder or .gguf file, or builtin: same text, sooner");
  option(verb, "--spec-draft-n-max", flags.n_max,
         "tokens to draft per round: 1 to 15, or auto, which measures what pays and drafts none where nothing does");
}

Result<DraftCount> parse_draft_count(const std::string& text, const Session& session) {
  constexpr int kMostByItself = 7;
  const int most = most_drafts(session);
  if (text == "auto") {
    if (most < 1) return invalid_argument("-md: this session checks no drafts (-b and -ub are 1)");
    return DraftCount{std::min(kMostByItself, most), true};
  }
  DraftCount out;
  const char* end = text.data() + text.size();
  if (auto [at, error] = std::from_chars(text.data(), end, out.n_max);
      error != std::errc() || at != end || out.n_max < 1 || out.n_max > 15)
    return invalid_argument("--spec-draft-n-max '" + text + "': expected 1 to 15, or auto");
  if (out.n_max > most)
    return invalid_argument(
        fmt::format("--spec-draft-n-max {}: this session checks at most {} (-b and -ub set it)", out.n_max, most));
  return out;
}

Result<LoadedDrafter> open_drafter(DraftFlags flags, Session& session, const Tokenizer* tokenizer) {
  LoadedDrafter out;
  if (flags.drafter.empty()) return out;
  FACET_ASSIGN(out.count, parse_draft_count(flags.n_max, session));
  if (out.count.adapts) out.length = std::make_unique<DraftLength>(out.count.n_max);
  if (flags.drafter == "builtin") {
    FACET_ASSIGN(flags.drafter, builtin_drafter_path());
  }
  FACET_ASSIGN(Checkpoint checkpoint, load_drafter(flags.drafter));
  if (tokenizer != nullptr) {
    const Result<Tokenizer> its_own = load_tokenizer(flags.drafter);
    if (its_own.ok() && !(*its_own == *tokenizer))
      return corrupt(flags.drafter + ": its vocabulary is not that of the model: a drafter of another model");
  }
  if (flags.dense_head) drop_clusters(checkpoint);
  auto model = Model::bind(std::move(checkpoint));
  if (!model.ok()) return model.status().with_prefix(flags.drafter);
  out.model = std::make_unique<Model>(std::move(*model));
  auto drafter = Drafter::create(*out.model, session);
  if (!drafter.ok()) return drafter.status().with_prefix(flags.drafter);
  out.drafter = std::make_unique<Drafter>(std::move(*drafter));
  const MemoryPlan plan = plan_memory(*out.drafter, out.count.n_max);
  const Status fits = check_memory(plan_memory(session) + plan, session.options().memory_limit);
  if (!fits.ok())
    return fits.with_prefix(
        fmt::format("with {}, which takes {:.1f} MB", flags.drafter, double(plan.resident()) / 1e6));
  return out;
}

Status check_tokenizer(const std::string& path, const Tokenizer& tokenizer, const Model& model) {
  if (tokenizer.vocab_size() <= model.config().vocab_size) return {};
  return corrupt(fmt::format("{}: the tokenizer has {} tokens, the model {}", path, tokenizer.vocab_size(),
                             model.config().vocab_size));
}

std::string describe(const std::string& path, const Session& session, int threads) {
  return fmt::format("model {}, {:.2f} bits per weight; context {}, cache {:.1f} MB; {} threads\n{}", path,
                     session.model().checkpoint().bits_per_weight(), session.options().context,
                     double(session.cache_bytes()) / 1e6, threads, kernels::describe_choice());
}

std::vector<int> stream_of_documents(std::string_view text, const Tokenizer& tokenizer, int bos) {
  std::vector<int> ids;
  for (std::string_view document : split_documents(text)) {
    std::vector<int> part = tokenizer.encode(document);
    if (!ids.empty()) ids.push_back(bos);
    ids.insert(ids.end(), part.begin(), part.end());
    if (int eos = tokenizer.vocabulary().eos; eos >= 0) ids.push_back(eos);
  }
  return ids;
}

Status write_output(const std::string& path, const std::string& text) {
  if (!path.empty() && path != "-") return write_text_file(path, text);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    return io_error("standard output: cannot write");
  return {};
}

}  // namespace facet::cli
