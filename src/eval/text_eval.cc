#include "eval/text_eval.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "eval/stats.h"

namespace facet {
namespace {

// Logits of this many floats are held per model at a time: a large vocabulary is scored in small batches.
constexpr std::int64_t kLogitFloats = std::int64_t{1} << 22;

struct PositionScore {
  double nll, nll_reference, kl, delta_p;
  bool same_top;
};

double log_sum_exp(const float* z, int n, float max) {
  double sum[8] = {};
  int i = 0;
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; ++j) sum[j] += std::exp(z[i + j] - max);
  for (; i < n; ++i) sum[0] += std::exp(z[i] - max);
  return max + std::log(((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7])));
}

// KL(reference || model) = sum p (log p - log q), p from the reference.
PositionScore score_against(const float* z, const float* z_reference, int n, int next, double lse,
                            double lse_reference) {
  double kl[8] = {};
  int i = 0;
  auto term = [&](int v) {
    double log_p = z_reference[v] - lse_reference;
    return double(std::exp(static_cast<float>(log_p))) * (log_p - (z[v] - lse));
  };
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; ++j) kl[j] += term(i + j);
  for (; i < n; ++i) kl[0] += term(i);
  PositionScore s{};
  // Not std::max(0.0, x), which turns NaN into 0.
  s.kl = std::max(((kl[0] + kl[1]) + (kl[2] + kl[3])) + ((kl[4] + kl[5]) + (kl[6] + kl[7])), 0.0);
  s.nll = lse - z[next];
  s.nll_reference = lse_reference - z_reference[next];
  s.delta_p = std::exp(-s.nll) - std::exp(-s.nll_reference);
  s.same_top = std::max_element(z, z + n) - z == std::max_element(z_reference, z_reference + n) - z_reference;
  return s;
}

struct Runner {
  Session session;
  std::vector<float> logits;
  std::vector<double> lse;
};

Divergence summarize(std::vector<WindowSums>& windows, std::size_t which, std::vector<double>& kls, double delta_sum,
                     double delta_square) {
  Divergence d;
  double tokens = 0, nll = 0, kl = 0, top = 0;
  std::vector<double> kl_means, top_means, weights;
  for (const WindowSums& w : windows) {
    const WindowSums::Against& a = w.against[which];
    tokens += w.tokens;
    nll += a.nll;
    kl += a.kl;
    top += a.same_top;
    kl_means.push_back(a.kl / w.tokens);
    top_means.push_back(double(a.same_top) / w.tokens);
    weights.push_back(w.tokens);
  }
  d.ppl_reference = std::exp(nll / tokens);
  d.kld_mean = kl / tokens;
  d.top1 = top / tokens;
  d.kld_stderr = clustered_stderr(kl_means, weights);
  d.top1_stderr = clustered_stderr(top_means, weights);
  d.kld_median = quantile(kls, 0.5);
  d.kld_p99 = quantile(kls, 0.99);
  d.kld_p999 = quantile(kls, 0.999);
  d.kld_max = kls.empty() ? 0 : *std::max_element(kls.begin(), kls.end());
  d.delta_p_mean = delta_sum / tokens;
  d.delta_p_rms = std::sqrt(delta_square / tokens);
  return d;
}

}  // namespace

