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
    candidate_logits.resize(static_cast<std::size_t>(c.n_clusters_used) * static_cast<std::size_t>(c.cluster_size()));
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
    forward.projector().run({{model.centroids(), scores.data()}});
    for (std::size_t i = 0; i < clusters.size(); ++i) {
      clusters[i] = static_cast<int>(i);
      if (std::isnan(scores[i])) scores[i] = -std::numeric_limits<float>::infinity();  // sorting wants an order
    }
    auto nearer = [&](int a, int b) {
      const float x = scores[static_cast<std::size_t>(a)], y = scores[static_cast<std::size_t>(b)];
      return x != y ? x > y : a < b;
    };
    std::nth_element(clusters.begin(), clusters.begin() + (c.n_clusters_used - 1), clusters.end(), nearer);
    forward.projector().run_groups(model.head(), chosen(), c.cluster_size(), candidate_logits.data());
  }
  std::span<const int> chosen() const {
    return std::span(clusters).first(clusters.empty() ? 0 : static_cast<std::size_t>(model.config().n_clusters_used));
  }
  // Tokens of one of them, in the order of its rows.
  std::span<const int> tokens(int cluster) const {
    const auto size = static_cast<std::size_t>(model.config().cluster_size());
    return std::span(model.checkpoint().token_ordering).subspan(static_cast<std::size_t>(cluster) * size, size);
  }

  int best() const {
    if (clusters.empty()) return static_cast<int>(target.kernels.argmax(logits.data(), std::ssize(logits)));
    const int size = model.config().cluster_size();
    auto token_at = [&](std::ptrdiff_t i) {
      return tokens(clusters[static_cast<std::size_t>(i / size)])[static_cast<std::size_t>(i % size)];
    };
    const std::ptrdiff_t n = std::ssize(candidate_logits), first = target.kernels.argmax(candidate_logits.data(), n);
    int best = token_at(first);
    for (std::ptrdiff_t i = first + 1; i < n; ++i)  // rows are not in the order of tokens
      if (candidate_logits[static_cast<std::size_t>(i)] == candidate_logits[static_cast<std::size_t>(first)])
        best = std::min(best, token_at(i));
    return best;
  }
  void spread_logits() {
    if (clusters.empty()) return;
    std::ranges::fill(logits, -std::numeric_limits<float>::infinity());
    const float* logit = candidate_logits.data();
    for (int cluster : chosen())
      for (int token : tokens(cluster)) logits[static_cast<std::size_t>(token)] = *logit++;
  }

  const Model& model;
  Session::State& target;
  Forward forward;
  int position = 0;                     // of the round
  std::vector<float> input;             // the token's embedding, then the hidden state
  std::vector<float> logits;            // V; with clusters made when asked for
  std::vector<float> scores;            // of clusters
  std::vector<int> clusters;            // their indices, the chosen ones first
  std::vector<float> candidate_logits;  // of their tokens, cluster after cluster
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

std::span<const float> Drafter::logits() const {
  state_->spread_logits();
  return state_->logits;
}
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
  return bytes + (state_->clusters.empty() ? head : head / rows * state_->candidate_logits.size());
}

std::uint64_t Drafter::buffer_bytes() const {
  const State& s = *state_;
  return s.forward.buffer_bytes() + sizeof(float) * (s.input.size() + s.logits.size() + s.scores.size() +
                                                     s.clusters.size() + s.candidate_logits.size());
}

}  // namespace facet
