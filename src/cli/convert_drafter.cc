// facet convert -m DRAFTER: a drafter in another form.
#include <fmt/format.h>

#include <filesystem>

#include "cli/cli.h"
#include "model/drafter.h"

namespace facet::cli {

Status convert_drafter_file(const std::string& path, const std::string& to, const std::string& out, bool dense_head,
                            int threads) {
  constexpr std::pair<const char*, DType> kForms[] = {
      {"q4_0-gguf", DType::kQ4_0}, {"q8_0-gguf", DType::kQ8_0}, {"bf16-gguf", DType::kBF16}, {"hf", DType::kBF16}};
  const auto* form = std::ranges::find_if(kForms, [&](const auto& f) { return to == f.first; });
  if (form == std::end(kForms))
    return invalid_argument("--to " + to + ": a drafter goes to q4_0-gguf, q8_0-gguf, bf16-gguf or hf");
  if ((to == "hf") == out.ends_with(".gguf"))
    return invalid_argument("--out " + out + ": " + to + " goes to a " + (to == "hf" ? "folder" : ".gguf file"));
  if (std::error_code ignored; std::filesystem::equivalent(path, out, ignored))
    return invalid_argument("--out " + out + ": is the drafter itself; take another name");
  FACET_ASSIGN(Checkpoint drafter, load_drafter(path));
  if (dense_head) drop_clusters(drafter);
  FACET_ASSIGN(const Tokenizer tokenizer, load_tokenizer(path));
  ThreadPool pool(threads);
  auto converted = convert_drafter(drafter, form->second, pool);
  if (!converted.ok()) return converted.status().with_prefix(path);
  FACET_TRY(save_drafter(out, *converted, tokenizer).with_prefix(path));
  return write_output("",
                      fmt::format("{}: drafter, {}, {:.2f} bits per weight\n", out, to, converted->bits_per_weight()));
}

}  // namespace facet::cli