Result<TextEval> evaluate_text(const Model& model, std::span<const Model* const> references,
                               std::span<const int> tokens, const EvalOptions& options, ThreadPool& pool,
                               const std::function<void(int, int)>& progress, const std::atomic<bool>* cancel) {
  int vocab = model.config().vocab_size, context = options.context;
  for (const Model* r : references)
    if (r->config().vocab_size != vocab)
      return invalid_argument(fmt::format("the reference has {} tokens and the model {}: they must share a vocabulary",
                                          r->config().vocab_size, vocab));
  if (context < 2) return invalid_argument(fmt::format("a context of {} is too short, at least 2", context));
  auto n_windows = static_cast<int>(tokens.size() / context);
  if (options.max_windows > 0) n_windows = std::min(n_windows, options.max_windows);
  if (n_windows == 0)
    return invalid_argument(fmt::format("the text has {} tokens, one window needs {}", tokens.size(), context));

  SessionOptions session_options{.context = context,
                                 .max_batch = std::min(context, 256),
                                 .kv = options.kv,
                                 .float_activations = options.float_activations,
                                 .ignore_static_scales = options.ignore_static_scales};
  int batch = static_cast<int>(std::clamp<std::int64_t>(kLogitFloats / vocab, 1, context));
  std::vector<Runner> runners;
  auto add_runner = [&](const Model& m, const SessionOptions& o) -> Status {
    FACET_ASSIGN(Session session, Session::create(m, pool, o));
    runners.push_back({std::move(session), std::vector<float>(std::size_t(batch) * vocab), std::vector<double>(batch)});
    return {};
  };
  FACET_TRY(add_runner(model, session_options));
  session_options.float_activations = session_options.ignore_static_scales = false;
  session_options.kv = KvType::kAuto;
  for (const Model* r : references) FACET_TRY(add_runner(*r, session_options));

  TextEval out;
  std::vector<std::vector<double>> kls(references.size());
  std::vector<double> delta_sum(references.size()), delta_square(references.size());
  std::vector<PositionScore> scores(std::size_t(batch) * std::max<std::size_t>(1, references.size()));
  std::vector<int> window(static_cast<std::size_t>(context) + 1);
  double seconds = 0;
  for (int w = 0; w < n_windows; ++w) {
    if (cancel && *cancel) return Status(Code::kCancelled, "interrupted");
    // <bos> and the window's tokens; every one of them is predicted once.
    window[0] = model.config().bos_token;
    std::copy_n(tokens.begin() + std::ptrdiff_t(w) * context, context, window.begin() + 1);
    for (Runner& r : runners) r.session.reset();
    WindowSums sums{.tokens = 0, .nll = 0, .against = std::vector<WindowSums::Against>(references.size())};
    for (int first = 0; first < context; first += batch) {
      int n = std::min(batch, context - first);
      for (std::size_t r = 0; r < runners.size(); ++r) {
        auto start = std::chrono::steady_clock::now();
        FACET_TRY(runners[r].session.evaluate(std::span(window).subspan(first, n), Session::Logits::kAll,
                                              std::span(runners[r].logits).first(std::size_t(n) * vocab)));
        if (r == 0) seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      }
      pool.parallel_for(n, 1, [&](std::int64_t begin, std::int64_t end) {
        for (auto t = begin; t < end; ++t) {
          for (Runner& r : runners) {
            const float* z = r.logits.data() + t * vocab;
            r.lse[t] = log_sum_exp(z, vocab, *std::max_element(z, z + vocab));
          }
          for (std::size_t r = 1; r < runners.size(); ++r)
            scores[t * references.size() + r - 1] =
                score_against(runners[0].logits.data() + t * vocab, runners[r].logits.data() + t * vocab, vocab,
                              window[first + t + 1], runners[0].lse[t], runners[r].lse[t]);
        }
      });
      for (int t = 0; t < n; ++t) {
        if (window[first + t + 1] == model.config().bos_token) continue;  // no text predicts that another one begins
        ++sums.tokens;
        sums.nll += runners[0].lse[t] - runners[0].logits[std::size_t(t) * vocab + window[first + t + 1]];
        for (std::size_t r = 0; r < references.size(); ++r) {
          const PositionScore& s = scores[t * references.size() + r];
          sums.against[r].nll += s.nll_reference;
          sums.against[r].kl += s.kl;
          sums.against[r].same_top += s.same_top;
          kls[r].push_back(s.kl);
          delta_sum[r] += s.delta_p;
          delta_square[r] += s.delta_p * s.delta_p;
        }
      }
    }
    if (!std::isfinite(sums.nll))
      return corrupt(
          fmt::format("the model's loss is not finite in window {} (NaN weights, or a scale gone wrong)", w));
    for (std::size_t r = 0; r < references.size(); ++r)
      if (!std::isfinite(sums.against[r].nll) || !std::isfinite(sums.against[r].kl))
        return corrupt(
            fmt::format("the loss of reference {} is not finite in window {} (NaN weights, or a scale gone "
                        "wrong)",
                        r + 1, w));
    out.windows.push_back(std::move(sums));
    if (progress) progress(w + 1, n_windows);
  }

  std::vector<double> means, weights;
  double nll = 0;
  for (const WindowSums& w : out.windows) {
    out.tokens += w.tokens;
    nll += w.nll;
    means.push_back(w.nll / w.tokens);
    weights.push_back(w.tokens);
  }
  out.ppl = std::exp(nll / double(out.tokens));
  out.ppl_stderr = out.ppl * clustered_stderr(means, weights);  // delta method
  out.tokens_per_second = double(out.tokens) / seconds;
  for (std::size_t r = 0; r < references.size(); ++r)
    out.against.push_back(summarize(out.windows, r, kls[r], delta_sum[r], delta_square[r]));
  return out;
}

}  // namespace facet
