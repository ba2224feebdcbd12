#include "eval/task_eval.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/mapped_file.h"

namespace facet {

Result<std::vector<Task>> load_tasks(const std::string& path) {
  FACET_ASSIGN(std::string text, read_text_file(path, std::size_t{1} << 30));
  std::vector<Task> tasks;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto bad = [&](const std::string& why) {
      return corrupt(fmt::format("{}:{}: {} (expected {{\"prompt\", \"answer\", \"choices\"}})", path, number, why));
    };
    try {
      auto json = nlohmann::json::parse(line);
      Task task;
      task.prompt = json.at("prompt").get<std::string>();
      task.choices = json.at("choices").get<std::vector<std::string>>();
      auto answer = json.at("answer").get<std::string>();
      auto found = std::find(task.choices.begin(), task.choices.end(), answer);
      if (found == task.choices.end()) return bad("the answer '" + answer + "' is not among the choices");
      if (task.prompt.empty() || task.choices.size() < 2) return bad("an empty prompt or fewer than two choices");
      task.answer = static_cast<int>(found - task.choices.begin());
      tasks.push_back(std::move(task));
    } catch (const nlohmann::json::exception&) {
      return bad("not a task");
    }
  }
  if (tasks.empty()) return corrupt(path + ": no tasks");
  return tasks;
}

namespace {

double log_probability(const std::vector<float>& logits, int token) {
  float max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float z : logits) sum += std::exp(z - max);
  return logits[static_cast<std::size_t>(token)] - max - std::log(sum);
}

}  // namespace

Result<TaskEval> evaluate_tasks(const Model& model, const Tokenizer& tokenizer, const std::vector<Task>& tasks,
                                int max_tasks, ThreadPool& pool, const std::function<void(int, int)>& progress,
                                const std::atomic<bool>* cancel) {
  std::size_t n = max_tasks > 0 ? std::min(tasks.size(), std::size_t(max_tasks)) : tasks.size();
  auto vocab = static_cast<std::size_t>(model.config().vocab_size);
  // The prompt runs once per task; each choice is tried after it and taken back.
  std::vector<std::vector<int>> prompts(n);
  std::vector<std::vector<std::vector<int>>> choices(n);
  std::size_t longest = 0, longest_choice = 0;
  for (std::size_t i = 0; i < n; ++i) {
    prompts[i] = tokenizer.encode(tasks[i].prompt, {.bos = true});
    std::size_t choice_tokens = 0;
    for (const std::string& c : tasks[i].choices) {
      choices[i].push_back(tokenizer.encode(c));
      if (choices[i].back().empty()) return invalid_argument(fmt::format("task {}: an empty choice", i + 1));
      choice_tokens = std::max(choice_tokens, choices[i].back().size());
    }
    longest = std::max(longest, prompts[i].size() + choice_tokens);
    longest_choice = std::max(longest_choice, choice_tokens);
  }
  SessionOptions options{.context = static_cast<int>(longest), .max_rollback = static_cast<int>(longest_choice)};
  if (options.context > model.config().max_positions)
    return invalid_argument(
        fmt::format("the longest task has {} tokens, the model takes {}", longest, model.config().max_positions));
  FACET_ASSIGN(Session session, Session::create(model, pool, options));
  std::vector<float> first(vocab), logits(vocab);
  TaskEval out;
  for (std::size_t i = 0; i < n; ++i) {
    if (cancel && *cancel) return Status(Code::kCancelled, "interrupted");
    session.reset();
    FACET_TRY(session.evaluate(prompts[i], Session::Logits::kLast, first));
    std::size_t best = 0;
    double best_score = -1e300;
    for (std::size_t c = 0; c < choices[i].size(); ++c) {
      const std::vector<int>& ids = choices[i][c];
      double score = log_probability(first, ids[0]);
      for (std::size_t t = 0; t + 1 < ids.size(); ++t) {
        FACET_TRY(session.evaluate({&ids[t], 1}, Session::Logits::kLast, logits));
        score += log_probability(logits, ids[t + 1]);
      }
      if (ids.size() > 1) FACET_TRY(session.rollback(static_cast<int>(ids.size()) - 1));
      if (score > best_score) {
        best_score = score;
        best = c;
      }
    }
    out.correct.push_back(static_cast<int>(best) == tasks[i].answer);
    out.accuracy += out.correct.back();
    out.chance += 1.0 / double(choices[i].size());
    if (progress) progress(static_cast<int>(i) + 1, static_cast<int>(n));
  }
  out.accuracy /= double(n);
  out.chance /= double(n);
  out.standard_error = std::sqrt(out.accuracy * (1 - out.accuracy) / double(n));
  return out;
}

}  // namespace facet
