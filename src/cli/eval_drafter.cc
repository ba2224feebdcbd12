// facet eval -md: how often a drafter is right, by depth, where its model writes on after pieces of a text.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "cli/cli.h"
#include "cli/eval_drafter.h"
#include "cli/progress.h"
#include "eval/continuations.h"

namespace facet::cli {

Status run_eval_drafter(const DraftEvalFlags& flags) {
  FACET_ASSIGN(const std::string path, model_path_or_builtin(flags.model));
  FACET_ASSIGN(const Model model, Model::load(path));
  FACET_ASSIGN(const Tokenizer tokenizer, load_tokenizer(path));
  FACET_TRY(check_tokenizer(path, tokenizer, model));
  FACET_ASSIGN(const std::string text, read_text_file(flags.text));
  const int bos = model.config().bos_token;
  FACET_ASSIGN(const Continuations continuations,
               Continuations::create(stream_of_documents(text, tokenizer, bos), bos, flags.options));
  ThreadPool pool(flags.threads);
  FACET_ASSIGN(Session session, Session::create(model, pool,
                                                {.context = flags.options.prompt_tokens + flags.options.max_tokens + 1,
                                                 .threads = flags.threads,
                                                 .batch_threads = flags.threads,
                                                 .kv = default_cache(model),
                                                 .kv_values = default_cache(model)}));
  DraftFlags drafting = flags.drafting;
  if (drafting.n_max == "auto") drafting.n_max = "4";  // how many pay is a matter of time; how many are right is not
  FACET_ASSIGN(const LoadedDrafter drafter, open_drafter(drafting, session, &tokenizer));

  DraftRecord greedy, drawn;
  Progress progress;
  for (int i = 0; i < flags.n_texts; ++i) {
    const auto index = static_cast<std::uint64_t>(i);
    FACET_ASSIGN(const Generation g, continuations.write(session, index, drafter.speculation(), &interrupted));
    if (g.stats.stop == StopReason::kCancelled) return {Code::kCancelled, "interrupted"};
    (continuations.greedy(index) ? greedy : drawn).add(g.stats);
    progress.show(fmt::format("text {}/{}", i + 1, flags.n_texts), i + 1 == flags.n_texts);
  }
  progress.finish();

  nlohmann::ordered_json json = {
      {"model", path}, {"drafter", drafting.drafter}, {"text", flags.text}, {"drafts", drafter.count.n_max}};
  std::string out = fmt::format("{} drafts a round, after {} tokens of {}\n", drafter.count.n_max,
                                flags.options.prompt_tokens, flags.text);
  for (const auto& [name, record] : {std::pair<const char*, const DraftRecord&>{"greedy", greedy}, {"drawn", drawn}}) {
    if (record.rounds == 0) continue;
    out += fmt::format("{}: {} texts, {} tokens in {} rounds; right at depth", name, record.texts, record.tokens,
                       record.rounds);
    auto& entry = json[name] = {{"texts", record.texts},
                                {"tokens", record.tokens},
                                {"rounds", record.rounds},
                                {"mean_length", record.mean_length()},
                                {"right", nlohmann::ordered_json::array()}};
    for (std::size_t d = 0; d < record.tried_at.size(); ++d) {
      out += fmt::format("{} {}: {:.1f} %", d == 0 ? "" : ",", d + 1, 100 * record.right(d));
      entry["right"].push_back(record.right(d));
    }
    out += fmt::format("; {:.2f} tokens a round\n", record.mean_length());
  }
  return write_output(flags.output, flags.format == "json" ? json.dump(2) + "\n" : out);
}

}  // namespace facet::cli
