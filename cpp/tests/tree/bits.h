// Values compared bit by bit.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace fastexplain::testing {

inline bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

// FNV-1a over the bytes.
inline std::uint64_t digest(const std::vector<double>& values) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const double value : values) {
    unsigned char bytes[sizeof(double)];
    std::memcpy(bytes, &value, sizeof(double));
    for (const unsigned char byte : bytes) hash = (hash ^ byte) * 1099511628211ull;
  }
  return hash;
}

}  // namespace fastexplain::testing
