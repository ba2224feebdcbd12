#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <filesystem>
#include <numeric>
#include <regex>
#include <system_error>
#include <utility>

#include "base/atomic_file.h"
#include "base/process.h"
#include "model/tensor_spec.h"
#include "train/loss.h"
#include "train/model_output.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/train_state.h"

namespace facet::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// The parameters that train, in name order; the others stop asking for gradients.
Result<std::vector<TrainedTensor>> choose_trained(const TrainConfig& config, TrainParts& parts) {
  Graph& graph = parts.student;
  std::vector<std::regex> frozen;
  for (const std::string& pattern : config.freeze) {
    try {
      frozen.emplace_back(pattern, std::regex::ECMAScript);
    } catch (const std::regex_error&) {
      return invalid_argument("training config: 'freeze' has '" + pattern + "', which is no regular expression");
    }
  }
  std::vector<TrainedTensor> trained;
  for (const TensorSpec& spec : tensor_specs(graph.config())) {
    torch::Tensor& value = graph.parameters().at(spec.name);
    double multiplier = 1;
    if (spec.role == Role::kEmbedding || spec.role == Role::kHead) multiplier = config.embedding_lr;
    if (spec.role == Role::kPleTable) multiplier = config.ple_lr;
    for (const std::regex& pattern : frozen)
      if (std::regex_search(spec.name, pattern)) multiplier = 0;
    if (parts.trains && !parts.trains(spec.name)) multiplier = 0;
    value.set_requires_grad(multiplier > 0);
    if (multiplier > 0) trained.push_back({spec.name, value, multiplier, spec.is_matrix});
  }
  if (trained.empty()) return invalid_argument("training config: 'freeze' leaves nothing to train");
  return trained;
}

// Sums over tokens, added over micro-batches and processes before anything is divided.
struct Sums {
  double loss = 0, ce = 0, kl = 0, tokens = 0, correct = 0, agree = 0, accepted = 0;
  void add(const LossResult& r) {
    loss += r.loss.item<double>();
    ce += r.ce_sum;
    kl += r.kl_sum;
    tokens += static_cast<double>(r.n_tokens);
    correct += static_cast<double>(r.n_correct);
    agree += static_cast<double>(r.n_agree);
    accepted += r.accepted_sum;
  }
};

Status reduce(Collectives& collectives, std::initializer_list<double*> values) {
  torch::Tensor packed = torch::empty({static_cast<std::int64_t>(values.size())}, torch::kFloat64);
  double* data = packed.data_ptr<double>();
  for (double* value : values) *data++ = *value;
  FACET_TRY(collectives.all_reduce_sum({packed}));
  data = packed.data_ptr<double>();
  for (double* value : values) *value = *data++;
  return {};
}

class Loop {
 public:
  Loop(const TrainConfig& config, TrainParts& parts, const TrainCallbacks& callbacks)
      : config_(config), parts_(parts), callbacks_(callbacks), first_(parts.collectives->is_first()) {}
  Result<TrainSummary> run();

 private:
  Status prepare();
  Status resume();
  Status calibrate();
  Result<TrainProgress> step();
  Status validate_model();
  Status save();
  Status everywhere(Status status);
  Result<bool> cancelled();
  LossResult forward(const Batch& batch, bool with_teacher);
  Result<TrainSummary> finish();
  void say(const std::string& text) const {
    if (first_ && callbacks_.message) callbacks_.message(text);
  }
  std::string state_dir() const { return (std::filesystem::path(config_.output_dir) / "state").string(); }
  std::int64_t windows_per_step() const {
    return std::int64_t{config_.batch_size} * config_.grad_accum * parts_.collectives->world_size();
  }

  const TrainConfig& config_;
  TrainParts& parts_;
  const TrainCallbacks& callbacks_;
  bool first_;
  FloatHooks teacher_hooks_;
  std::optional<Optimizer> optimizer_;
  std::optional<Windows> train_, valid_;
  Schedule schedule_;
  RunLog log_;
  LossOptions loss_options_;
  std::int64_t total_steps_ = 0, step_ = 0, begun_at_step_ = 0, saved_at_step_ = -1, validated_at_step_ = -1;
  std::int64_t calibrations_ = 0, skipped_ = 0, tokens_ = 0;
  std::optional<Validation> last_validation_, best_validation_;
  double best_score_ = 0;
  std::int64_t best_step_ = -1;
  int best_stage_ = 0;
  double earlier_seconds_ = 0;
  Clock::time_point begun_ = Clock::now();
  std::deque<std::pair<double, double>> recent_;  // seconds and tokens of the last steps
};

