// task_eval.h: accuracy on questions with known answers.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "engine/session.h"
#include "text/tokenizer.h"

namespace facet {

// One line of a tasks file (JSON lines): {"prompt": ..., "answer": ..., "choices": [...]}; the answer is among the
// choices.
struct Task {
  std::string prompt;
  int answer = 0;  // index into choices
  std::vector<std::string> choices;
};
// kCorrupt names the line.
Result<std::vector<Task>> load_tasks(const std::string& path);

struct TaskEval {
  std::vector<bool> correct;  // per task: paired tests need them
  double accuracy = 0, standard_error = 0;
  double chance = 0;  // of guessing among the choices
};

// A task is answered by the choice that is the most probable continuation of the prompt (sum of token
// log-probabilities). max_tasks: 0 = all.
Result<TaskEval> evaluate_tasks(const Model& model, const Tokenizer& tokenizer, const std::vector<Task>& tasks,
                                int max_tasks, ThreadPool& pool, const std::function<void(int, int)>& progress = {},
                                const std::atomic<bool>* cancel = nullptr);

}  // namespace facet
