#include "fastexplain/kernel/coalitions.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "fastexplain/parallel.h"
#include "fastexplain/random.h"

namespace fastexplain {
namespace {

constexpr int kFeistelRounds = 6;
constexpr std::int64_t kBlock = 256;  // pairs per index of parallel_for

// C(n, k), saturating at kCountless: rows 0 .. n of Pascal's triangle, columns 0 .. k_max.
class Binomials {
 public:
  Binomials(int n_max, int k_max) : columns_(k_max + 1), table_(static_cast<std::size_t>(n_max + 1) * (k_max + 1), 0) {
    for (int n = 0; n <= n_max; ++n) {
      at(n, 0) = 1;
      for (int k = 1; k <= std::min(n, k_max); ++k)
        at(n, k) = std::min(kCountless, at(n - 1, k - 1) + (k < n ? at(n - 1, k) : 0));
    }
  }
  std::uint64_t operator()(int n, int k) const { return table_[static_cast<std::size_t>(n) * columns_ + k]; }

 private:
  std::uint64_t& at(int n, int k) { return table_[static_cast<std::size_t>(n) * columns_ + k]; }
  int columns_;
  std::vector<std::uint64_t> table_;
};

// A permutation of 0 .. count - 1.
std::uint64_t permuted(std::uint64_t index, std::uint64_t count, std::uint64_t seed, std::uint32_t size) {
  int half = 1;
  while (half < 31 && (std::uint64_t{1} << (2 * half)) < count) ++half;
  const std::uint32_t mask = (std::uint32_t{1} << half) - 1;
  const std::array<std::uint32_t, 2> key{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  do {
    std::uint32_t left = static_cast<std::uint32_t>(index >> half), right = static_cast<std::uint32_t>(index) & mask;
    for (std::uint32_t round = 0; round < kFeistelRounds; ++round) {
      const std::uint32_t mixed = philox4x32({right, size, round, 0}, key)[0] & mask;
      const std::uint32_t swapped = left ^ mixed;
      left = right;
      right = swapped;
    }
    index = static_cast<std::uint64_t>(left) << half | right;
  } while (index >= count);
  return index;
}

// The rank-th set of `size` among `n` players, by falling largest member.
void unrank(std::uint64_t rank, int n, int size, const Binomials& binomials, std::uint8_t* mask) {
  int member = n;
  for (int k = size; k > 0; --k) {
    do --member;
    while (binomials(member, k) > rank);
    rank -= binomials(member, k);
    mask[member] = 1;
  }
}

// A uniform set of `size` among `n` players (Floyd 1987).
void draw(RandomStream stream, int n, int size, std::uint8_t* mask) {
  for (int last = n - size; last < n; ++last) {
    const auto player = stream.below(static_cast<std::uint32_t>(last) + 1);
    mask[mask[player] ? last : static_cast<int>(player)] = 1;
  }
}

}  // namespace

std::uint64_t pairs_of_size(int n_players, int size) {
  const std::uint64_t count = Binomials(n_players, size)(n_players, size);
  // Half of a saturated count is still out of reach.
  return 2 * size == n_players && count < kCountless ? count / 2 : count;
}

void fill_coalitions(int n_players, std::int64_t n_pairs, const std::int32_t* size, const std::int64_t* index,
                     std::uint64_t seed, std::uint8_t* masks, int n_threads) {
  if (n_pairs == 0) return;
  const Binomials binomials(n_players, *std::max_element(size, size + n_pairs));
  parallel_for((n_pairs + kBlock - 1) / kBlock, n_threads, [&](std::int64_t block, int) {
    for (std::int64_t p = block * kBlock; p < std::min(n_pairs, (block + 1) * kBlock); ++p) {
      std::uint8_t* mask = masks + p * n_players;
      std::fill_n(mask, n_players, std::uint8_t{0});
      const bool half = 2 * size[p] == n_players;  // then player 0 is in S
      const int n = half ? n_players - 1 : n_players, k = half ? size[p] - 1 : size[p];
      if (half) mask[0] = 1;
      const std::uint64_t count = binomials(n, k);
      if (count < kCountless) {
        const auto rank = permuted(static_cast<std::uint64_t>(index[p]), count, seed, static_cast<std::uint32_t>(size[p]));
        unrank(rank, n, k, binomials, mask + half);
      } else {
        draw(RandomStream(seed, static_cast<std::uint32_t>(size[p]), static_cast<std::uint64_t>(index[p])), n, k, mask + half);
      }
    }
  });
}

}  // namespace fastexplain
