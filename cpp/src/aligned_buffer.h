// Memory that vectors are loaded from and stored to in place.
#pragma once

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
    const std::size_t n_bytes = (n * sizeof(T) + kBoundary - 1) / kBoundary * kBoundary;
    data_.reset(static_cast<T*>(std::aligned_alloc(kBoundary, n_bytes)));
    if (!data_) throw std::bad_alloc();
  }

  T* get() const { return data_.get(); }

 private:
  static constexpr std::size_t kBoundary = 64;
  struct Free {
    void operator()(T* data) const { std::free(data); }
  };
  std::unique_ptr<T, Free> data_;
};

}  // namespace fastexplain
