// Sets of a categorical column's codes, where these fit a byte.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace fastexplain {

class CodeSet {
 public:
  // 0 .. n - 1
  static CodeSet first(std::int32_t n) {
    CodeSet set;
    for (std::int32_t code = 0; code < n; ++code) set.add(code);
    return set;
  }

  void add(std::int32_t code) { words_[code / 64] |= std::uint64_t{1} << (code % 64); }
  bool has(std::int32_t code) const { return (words_[code / 64] >> (code % 64) & 1) != 0; }
  bool empty() const { return (words_[0] | words_[1] | words_[2] | words_[3]) == 0; }

  CodeSet operator&(const CodeSet& other) const {
    CodeSet both;
    for (int i = 0; i < kWords; ++i) both.words_[i] = words_[i] & other.words_[i];
    return both;
  }
  CodeSet operator-(const CodeSet& other) const {
    CodeSet rest;
    for (int i = 0; i < kWords; ++i) rest.words_[i] = words_[i] & ~other.words_[i];
    return rest;
  }
  bool operator==(const CodeSet&) const = default;

  template <class Function>
  void for_each(Function&& function) const {
    for (int i = 0; i < kWords; ++i)
      for (std::uint64_t rest = words_[i]; rest != 0; rest &= rest - 1) function(i * 64 + std::countr_zero(rest));
  }

 private:
  static constexpr int kWords = 4;
  std::array<std::uint64_t, kWords> words_{};
};

}  // namespace fastexplain