// A failure of the first process (it alone writes) stops all of them.
Status Loop::everywhere(Status status) {
  double failed = status.ok() ? 0 : 1;
  FACET_TRY(reduce(*parts_.collectives, {&failed}));
  if (!status.ok()) return status;
  return failed > 0 ? internal_error("process " + std::to_string(parts_.collectives->rank()) +
                                     ": stopped because another process failed; see its message")
                    : Status();
}

Result<bool> Loop::cancelled() {
  double wanted = callbacks_.cancel && callbacks_.cancel->load() ? 1 : 0;
  FACET_TRY(reduce(*parts_.collectives, {&wanted}));
  return wanted > 0;
}

Status Loop::prepare() {
  const GemmaConfig& model = parts_.student.config();
  if (config_.context > model.max_positions)
    return invalid_argument("training config: 'context' is " + std::to_string(config_.context) + ", the model has " +
                            std::to_string(model.max_positions) + " positions");
  if (parts_.tokenizer.vocab_size() > model.vocab_size)
    return invalid_argument("the tokenizer has " + std::to_string(parts_.tokenizer.vocab_size()) +
                            " tokens, the model only " + std::to_string(model.vocab_size) +
                            "; give the tokenizer that belongs to the model");
  if (parts_.teacher && parts_.teacher->config().vocab_size != model.vocab_size)
    return invalid_argument("the teacher has a vocabulary of " + std::to_string(parts_.teacher->config().vocab_size) +
                            ", the student of " + std::to_string(model.vocab_size) +
                            "; a teacher must share the student's tokenizer");
  FACET_ASSIGN(std::vector<TrainedTensor> trained, choose_trained(config_, parts_));
  optimizer_.emplace(AdamOptions{.beta1 = config_.beta1,
                                 .beta2 = config_.beta2,
                                 .eps = config_.eps,
                                 .weight_decay = config_.weight_decay,
                                 .clip = config_.clip},
                     std::move(trained));
  FACET_ASSIGN(train_, Windows::create(parts_.train_tokens, config_.context, config_.window_bos, config_.seed,
                                       config_.train_text));
  if (parts_.valid_tokens) {
    FACET_ASSIGN(valid_, Windows::create(*parts_.valid_tokens, config_.context, config_.window_bos, config_.seed,
                                         config_.valid_text));
  }
  total_steps_ = total_steps(config_, parts_.collectives->world_size());
  schedule_ = make_schedule(config_.schedule, total_steps_, config_.warmup, config_.lr_min_ratio, config_.decay_share);
  loss_options_.ce_weight = config_.loss == "ce" ? 1 : config_.label_weight;
  loss_options_.kl_weight = config_.loss == "kl" ? 1 : 0;
  loss_options_.softcap = model.logit_softcap;
  loss_options_.compute = parts_.student.options().compute;

  if (config_.resume)
    FACET_TRY(resume());
  else if (!config_.overwrite && has_train_state(state_dir()))
    return invalid_argument(config_.output_dir +
                            ": holds a saved run; resume to go on with it, overwrite to start afresh, or take another "
                            "output directory");
  begun_at_step_ = step_;

  Status status;
  if (first_) {
    std::error_code error;
    if (!config_.resume && config_.overwrite) std::filesystem::remove_all(state_dir(), error);
    std::filesystem::create_directories(config_.output_dir, error);
    if (error) status = io_error(config_.output_dir + ": cannot create the folder: " + error.message());
    auto in_output = [&](const char* name) { return (std::filesystem::path(config_.output_dir) / name).string(); };
    if (status.ok()) status = write_text_file(in_output("train_config.json"), to_json(config_));
    if (status.ok())
      status = log_.open(config_.log_file.empty() ? in_output("log.jsonl") : config_.log_file, config_.resume);
    if (status.ok()) status = log_.event(config_.resume ? "resume" : "start", step_);
  }
  FACET_TRY(everywhere(status));

  // Equal seeds give equal weights; this makes it certain on unequal machines.
  std::vector<torch::Tensor> weights;
  for (auto& [name, value] : parts_.student.parameters()) weights.push_back(value.detach());
  return parts_.collectives->broadcast(std::move(weights));
}

