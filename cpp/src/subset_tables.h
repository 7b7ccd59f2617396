// Players in chunks of a few; for each chunk, what its players contribute under every subset of them. A coalition then costs
// one look-up per chunk where it would cost one step per player.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace fastexplain {

inline constexpr std::int64_t kTile = 64;  // terms that are worked on together

// Eight doubles: lowered by the compiler to the instruction set's own vectors, with the same sums in the same order.
typedef double Octet __attribute__((vector_size(64), aligned(64), may_alias));
inline constexpr int kTileOctets = static_cast<int>(kTile / 8);
struct alignas(64) Tile {
  Octet octets[kTileOctets];
};

class SubsetPlan {
 public:
  SubsetPlan(const std::uint8_t* masks, std::int64_t n_masks, std::int64_t n_players) : n_players_(n_players) {
    // tables cost 2^width per chunk, coalitions one step per chunk
    std::int64_t best = -1;
    for (int width = 1; width <= 8; ++width) {
      const std::int64_t n = (n_players + width - 1) / width, cost = n * ((std::int64_t{2} << width) + n_masks);
      if (best >= 0 && cost >= best) continue;
      best = cost;
      width_ = width;
      n_chunks_ = n;
    }
    subset_.resize(static_cast<std::size_t>(n_masks * n_chunks_));
    for (std::int64_t m = 0; m < n_masks; ++m)
      for (std::int64_t i = 0; i < n_players; ++i)
        if (masks[m * n_players + i])
          subset_[m * n_chunks_ + i / width_] = static_cast<std::uint8_t>(subset_[m * n_chunks_ + i / width_] | 1 << (i % width_));
  }

  std::int64_t n_chunks() const { return n_chunks_; }
  std::size_t n_tiles() const { return static_cast<std::size_t>(n_chunks_) << width_; }
  const Tile* chunk(const std::vector<Tile>& tables, std::int64_t c) const { return tables.data() + (c << width_); }
  const std::uint8_t* subsets(std::int64_t mask) const { return subset_.data() + mask * n_chunks_; }

  // Tables of one tile of terms, from (n_players, stride) numbers of the explained row and of a background row.
  template <class Combine>
  void build(const double* row, const double* background, std::int64_t stride, double neutral, Combine combine,
             std::vector<Tile>& tables) const {
    for (std::int64_t c = 0; c < n_chunks_; ++c) {
      Tile* table = tables.data() + (c << width_);
      for (Octet& octet : table[0].octets) octet = Octet{} + neutral;
      const std::int64_t end = std::min(n_players_, (c + 1) * width_);
      std::int64_t size = 1;
      for (std::int64_t i = c * width_; i < end; ++i, size *= 2) {
        const auto* taken = reinterpret_cast<const Octet*>(row + i * stride);
        const auto* hidden = reinterpret_cast<const Octet*>(background + i * stride);
        for (std::int64_t s = 0; s < size; ++s)
          for (int v = 0; v < kTileOctets; ++v) {
            table[size + s].octets[v] = table[s].octets[v];
            combine(table[size + s].octets[v], taken[v]);
            combine(table[s].octets[v], hidden[v]);
          }
      }
    }
  }

 private:
  std::int64_t n_players_, n_chunks_ = 1;
  int width_ = 1;
  std::vector<std::uint8_t> subset_;  // (n_masks, n_chunks)
};

}  // namespace fastexplain
