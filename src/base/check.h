// check.h: broken invariants of our own code.  Never for input data: the world being wrong is a Status.
#pragma once

namespace facet {
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const char* why);
}

#define FACET_CHECK(condition, why) \
  (static_cast<bool>(condition) ? (void)0 : ::facet::check_failed(__FILE__, __LINE__, #condition, why))
#ifdef NDEBUG
#define FACET_DCHECK(condition, why) ((void)0)
#else
#define FACET_DCHECK(condition, why) FACET_CHECK(condition, why)
#endif