Status Loop::resume() {
  FACET_ASSIGN(TrainState state, load_train_state(state_dir(), [&](std::string_view text) { say(std::string(text)); }));
  TrainConfig then;
  FACET_TRY(parse_train_config(state.config, then).with_prefix(state_dir()));
  std::string others;
  for (const std::string& key : changed_fields(then, config_)) {
    for (std::string_view fixed : {"context", "window_bos", "seed", "scheme", "rules", "learned_scales", "loss"})
      if (key == fixed)
        return invalid_argument("resume: '" + key + "' differs from the saved run's in " + config_.output_dir +
                                "/train_config.json; set it back, or start afresh in another folder");
    if (key != "resume" && key != "overwrite" && key != "threads" && key != "output_dir")
      others += (others.empty() ? "" : ", ") + key;
  }
  if (state.window != state.step * windows_per_step())
    return invalid_argument("resume: a step was " + std::to_string(state.step ? state.window / state.step : 0) +
                            " windows in the saved run and is " + std::to_string(windows_per_step()) +
                            " now; choose batch_size and grad_accum so that their product times the processes agrees");
  if (state.data_identity != identity(parts_.train_tokens))
    return invalid_argument("resume: " + config_.train_text + " gives other tokens than in the saved run");
  if (!others.empty()) say("resuming with other settings than before: " + others);

  torch::NoGradGuard no_grad;
  for (auto& [name, value] : parts_.student.parameters()) {
    auto found = state.parameters.find(name);
    if (found == state.parameters.end() || found->second.sizes() != value.sizes() ||
        found->second.scalar_type() != value.scalar_type())
      return corrupt("resume: parameter '" + name + "' is missing from the saved state or has another shape");
    value.copy_(found->second);
  }
  FACET_TRY(parts_.hooks->load_state(state.hooks).with_prefix("resume"));
  FACET_TRY(optimizer_->load_state(state.optimizer, parts_.hooks->groups()).with_prefix("resume"));
  step_ = saved_at_step_ = state.step;
  calibrations_ = state.calibrations;
  skipped_ = state.skipped_steps;
  best_score_ = state.best_score;
  best_step_ = state.best_step;
  best_stage_ = state.best_stage;
  earlier_seconds_ = state.seconds;
  say("resumed at step " + std::to_string(step_) + " of " + std::to_string(total_steps_));
  return {};
}

LossResult Loop::forward(const Batch& batch, bool with_teacher) {
  torch::Device device = parts_.student.options().device;
  torch::Tensor tokens = batch.tokens.to(device), labels = batch.labels.to(device);
  if (parts_.objective)
    return parts_.objective(parts_.student, *parts_.hooks, parts_.teacher ? &*parts_.teacher : nullptr, tokens, labels,
                            loss_options_, static_cast<double>(step_) / static_cast<double>(total_steps_));
  Teacher teacher;
  if (with_teacher) {
    torch::NoGradGuard no_grad;
    teacher.hidden = parts_.teacher->forward(tokens, teacher_hooks_);
    teacher.head = parts_.teacher->head(teacher_hooks_);
    teacher.softcap = parts_.teacher->config().logit_softcap;
  }
  torch::Tensor hidden = parts_.student.forward(tokens, *parts_.hooks);
  return chunked_loss(hidden, parts_.student.head(*parts_.hooks), labels, loss_options_,
                      with_teacher ? &teacher : nullptr);
}

Status Loop::calibrate() {
  say("step " + std::to_string(step_) + ": calibrating on " + std::to_string(config_.qat.calibration_windows) +
      " windows");
  torch::NoGradGuard no_grad;
  parts_.hooks->observe(true);
  for (std::int64_t first = 0; first < config_.qat.calibration_windows; first += config_.batch_size) {
    std::int64_t n = std::min<std::int64_t>(config_.batch_size, config_.qat.calibration_windows - first);
    Batch batch = train_->calibration(calibrations_, first, n);
    torch::Tensor hidden = parts_.student.forward(batch.tokens.to(parts_.student.options().device), *parts_.hooks);
    parts_.student.head(*parts_.hooks);
  }
  parts_.hooks->observe(false);
  ++calibrations_;
  FACET_TRY(parts_.hooks->finish_calibration());
  if (parts_.collectives->world_size() == 1) return {};
  // Every process saw the same windows; the first one's ranges make their equality certain.
  StateMap state;
  parts_.hooks->save_state(state);
  std::vector<torch::Tensor> tensors;
  for (auto& [name, tensor] : state) {
    tensor = tensor.detach().clone();
    tensors.push_back(tensor);
  }
  FACET_TRY(parts_.collectives->broadcast(std::move(tensors)));
  return parts_.hooks->load_state(state);
}

