#include "engine/drafter.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "base/check.h"
#include "engine/plan.h"
#include "engine/session_state.h"
#include "model/drafter.h"

namespace facet {

struct Drafter::State {
  State(const Model& drafter, Session::State& session)
      : model(drafter),
        target(session),
        forward(drafter, session.pool, session.kernels, options_for(session.options), session.model,
                session.forward.cache()) {
    const GemmaConfig& c = model.config();
    const auto width = static_cast<std::size_t>(c.target_hidden_size);
    input.resize(2 * width);
    logits.resize(static_cast<std::size_t>(c.vocab_size), -std::numeric_limits<float>::infinity());
    if (c.n_clusters == 0) return;
    scores.resize(static_cast<std::size_t>(c.n_clusters));
    clusters.resize(static_cast<std::size_t>(c.n_clusters));
    candidates.resize(static_cast<std::size_t>(c.n_clusters_used) * static_cast<std::size_t>(c.cluster_size()));
    candidate_logits.resize(candidates.size());
  }
  static SessionOptions options_for(const SessionOptions& session) {
    SessionOptions out;
    out.context = out.max_batch = 1;
    out.float_activations = session.float_activations;
    return out;
  }

  // z: the normed stream, which is the projector's present input.
  void dense_head() { forward.projector().run({{model.head(), logits.data()}}); }

  // The clusters whose centroids are nearest, and the logits of their tokens: spec "ordered embeddings".
  void clustered_head() {
    const GemmaConfig& c = model.config();
    const auto size = static_cast<std::size_t>(c.cluster_size()), used = static_cast<std::size_t>(c.n_clusters_used);
    for (int token : candidates) logits[static_cast<std::size_t>(token)] = -std::numeric_limits<float>::infinity();
    forward.projector().run({{model.centroids(), scores.data()}});
    for (std::size_t i = 0; i < clusters.size(); ++i) {
      clusters[i] = static_cast<int>(i);
      if (std::isnan(scores[i])) scores[i] = -std::numeric_limits<float>::infinity();  // sorting wants an order
    }
    auto nearer = [&](int a, int b) {
      const float x = scores[static_cast<std::size_t>(a)], y = scores[static_cast<std::size_t>(b)];
      return x != y ? x > y : a < b;
    };
    std::nth_element(clusters.begin(), clusters.begin() + static_cast<std::ptrdiff_t>(used - 1), clusters.end(),
                     nearer);
    const std::vector<int>& ordering = model.checkpoint().token_ordering;
    for (std::size_t i = 0; i < used; ++i)
      std::copy_n(ordering.begin() + static_cast<std::ptrdiff_t>(clusters[i]) * static_cast<std::ptrdiff_t>(size), size,
                  candidates.begin() + static_cast<std::ptrdiff_t>(i * size));
    forward.projector().run_rows(model.head(), candidates, candidate_logits.data());
    for (std::size_t i = 0; i < candidates.size(); ++i)
      logits[static_cast<std::size_t>(candidates[i])] = candidate_logits[i];
  }

  int best() const {
    if (candidates.empty()) return static_cast<int>(target.kernels.argmax(logits.data(), std::ssize(logits)));
    std::size_t best = 0;
    for (std::size_t i = 1; i < candidates.size(); ++i)
      if (candidate_logits[i] > candidate_logits[best] ||
          (candidate_logits[i] == candidate_logits[best] && candidates[i] < candidates[best]))
        best = i;
    return candidates[best];
  }

  const Model& model;
  Session::State& target;
  Forward forward;
  int position = 0;             // of the round
  std::vector<float> input;     // the token's embedding, then the hidden state
  std::vector<float> logits;    // V
  std::vector<float> scores;    // of clusters
  std::vector<int> clusters;    // their indices, being sorted
  std::vector<int> candidates;  // tokens of the chosen ones
  std::vector<float> candidate_logits;
};

Drafter::Drafter(std::unique_ptr<State> state) : state_(std::move(state)) {}
Drafter::Drafter(Drafter&&) noexcept = default;
Drafter& Drafter::operator=(Drafter&&) noexcept = default;
Drafter::~Drafter() = default;

Result<Drafter> Drafter::create(const Model& drafter, Session& target) {
  FACET_TRY(check_drafter(drafter.config(), target.model().config()));
  try {
    return Drafter(std::make_unique<State>(drafter, *target.state_));
  } catch (const std::bad_alloc&) {
    return no_resources("not enough memory for the drafter");
  }
}

void Drafter::begin(std::span<const float> hidden) {
  State& s = *state_;
  FACET_CHECK(s.target.position > 0, "a drafter attends to what the model has seen");
  FACET_CHECK(hidden.size() * 2 == s.input.size(), "one hidden state of the target's width");
  s.position = s.target.position;
  std::copy(hidden.begin(), hidden.end(), s.input.begin() + static_cast<std::ptrdiff_t>(hidden.size()));
}

int Drafter::step(int token) {
  State& s = *state_;
  s.target.use_threads(1);
  embed_token(s.target.model, s.target.kernels, token, s.input.data());
  const float* z = s.forward.run_drafter(s.input.data(), s.position);
  s.forward.projector().set_input(z, 1, s.model.config().hidden_size);
  if (s.model.config().n_clusters > 0)
    s.clustered_head();
  else
    s.dense_head();
  s.forward.projector().run({{s.model.post_projection(), s.input.data() + s.input.size() / 2}});
  return s.best();
}

std::span<const float> Drafter::logits() const { return state_->logits; }
std::span<const float> Drafter::hidden() const {
  return std::span<const float>(state_->input).subspan(state_->input.size() / 2);
}

Status Drafter::propose(std::span<const int> history, std::span<const float> hidden, int most,
                        std::vector<int>& drafts) {
  begin(hidden);
  for (int token = history.back(); static_cast<int>(drafts.size()) < most;) drafts.push_back(token = step(token));
  return {};
}

const Model& Drafter::model() const { return state_->model; }

std::uint64_t Drafter::weight_bytes_per_step() const {
  const Model& m = state_->model;
  std::uint64_t bytes = byte_size(m.pre_projection()) + byte_size(m.post_projection()) + byte_size(m.centroids());
  for (const LayerWeights& w : m.layers())
    for (const Linear* linear : {&w.q, &w.o, &w.gate, &w.up, &w.down}) bytes += byte_size(*linear);
  const std::uint64_t head = byte_size(m.head()), rows = static_cast<std::uint64_t>(m.head().rows);
  return bytes + (state_->candidates.empty() ? head : head / rows * state_->candidates.size());
}

std::uint64_t Drafter::buffer_bytes() const {
  const State& s = *state_;
  return s.forward.buffer_bytes() + sizeof(float) * (s.input.size() + s.logits.size() + s.scores.size() +
                                                     s.clusters.size() + 2 * s.candidates.size());
}

}  // namespace facet
