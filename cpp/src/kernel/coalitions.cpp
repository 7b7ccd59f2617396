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
__extension__ typedef unsigned __int128 Wide;

// C(n, k), saturating at kCountless: rows 0 .. n of Pascal's triangle, columns 0 .. k_max, and beyond k_max kCountless.
class Binomials {
 public:
  Binomials(int n_max, int k_max)
      : columns_(k_max + 1), table_((static_cast<std::size_t>(n_max) + 1) * static_cast<std::size_t>(columns_), 0) {
    for (int n = 0; n <= n_max; ++n) {
      at(n, 0) = 1;
      for (int k = 1; k <= std::min(n, k_max); ++k)
        at(n, k) = std::min(kCountless, at(n - 1, k - 1) + (k < n ? at(n - 1, k) : 0));
    }
  }
  std::uint64_t operator()(int n, int k) const {
    return k < columns_ ? table_[static_cast<std::size_t>(n) * columns_ + k] : kCountless;
  }

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

// Pairs of each size 0, 1 .. `largest_size` up to the last that may be numbered: no more entries than that, however many
// players. C(n, k + 1) = C(n, k) (n - k) / (k + 1), which rises up to n / 2: once countless even when halved, so are all larger
// sizes.
std::vector<std::uint64_t> pairs_while_numbered(int n_players, int largest_size) {
  std::vector<std::uint64_t> pairs;
  Wide count = 1;
  for (int size = 0; size <= largest_size && count < 2 * Wide{kCountless}; ++size) {
    const bool half = size > 0 && 2 * std::int64_t{size} == n_players;  // a pair holds two sets of this size
    pairs.push_back(static_cast<std::uint64_t>(std::min(half ? count / 2 : count, Wide{kCountless})));
    count = count * static_cast<unsigned>(n_players - size) / static_cast<unsigned>(size + 1);
  }
  return pairs;
}

// Largest size, at most `size`, whose pairs are numbered: a table need not reach further.
int largest_numbered(int n_players, int size) {
  const std::vector<std::uint64_t> pairs = pairs_while_numbered(n_players, size);
  int largest = static_cast<int>(pairs.size()) - 1;
  while (largest > 0 && pairs[static_cast<std::size_t>(largest)] >= kCountless) --largest;
  return largest;
}

}  // namespace

std::vector<std::uint64_t> pairs_of_sizes(int n_players, int largest_size) {
  std::vector<std::uint64_t> pairs = pairs_while_numbered(n_players, largest_size);
  pairs.resize(static_cast<std::size_t>(largest_size) + 1, kCountless);
  return pairs;
}

std::uint64_t pairs_of_size(int n_players, int size) {
  const std::vector<std::uint64_t> pairs = pairs_while_numbered(n_players, size);
  return static_cast<std::size_t>(size) < pairs.size() ? pairs.back() : kCountless;
}

void fill_coalitions(const CoalitionTask& task, int n_threads) {
  if (task.n_pairs == 0) return;
  const int n_players = task.n_players;
  const Binomials binomials(n_players, largest_numbered(n_players, *std::max_element(task.size, task.size + task.n_pairs)));
  parallel_for((task.n_pairs + kBlock - 1) / kBlock, n_threads, [&](std::int64_t block, int) {
    for (std::int64_t p = block * kBlock; p < std::min(task.n_pairs, (block + 1) * kBlock); ++p) {
      const std::int32_t size = task.size[p];
      const auto index = static_cast<std::uint64_t>(task.index[p]);
      std::uint8_t* mask = task.masks + p * n_players;
      std::fill_n(mask, n_players, std::uint8_t{0});
      const bool half = 2 * std::int64_t{size} == n_players;  // then player 0 is in S
      const int n = half ? n_players - 1 : n_players, k = half ? size - 1 : size;
      if (half) mask[0] = 1;
      const std::uint64_t count = binomials(n, k);
      if (count < kCountless) {
        unrank(permuted(index, count, task.seed, static_cast<std::uint32_t>(size)), n, k, binomials, mask + half);
      } else {
        draw(RandomStream(task.seed, static_cast<std::uint32_t>(size), index), n, k, mask + half);
      }
    }
  });
}

}  // namespace fastexplain