Result<TrainProgress> Loop::step() {
  Clock::time_point start = Clock::now();
  Collectives& collectives = *parts_.collectives;
  StepInfo info{.step = step_, .total_steps = total_steps_};
  info.lr_fraction = lr_fraction(schedule_, step_);
  info.lr = config_.lr * info.lr_fraction;
  int stage_before = parts_.hooks->stage();
  parts_.hooks->begin_step(info);
  if (parts_.hooks->needs_calibration()) FACET_TRY(calibrate());
  if (parts_.hooks->stage() != stage_before)
    say("step " + std::to_string(step_) + ": stage " + std::to_string(parts_.hooks->stage()));

  // Window order: step, micro-batch, process, row; so the global batch of a step does not depend on how it is split.
  std::vector<Batch> batches;
  double n_tokens = 0;
  for (int micro = 0; micro < config_.grad_accum; ++micro) {
    std::int64_t first = step_ * windows_per_step() +
                         (std::int64_t{micro} * collectives.world_size() + collectives.rank()) * config_.batch_size;
    batches.push_back(train_->training(first, config_.batch_size));
    n_tokens += static_cast<double>(batches.back().n_labels);
  }
  FACET_TRY(reduce(collectives, {&n_tokens}));

  std::vector<ParameterGroup>& groups = parts_.hooks->groups();
  optimizer_->clear_gradients(groups);
  Sums sums;
  for (const Batch& batch : batches) {
    LossResult result = forward(batch, config_.loss == "kl");
    sums.add(result);
    (result.loss / n_tokens).backward();
  }
  FACET_TRY(reduce(collectives, {&sums.loss, &sums.ce, &sums.kl, &sums.tokens}));
  TrainProgress progress;
  progress.loss = sums.loss / n_tokens;
  progress.ce = sums.ce / n_tokens;
  if (config_.loss == "kl") progress.kl = sums.kl / n_tokens;
  if (!std::isfinite(progress.loss))
    return internal_error("step " + std::to_string(step_) + ": the loss is " + std::to_string(progress.loss) + " (lr " +
                          std::to_string(info.lr) +
                          "); lower the learning rate or look for NaN in the "
                          "weights; the last save is intact");
  FACET_TRY(collectives.all_reduce_sum(optimizer_->gradients(groups)));
  OptimizerReport report = optimizer_->step(info.lr, info.lr_fraction, groups);
  if (report.finite) {
    skipped_ = 0;
    torch::NoGradGuard no_grad;
    parts_.hooks->end_step(info, parts_.student.parameters());
  } else {
    if (++skipped_ >= 2)
      return internal_error("step " + std::to_string(step_) +
                            ": the gradient is not finite for the second time in a row; lower the learning rate; the "
                            "last save is intact");
    say("step " + std::to_string(step_) + ": the gradient is not finite; skipped");
    if (first_) FACET_TRY(log_.event("skip", step_));
  }
  ++step_;
  tokens_ += static_cast<std::int64_t>(n_tokens);

  recent_.emplace_back(seconds_since(start), n_tokens);
  if (recent_.size() > 20) recent_.pop_front();
  double seconds = 0, tokens = 0;
  for (auto [s, t] : recent_) {
    seconds += s;
    tokens += t;
  }
  progress.step = step_;
  progress.total_steps = total_steps_;
  progress.lr = info.lr;
  progress.grad_norm = report.grad_norm;
  progress.group_norms = std::move(report.group_norms);
  progress.stage = parts_.hooks->stage();
  progress.tokens_per_second = tokens / seconds;
  progress.peak_rss_bytes = peak_rss_bytes();
  progress.seconds = earlier_seconds_ + seconds_since(begun_);
  progress.eta_seconds = static_cast<double>(total_steps_ - step_) * seconds / static_cast<double>(recent_.size());
  if (step_ % config_.log_every == 0 || step_ == total_steps_) progress.metrics = parts_.hooks->metrics();
  return progress;
}

