#include "facet/status.h"

#include <cstdio>
#include <cstdlib>

#include "base/check.h"

namespace facet {

int exit_code(const Status& status) {
  switch (status.code()) {
    case Code::kOk:
      return 0;
    case Code::kInvalidArgument:
      return 2;
    case Code::kCorrupt:
    case Code::kUnsupported:
    case Code::kNotFound:
      return 3;
    case Code::kGateFailed:
      return 4;
    case Code::kNoResources:
      return 5;
    case Code::kCancelled:
      return 130;
    case Code::kIo:
    case Code::kInternal:
      return 1;
  }
  return 1;
}

void abort_on_failed_result(const Status& status) {
  check_failed(__FILE__, __LINE__, "result.ok()", status.message().c_str());
}

void check_failed(const char* file, int line, const char* condition, const char* why) {
  std::fprintf(stderr, "facet: internal error at %s:%d: %s (%s)\n", file, line, condition, why);
  std::abort();
}

}  // namespace facet
