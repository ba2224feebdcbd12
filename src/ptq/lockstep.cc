#include "ptq/lockstep.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>

#include "base/check.h"
#include "engine/session.h"

namespace facet {
namespace {

// Where the sequences stand.  A worker thread runs one sequence; it computes only while it holds one of a few slots,
// and sleeps in arrive() until the coordinator has visited the linear it stands before.
class Meeting {
 public:
  Meeting(int n_workers, int n_slots) : places_(n_workers), n_running_(n_workers), n_slots_(n_slots) {}

  void start() {
    std::unique_lock lock(mutex_);
    take_slot(lock);
  }
  void finish(int worker, Status status) {
    std::unique_lock lock(mutex_);
    places_[worker].result = std::move(status);
    leave_running();
  }
  void arrive(int worker, const Linear& linear, const float* x, int n) {
    std::unique_lock lock(mutex_);
    if (abandoned_) return;
    places_[worker].linear = &linear;
    places_[worker].rows = {x, n};
    leave_running();
    released_.wait(lock, [&] { return places_[worker].linear == nullptr; });
    take_slot(lock);
  }

  // The coordinator's side.  The linear all sequences have come to, or null when all are finished; then the inputs it
  // has.
  const Linear* next(std::vector<InputRows>& inputs) {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [&] { return n_running_ == 0; });
    const Linear* first = nullptr;
    for (const Place& p : places_)
      if (p.linear != nullptr && (first == nullptr || before(*p.linear, *first))) first = p.linear;
    inputs.clear();
    for (const Place& p : places_)
      if (first != nullptr && p.linear == first) inputs.push_back(p.rows);
    return first;
  }
  void release(const Linear* linear) {
    std::unique_lock lock(mutex_);
    for (Place& p : places_)
      if (p.linear == linear) {
        p.linear = nullptr;
        ++n_running_;
      }
    released_.notify_all();
  }
  // No more halts: every worker runs to its end.
  void abandon() {
    std::unique_lock lock(mutex_);
    abandoned_ = true;
    for (Place& p : places_)
      if (p.linear != nullptr) {
        p.linear = nullptr;
        ++n_running_;
      }
    released_.notify_all();
  }
  Status first_error() const {
    for (const Place& p : places_)
      if (!p.result.ok()) return p.result;
    return {};
  }

 private:
  struct Place {
    const Linear* linear = nullptr;  // what this sequence waits for; null while it runs and after its end
    InputRows rows{};
    Status result;
  };

  // Only experts can be skipped by a sequence, so when sequences stand before different linears, those are experts of
  // one layer, or experts and the linear after them.
  static bool before(const Linear& a, const Linear& b) {
    const auto key = [](const Linear& l) {
      return std::tuple(l.expert < 0, l.expert, l.name.find("down") != l.name.npos);
    };
    return key(a) < key(b);
  }
  void take_slot(std::unique_lock<std::mutex>& lock) {
    slot_free_.wait(lock, [&] { return n_slots_ > 0; });
    --n_slots_;
  }
  void leave_running() {
    ++n_slots_;
    slot_free_.notify_one();
    if (--n_running_ == 0) idle_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable idle_, released_, slot_free_;
  std::vector<Place> places_;
  int n_running_;  // workers that are neither waiting for a visit nor finished
  int n_slots_;
  bool abandoned_ = false;
};

}  // namespace

Status run_in_lockstep(const Model& model, std::span<const std::vector<int>> sequences, ThreadPool& pool,
                       const std::function<bool(const Linear&)>& wanted,
                       const std::function<Status(const Linear&, LinearInputs)>& visit) {
  ThreadPool alone(1);  // starts no thread and keeps no state between calls, so all sessions may share it
  std::vector<Session> sessions;
  sessions.reserve(sequences.size());
  Meeting meeting(static_cast<int>(sequences.size()), pool.n_threads());
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const int n = static_cast<int>(sequences[i].size());
    if (n == 0) return invalid_argument("calibration sequence " + std::to_string(i) + " is empty");
    auto session = Session::create(model, alone, {.context = n, .max_batch = n, .max_rollback = 0});
    if (!session.ok()) return session.status();
    session->set_linear_observer([&meeting, &wanted, i](const Linear& linear, const float* x, int rows) {
      if (wanted(linear)) meeting.arrive(static_cast<int>(i), linear, x, rows);
    });
    sessions.push_back(std::move(*session));
  }

  std::vector<std::thread> workers;
  Status status;
  try {
    for (std::size_t i = 0; i < sequences.size(); ++i)
      workers.emplace_back([&, i] {
        meeting.start();
        meeting.finish(static_cast<int>(i), sessions[i].evaluate(sequences[i], Session::Logits::kNone, {}));
      });
  } catch (const std::system_error&) {
    status = no_resources("cannot start a thread for each of " + std::to_string(sequences.size()) +
                          " calibration sequences; use fewer, longer ones");
    meeting.abandon();
    for (std::size_t i = workers.size(); i < sequences.size(); ++i) meeting.finish(static_cast<int>(i), {});
  }
  std::set<const Linear*> visited;
  std::vector<InputRows> inputs;
  while (const Linear* linear = meeting.next(inputs)) {
    FACET_CHECK(visited.insert(linear).second, "each linear is visited once");
    if (status.ok()) status = visit(*linear, inputs);
    if (!status.ok()) meeting.abandon();
    meeting.release(linear);
  }
  for (std::thread& w : workers) w.join();
  return status.ok() ? meeting.first_error() : status;
}

}  // namespace facet
