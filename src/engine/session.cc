#include "engine/session.h"

#include <algorithm>
#include <new>

#include "engine/plan.h"
#include "engine/session_state.h"

namespace facet {

namespace {

bool has_cache_scales(const Model& model) {
  return std::any_of(model.layers().begin(), model.layers().end(),
                     [](const LayerWeights& w) { return w.cache_scales.k > 0 || w.cache_scales.v > 0; });
}

// Replaces the "choose for me" values.
Status settle(const Model& model, SessionOptions& o) {
  const int most = model.config().max_positions;
  if (o.context < 0 || o.context > most)
    return invalid_argument("context " + std::to_string(o.context) + " is outside 1.." + std::to_string(most) +
                            ", the positions this model knows");
  if (o.max_batch < 1) return invalid_argument("max_batch is " + std::to_string(o.max_batch) + ", expected at least 1");
  if (o.threads < 0 || o.batch_threads < 0)
    return invalid_argument("threads " + std::to_string(o.threads) + " and " + std::to_string(o.batch_threads) +
                            ", expected 0 (all of the pool) or more");
  if (o.max_rollback < 0)
    return invalid_argument("max_rollback is " + std::to_string(o.max_rollback) + ", expected 0 or more");
  if (o.context == 0) o.context = std::min(most, 4096);
  o.max_batch = std::min(o.max_batch, o.context);
  o.max_rollback = std::min(o.max_rollback, o.context);
  const bool scales = has_cache_scales(model);
  if (o.kv == KvType::kAuto) o.kv = scales && !o.ignore_static_scales ? KvType::kI8 : KvType::kF32;
  if ((o.kv == KvType::kI8 || o.kv_values == KvType::kI8) && !scales)
    return invalid_argument(
        "an int8 cache needs a model with cache scales (the mobile scheme); choose f32, f16, bf16 or q8");
  return {};
}

}  // namespace

KvType default_cache(const Model& model) { return has_cache_scales(model) ? KvType::kI8 : KvType::kF16; }

Result<Session> Session::create(const Model& model, ThreadPool& pool, SessionOptions options) {
  auto kernels = kernels::choose();
  if (!kernels.ok()) return kernels.status();
  return create(model, pool, options, **kernels);
}

Result<Session> Session::create(const Model& model, ThreadPool& pool, SessionOptions options,
                                const kernels::Table& kernels) {
  if (model.config().is_drafter()) return invalid_argument("a drafter cannot run alone; give the model it drafts for");
  FACET_TRY(settle(model, options));
  try {
    Session session(std::make_unique<State>(model, pool, kernels, options));
    FACET_TRY(check_memory(plan_memory(session), options.memory_limit));
    return session;
  } catch (const std::bad_alloc&) {
    return no_resources("not enough memory for a session of " + std::to_string(options.context) +
                        " positions; ask for a shorter context");
  }
}

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Status Session::evaluate(std::span<const int> tokens, Logits wanted, std::span<float> logits) {
  State& s = *state_;
  const std::size_t vocab = s.model.config().vocab_size;
  for (int token : tokens) {
    if (token < 0 || static_cast<std::size_t>(token) >= vocab)
      return invalid_argument("token " + std::to_string(token) + " is outside the vocabulary of " +
                              std::to_string(vocab));
  }
  if (tokens.size() > static_cast<std::size_t>(s.options.context - s.position)) {
    return invalid_argument(std::to_string(tokens.size()) + " tokens at position " + std::to_string(s.position) +
                            " do not fit in a context of " + std::to_string(s.options.context) +
                            "; shorten the text or ask for a longer context");
  }
  const std::size_t rows = wanted == Logits::kAll ? tokens.size() : wanted == Logits::kLast ? 1 : 0;
  if (wanted == Logits::kLast && tokens.empty()) return invalid_argument("the logits of no token were asked for");
  if (logits.size() != rows * vocab) {
    return invalid_argument("room for " + std::to_string(logits.size()) + " logits, expected " +
                            std::to_string(rows * vocab));
  }

  while (!tokens.empty()) {
    const auto batch = tokens.first(std::min<std::size_t>(tokens.size(), s.options.max_batch));
    tokens = tokens.subspan(batch.size());
    const std::size_t n_wanted = wanted == Logits::kAll ? batch.size() : tokens.empty() ? rows : 0;
    s.use_threads(batch.size());
    s.forward.run(batch, s.position, static_cast<int>(n_wanted), logits.data());
    logits = logits.subspan(n_wanted * vocab);
    s.position += static_cast<int>(batch.size());
    s.highest = std::max(s.highest, s.position);
  }
  return {};
}

int Session::position() const { return state_->position; }
std::span<const float> Session::hidden() const { return state_->forward.hidden(); }

Status Session::rollback(int k) {
  State& s = *state_;
  if (k < 0 || k > s.position)
    return invalid_argument("cannot take back " + std::to_string(k) + " of " + std::to_string(s.position) +
                            " positions");
  const int target = s.position - k;
  if (target == 0) {
    reset();
  } else if (k > 0 && s.highest - target > s.options.max_rollback) {
    return invalid_argument("position " + std::to_string(target) + " lies " + std::to_string(s.highest - target) +
                            " below the highest one reached, more than max_rollback (" +
                            std::to_string(s.options.max_rollback) + ")");
  }
  s.position = target;
  return {};
}

void Session::reset() { state_->position = state_->highest = 0; }

void Session::set_linear_observer(LinearObserver observer) {
  state_->forward.projector().linear_observer = std::move(observer);
}

void Session::set_site_observer(SiteObserver observer) {
  state_->forward.projector().site_observer = std::move(observer);
}

std::uint64_t Session::cache_bytes() const { return state_->forward.cache().bytes(); }
std::uint64_t Session::buffer_bytes() const { return state_->forward.buffer_bytes(); }
const SessionOptions& Session::options() const { return state_->options; }
const Model& Session::model() const { return state_->model; }

}  // namespace facet
