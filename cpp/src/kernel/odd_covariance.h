// The covariance of odd set functions (fastexplain/kernel/odd_gp.h) by tables over players.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace fastexplain {

inline constexpr int kByte = 8;  // players whose signs are one byte of a coalition

// Coalitions as bytes, so that two of them differ in the players whose bits their exclusive or has.
class CoalitionBytes {
 public:
  // signs: (n_points, n_players), +1 for players in the coalition
  CoalitionBytes(const double* signs, std::int64_t n_points, std::int64_t n_players)
      : n_bytes_((n_players + kByte - 1) / kByte), bytes_(static_cast<std::size_t>(n_points * n_bytes_), 0) {
    for (std::int64_t p = 0; p < n_points; ++p)
      for (std::int64_t j = 0; j < n_players; ++j)
        if (signs[p * n_players + j] > 0)
          bytes_[static_cast<std::size_t>(p * n_bytes_ + j / kByte)] |= static_cast<std::uint8_t>(1 << (j % kByte));
  }
  std::int64_t per_coalition() const { return n_bytes_; }
  const std::uint8_t* of(std::int64_t p) const { return bytes_.data() + p * n_bytes_; }

 private:
  std::int64_t n_bytes_;
  std::vector<std::uint8_t> bytes_;
};

// Covariances of coalitions: (P - Q) / 2 - L, with P = prod (1 + rho s t), Q = prod (1 - rho s t) and L = sum rho s t, each by
// tables over the bytes in which two coalitions differ.
class OddCovariance {
 public:
  OddCovariance(const double* strengths, std::int64_t n_players, double scale) : scale_(scale) {
    for (std::int64_t first = 0; first < n_players; first += kByte) {
      tables_.resize(tables_.size() + kEntries, Part{1.0, 1.0, 0.0, 0.0});
      Part* table = tables_.data() + tables_.size() - kEntries;
      for (std::int64_t j = first; j < std::min(n_players, first + kByte); ++j) {
        const double rho = strengths[j];
        const int half = 1 << (j - first);
        for (int s = 0; s < half; ++s) {
          table[s + half] = {table[s].up * (1 - rho), table[s].down * (1 + rho), table[s].sum - rho, 0.0};
          table[s] = {table[s].up * (1 + rho), table[s].down * (1 - rho), table[s].sum + rho, 0.0};
        }
      }
    }
  }

  // Of coalition i of some with those from `begin` to `end` of others.
  void row(const CoalitionBytes& some, std::int64_t i, const CoalitionBytes& others, std::int64_t begin, std::int64_t end,
           double* out) const {
    const std::int64_t n_bytes = some.per_coalition();
    if (n_bytes == 1) return row_of<1>(some.of(i), n_bytes, others, begin, end, out);
    if (n_bytes == 2) return row_of<2>(some.of(i), n_bytes, others, begin, end, out);
    row_of<0>(some.of(i), n_bytes, others, begin, end, out);
  }

 private:
  static constexpr std::size_t kEntries = 1 << kByte;
  struct Part {
    double up, down, sum, unused;  // 32 bytes: one line of the cache holds two
  };

  // kBytes: of a coalition, n_bytes; 0: any number.
  template <int kBytes>
  void row_of(const std::uint8_t* own, std::int64_t number, const CoalitionBytes& others, std::int64_t begin, std::int64_t end,
              double* out) const {
    const std::int64_t n_bytes = kBytes ? kBytes : number;
    for (std::int64_t j = begin; j < end; ++j) {
      const std::uint8_t* other = others.of(j);
      double up = 1.0, down = 1.0, sum = 0.0;
      for (std::int64_t b = 0; b < n_bytes; ++b) {
        const Part& part = tables_[static_cast<std::size_t>(b << kByte | (own[b] ^ other[b]))];
        up *= part.up;
        down *= part.down;
        sum += part.sum;
      }
      out[j] = scale_ * ((up - down) / 2 - sum);
    }
  }

  std::vector<Part> tables_;
  double scale_;
};

}  // namespace fastexplain
