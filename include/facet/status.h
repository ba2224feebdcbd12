// status.h: how every fallible function of Facet reports that the world is wrong.
//
//   Result<Model> model = Model::load(path);
//   if (!model.ok()) { log(model.status().message()); return exit_code(model.status()); }
//   use(*model);
//
// A Status is ok or a code with one line of text: where, what was found, what was expected, what to do next; lower-case
// start, no newline. Broken invariants of our own are FACET_CHECK (src/base/check.h), never a Status.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace facet {

enum class Code {
  kOk,
  kInvalidArgument,  // a flag, a prompt or a parameter is wrong                            exit 2
  kCorrupt,          // a model or data file is malformed, cut short, or of no known kind   exit 3
  kUnsupported,      // a well-formed file or request that this build cannot serve          exit 3
  kNotFound,         // a file, tensor or key that must exist does not                      exit 3
  kGateFailed,       // a quality or verification gate did not hold                         exit 4
  kNoResources,      // memory or disk is not enough                                        exit 5
  kIo,               // the operating system refused a read or a write                      exit 1
  kCancelled,        // stopped by the user (Ctrl-C)                                        exit 130
  kInternal,         // anything else at run time                                           exit 1
};

class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}
  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  // The same status with "prefix: " put before the message; ok stays ok.
  Status with_prefix(std::string_view prefix) const {
    return ok() ? *this : Status(code_, std::string(prefix) + ": " + message_);
  }

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

inline Status invalid_argument(std::string m) { return {Code::kInvalidArgument, std::move(m)}; }
inline Status corrupt(std::string m) { return {Code::kCorrupt, std::move(m)}; }
inline Status unsupported(std::string m) { return {Code::kUnsupported, std::move(m)}; }
inline Status not_found(std::string m) { return {Code::kNotFound, std::move(m)}; }
inline Status no_resources(std::string m) { return {Code::kNoResources, std::move(m)}; }
inline Status io_error(std::string m) { return {Code::kIo, std::move(m)}; }
inline Status internal_error(std::string m) { return {Code::kInternal, std::move(m)}; }

// The process exit code for a status, as docs/exit_codes.md lists them.
int exit_code(const Status& status);

// A value or the Status that explains its absence.  Accessing the value of a failed result aborts: check ok() first.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT: implicit on purpose
  Result(Status status) : status_(std::move(status)) {}  // NOLINT; status must not be ok
  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& operator*() & { return value(); }
  const T& operator*() const& { return const_cast<Result*>(this)->value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &const_cast<Result*>(this)->value(); }
  T& value() &;
  T&& value() && { return std::move(static_cast<Result&>(*this).value()); }

 private:
  std::optional<T> value_;
  Status status_;
};

[[noreturn]] void abort_on_failed_result(const Status& status);

template <typename T>
T& Result<T>::value() & {
  if (!value_) abort_on_failed_result(status_);
  return *value_;
}

// Early return on failure.  FACET_ASSIGN declares `lhs` from a Result expression.
#define FACET_TRY(expr)                                                                    \
  do {                                                                                     \
    if (::facet::Status facet_status_ = (expr); !facet_status_.ok()) return facet_status_; \
  } while (0)
#define FACET_CONCAT_(a, b) a##b
#define FACET_CONCAT(a, b) FACET_CONCAT_(a, b)
#define FACET_ASSIGN(lhs, expr) FACET_ASSIGN_(FACET_CONCAT(facet_result_, __LINE__), lhs, expr)
#define FACET_ASSIGN_(tmp, lhs, expr) \
  auto tmp = (expr);                  \
  if (!tmp.ok()) return tmp.status(); \
  lhs = std::move(*tmp)

}  // namespace facet
