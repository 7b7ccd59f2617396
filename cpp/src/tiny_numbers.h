// Numbers too small for a double's full precision (below 2.2e-308), as zero.
#pragma once

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace fastexplain {

// While one lives, this thread's arithmetic takes tiny numbers, and gives them, as zero: such an operation may take fifty times
// as long, and products of many small factors come upon them by the million. For sums in which 1e-308 is nothing. On other CPUs
// than x86 it does nothing, and only time differs.
class TinyAsZero {
 public:
  TinyAsZero(const TinyAsZero&) = delete;
  TinyAsZero& operator=(const TinyAsZero&) = delete;
#if defined(__SSE2__)
  TinyAsZero() : before_(_mm_getcsr()) { _mm_setcsr(before_ | kFlushResults | kFlushOperands); }
  ~TinyAsZero() { _mm_setcsr(before_); }

 private:
  static constexpr unsigned kFlushResults = 0x8000, kFlushOperands = 0x0040;
  unsigned before_;
#else
  TinyAsZero() {}
  ~TinyAsZero() {}
#endif
};

}  // namespace fastexplain
