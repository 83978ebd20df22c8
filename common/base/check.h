#pragma once

#include <cstdio>
#include <cstdlib>

// DF_CHECK ends the process on a programmer's error. Never use it on anything that a peer, a disk, a
// user or a library can cause.
#define DF_CHECK(condition)                                                              \
  do {                                                                                   \
    if (!(condition)) [[unlikely]] {                                                     \
      std::fprintf(stderr, "check failed: %s (%s:%d)\n", #condition, __FILE__, __LINE__); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

#ifdef NDEBUG
#define DF_DCHECK(condition) \
  do {                       \
    (void)sizeof(condition); \
  } while (false)
#else
#define DF_DCHECK(condition) DF_CHECK(condition)
#endif
