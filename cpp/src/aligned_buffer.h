// Memory that vectors are loaded from and stored to in place.
#pragma once

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

namespace fastexplain {

// n uninitialised values of a plain type, on a boundary of 64 bytes: a vector of every instruction set, and a cache line.
template <class T>
class AlignedBuffer {
  static_assert(std::is_trivial_v<T>);

 public:
  explicit AlignedBuffer(std::size_t n = 0) { resize(n); }

  // Drops what the buffer held.
  void resize(std::size_t n) {
    data_.reset();
    if (n == 0) return;
    const std::size_t boundary = n * sizeof(T) < kLarge ? kBoundary : kHugePage;
    const std::size_t n_bytes = (n * sizeof(T) + boundary - 1) / boundary * boundary;
    data_.reset(static_cast<T*>(std::aligned_alloc(boundary, n_bytes)));
    if (!data_) throw std::bad_alloc();
#ifdef __linux__
    // Touching new memory costs as much as filling it, page by page; it is only a wish, and may be refused.
    if (boundary == kHugePage) madvise(data_.get(), n_bytes, MADV_HUGEPAGE);
#endif
  }

  T* get() const { return data_.get(); }

 private:
  static constexpr std::size_t kBoundary = 64, kHugePage = std::size_t{2} << 20, kLarge = 2 * kHugePage;
  struct Free {
    void operator()(T* data) const { std::free(data); }
  };
  std::unique_ptr<T, Free> data_;
};

}  // namespace fastexplain