Status Loop::validate_model() {
  torch::NoGradGuard no_grad;
  std::int64_t total = valid_->n_validation();
  if (config_.eval_windows > 0) total = std::min(total, config_.eval_windows);
  Sums sums;
  Collectives& collectives = *parts_.collectives;
  for (std::int64_t first = std::int64_t{collectives.rank()} * config_.batch_size; first < total;
       first += std::int64_t{collectives.world_size()} * config_.batch_size)
    sums.add(forward(valid_->validation(first, std::min<std::int64_t>(config_.batch_size, total - first), total),
                     parts_.teacher.has_value()));
  FACET_TRY(reduce(collectives, {&sums.ce, &sums.kl, &sums.tokens, &sums.correct, &sums.agree, &sums.accepted}));

  Validation v;
  v.step = step_;
  v.stage = parts_.hooks->stage();
  v.n_tokens = static_cast<std::int64_t>(sums.tokens);
  v.ce = sums.ce / sums.tokens;
  v.ppl = std::exp(v.ce);
  v.accuracy = sums.correct / sums.tokens;
  if (parts_.teacher) {
    v.kl = sums.kl / sums.tokens;
    v.top1_agreement = sums.agree / sums.tokens;
  }
  if (sums.accepted > 0) v.draft_length = 1 + sums.accepted / sums.tokens;
  v.score = v.draft_length ? -*v.draft_length : config_.loss == "kl" ? *v.kl : v.ce;
  if (!std::isfinite(v.score))
    return internal_error("step " + std::to_string(step_) +
                          ": the validation loss is not finite; lower the learning rate; the last save is intact");
  v.best = best_step_ < 0 || v.stage > best_stage_ || v.score < best_score_;
  validated_at_step_ = step_;
  last_validation_ = v;
  if (v.best) {
    best_validation_ = v;
    best_score_ = v.score;
    best_step_ = step_;
    best_stage_ = v.stage;
  }
  Status status;
  if (first_) {
    if (v.best)
      status = save_model(config_, "best", step_, parts_.student, *parts_.hooks, parts_.tokenizer, parts_.beside);
    if (status.ok()) status = log_.validation(v);
  }
  FACET_TRY(everywhere(status));
  if (first_ && callbacks_.validation) callbacks_.validation(v);
  return {};
}

Status Loop::save() {
  saved_at_step_ = step_;
  Status status;
  if (first_) {
    TrainState state;
    for (auto& [name, value] : parts_.student.parameters()) state.parameters[name] = value;
    optimizer_->save_state(state.optimizer);
    parts_.hooks->save_state(state.hooks);
    state.step = step_;
    state.window = step_ * windows_per_step();
    state.calibrations = calibrations_;
    state.skipped_steps = skipped_;
    state.best_score = best_score_;
    state.best_step = best_step_;
    state.best_stage = best_stage_;
    state.seconds = earlier_seconds_ + seconds_since(begun_);
    state.config = to_json(config_);
    state.data_identity = identity(parts_.train_tokens);
    status = save_train_state(state_dir(), state);
    if (status.ok())
      status = save_model(config_, "last", step_, parts_.student, *parts_.hooks, parts_.tokenizer, parts_.beside);
    if (status.ok()) status = log_.event("save", step_);
  }
  return everywhere(status);
}

Result<TrainSummary> Loop::run() {
  FACET_TRY(prepare());
  while (step_ < total_steps_) {
    FACET_ASSIGN(TrainProgress progress, step());
    if (step_ % config_.log_every == 0 || step_ == total_steps_)
      FACET_TRY(everywhere(first_ ? log_.step(progress) : Status()));
    if (first_ && callbacks_.progress) callbacks_.progress(progress);
    FACET_ASSIGN(bool stop, cancelled());
    bool last = step_ == total_steps_;
    if (valid_ && !stop && (last || (config_.eval_every > 0 && step_ % config_.eval_every == 0)))
      FACET_TRY(validate_model());
    if (stop || last || (config_.save_every > 0 && step_ % config_.save_every == 0)) FACET_TRY(save());
    if (stop && !last)
      return Status(Code::kCancelled, "stopped at step " + std::to_string(step_) + " of " +
                                          std::to_string(total_steps_) + "; saved in " + config_.output_dir +
                                          ", resume to go on");
  }
  return finish();
}

Result<TrainSummary> Loop::finish() {
  if (valid_ && validated_at_step_ != step_) FACET_TRY(validate_model());
  if (saved_at_step_ != step_) FACET_TRY(save());
  if (first_) FACET_TRY(log_.event("end", step_));
  TrainSummary summary;
  summary.steps = step_ - begun_at_step_;
  summary.tokens = tokens_;
  summary.seconds = seconds_since(begun_);
  summary.last = last_validation_;
  summary.best = best_validation_;
  std::string name = best_step_ >= 0 ? "best" : "last";
  summary.model = model_path(config_, name);
  summary.deployed = deployed_path(config_, name);
  return summary;
}

}  // namespace

Result<TrainSummary> run_training(const TrainConfig& config, TrainParts parts, const TrainCallbacks& callbacks) {
  // libtorch reports its own failures (memory, say) by exceptions; they stop at this door.
  try {
    return Loop(config, parts, callbacks).run();
  } catch (const c10::OutOfMemoryError&) {
    return no_resources("training: the device is out of memory; lower batch_size or context, or set checkpoint_blocks");
  } catch (const std::bad_alloc&) {
    return no_resources("training: out of memory; lower batch_size or context, or set checkpoint_blocks");
  } catch (const std::exception& e) {
    std::string_view text = e.what();
    return internal_error("training: libtorch: " + std::string(text.substr(0, text.find('\n'))));
  }
}

}  // namespace facet::train
