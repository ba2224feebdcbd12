#include "facet/engine.h"

#include "base/thread_pool.h"
#include "engine/generate.h"
#include "engine/model.h"
#include "engine/session.h"
#include "model/checkpoint.h"

namespace facet {

// In the order of who outlives whom.
struct Engine::State {
  State(Model m, Tokenizer t, int n_threads) : model(std::move(m)), tokenizer(std::move(t)), pool(n_threads) {}
  Model model;
  Tokenizer tokenizer;
  ThreadPool pool;
  std::unique_ptr<Session> session;
};

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Result<Engine> Engine::load(const std::string& path, const EngineOptions& options) {
  if (options.threads < 0 || options.context < 0)
    return invalid_argument("engine options: 'threads' and 'context' are 0 (choose for me) or more");
  FACET_ASSIGN(Model model, Model::load(path));
  FACET_ASSIGN(Tokenizer tokenizer, load_tokenizer(path));
  auto state = std::make_unique<State>(std::move(model), std::move(tokenizer),
                                       options.threads > 0 ? options.threads : available_processors());
  FACET_ASSIGN(Session session, Session::create(state->model, state->pool,
                                                {.context = options.context, .kv = default_cache(state->model)}));
  state->session = std::make_unique<Session>(std::move(session));
  return Engine(std::move(state));
}

std::vector<int> Engine::encode(std::string_view text, bool bos) const {
  return state_->tokenizer.encode(text, {.bos = bos});
}
std::string Engine::decode(std::span<const int> tokens) const { return state_->tokenizer.decode(tokens); }
int Engine::vocab_size() const { return state_->model.config().vocab_size; }
int Engine::context() const { return state_->session->options().context; }

Result<GenerateStats> Engine::generate(std::span<const int> tokens, const GenerateOptions& options,
                                       const std::function<bool(std::string_view)>& on_text,
                                       const std::atomic<bool>* cancelled) {
  auto on_token = [&](int token) { return !on_text || on_text(state_->tokenizer.piece_bytes(token)); };
  FACET_ASSIGN(Generation generation, facet::generate(*state_->session, tokens, options, on_token, cancelled));
  return generation.stats;
}

Status Engine::evaluate(std::span<const int> tokens, std::span<float> logits) {
  return state_->session->evaluate(tokens, Session::Logits::kLast, logits);
}
int Engine::position() const { return state_->session->position(); }
Status Engine::rollback(int k) { return state_->session->rollback(k); }

}  // namespace facet
