// Coalitions for Kernel SHAP: uniform within a size, without replacement, each a function of (seed, size, index) alone.
//
// Within a size, coalition `index` is the index-th value of a pseudo-random permutation of all coalitions of that size: a
// Feistel network over their ranks (cycle-walking keeps it inside), then the combinatorial number system turns the rank into
// players. Sizes with more than 2^62 coalitions are drawn directly: among so many a repeat is out of reach.
#pragma once

#include <cstdint>
#include <vector>

namespace fastexplain {

// Largest number of pairs of one size that are numbered; beyond, pairs_of_size returns this.
inline constexpr std::uint64_t kCountless = std::uint64_t{1} << 62;

// Number of pairs {S, complement of S} with the smaller side of `size` players, 0 .. n_players / 2: C(n, size), half of it
// where 2 size = n.
std::uint64_t pairs_of_size(int n_players, int size);

// The same for sizes 0 .. largest_size, which is at most n_players / 2.
std::vector<std::uint64_t> pairs_of_sizes(int n_players, int largest_size);

// Borrowed, C order.
struct CoalitionTask {
  int n_players = 0;
  std::int64_t n_pairs = 0;
  const std::int32_t* size = nullptr;  // (n_pairs,): in 1 .. n_players / 2
  const std::int64_t* index =
      nullptr;  // (n_pairs,): below pairs_of_size; where that is kCountless, anything that is not negative
  std::uint64_t seed = 0;
  std::uint8_t* masks = nullptr;  // (n_pairs, n_players): 1 for players in S; for size n / 2, player 0 is in S
};

void fill_coalitions(const CoalitionTask& task, int n_threads);

}  // namespace fastexplain
