// Coalitions for Kernel SHAP: uniform within a size, without replacement, each a function of (seed, size, index) alone.
//
// Within a size, coalition `index` is the index-th value of a pseudo-random permutation of all coalitions of that size: a
// Feistel network over their ranks (cycle-walking keeps it inside), then the combinatorial number system turns the rank into
// players. Sizes with more than 2^62 coalitions are drawn directly: among so many a repeat is out of reach.
#pragma once

#include <cstdint>

namespace fastexplain {

// Largest number of coalitions of one size that are numbered; beyond, coalitions_of_size returns this.
inline constexpr std::uint64_t kCountless = std::uint64_t{1} << 62;

// Number of pairs {S, complement of S} with the smaller side of `size` players: C(n, size), half of it where 2 size = n.
std::uint64_t pairs_of_size(int n_players, int size);

// Writes masks (n_pairs, n_players), 1 for players in S. size[p] is in 1 .. n_players / 2, index[p] below pairs_of_size.
// For size n / 2, player 0 is in S.
void fill_coalitions(int n_players, std::int64_t n_pairs, const std::int32_t* size, const std::int64_t* index,
                     std::uint64_t seed, std::uint8_t* masks, int n_threads);

}  // namespace fastexplain
