// Permutations against the same written down plainly, one number at a time.
#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <vector>

#include "fastexplain/permutation/permutations.h"
#include "fastexplain/random.h"
#include "isa/kernels.h"

namespace fastexplain {
namespace {

TEST_CASE("blocks of random numbers are those of philox4x32") {
  for (const std::int64_t n_blocks : {1, 2, 3, 7, 8, 9, 16, 21}) {
    std::vector<std::uint32_t> found(n_blocks * 4, 0);
    // the first number of the counter wraps around on the way
    RandomTask task{{7, 0xFFFFFFFF}, {0xFFFFFFFC, 3, 0xFFFFFFFF, 5}, n_blocks, found.data()};
    active_kernels().random.fill(task);
    for (std::int64_t b = 0; b < n_blocks; ++b) {
      const auto expected = philox4x32({0xFFFFFFFC + static_cast<std::uint32_t>(b), 3, 0xFFFFFFFF, 5}, {7, 0xFFFFFFFF});
      for (int q = 0; q < 4; ++q) CHECK(found[b * 4 + q] == expected[q]);
    }
  }
}

struct Case {
  std::int64_t n, n_repeats;
  std::int32_t n_ranks;  // fewer than rows: ties
  bool strata;
};

// Donors of one player, as permutations.h tells.
std::vector<std::int32_t> plain_donors(const Case& c, const std::vector<std::int32_t>& rank,
                                       const std::vector<std::int32_t>& rows, const std::vector<std::int64_t>& offsets,
                                       std::uint64_t seed) {
  std::vector<std::int32_t> donors(c.n_repeats * c.n);
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const std::vector<std::int32_t> members(rows.begin() + offsets[s], rows.begin() + offsets[s + 1]);
    const auto n = static_cast<std::int64_t>(members.size());
    RandomStream order(seed, 4, static_cast<std::uint64_t>(s) << 32);
    std::vector<std::int32_t> receivers = members, sorted = members;
    order.shuffle(receivers.data(), static_cast<std::uint32_t>(n));
    order.shuffle(sorted.data(), static_cast<std::uint32_t>(n));
    std::stable_sort(sorted.begin(), sorted.end(), [&](std::int32_t a, std::int32_t b) { return rank[a] < rank[b]; });
    for (std::int64_t k = 0; k < c.n_repeats; ++k) {
      RandomStream random(seed, 4, (static_cast<std::uint64_t>(s) << 32) + 1 + static_cast<std::uint64_t>(k));
      std::vector<std::int32_t> shuffled = sorted;
      for (std::int64_t b = 0; b < c.n_repeats; ++b) {
        const std::int64_t begin = b * n / c.n_repeats, end = (b + 1) * n / c.n_repeats;
        random.shuffle(shuffled.data() + begin, static_cast<std::uint32_t>(end - begin));
      }
      for (std::int64_t q = 0; q < n; ++q) donors[k * c.n + receivers[q]] = shuffled[(q + k * n / c.n_repeats) % n];
    }
  }
  return donors;
}

TEST_CASE("permutations are drawn as written") {
  for (const Case& c : {Case{1, 3, 1, false}, Case{2, 5, 2, false}, Case{50, 5, 50, false}, Case{5000, 3, 5000, false},
                        Case{3000, 7, 40, false}, Case{900, 5, 900, true}, Case{900, 5, 12, true}}) {
    std::vector<std::int32_t> rank(c.n), rows(c.n);
    for (std::int64_t i = 0; i < c.n; ++i) rank[i] = static_cast<std::int32_t>(i * 7919 % c.n % c.n_ranks);
    std::iota(rows.begin(), rows.end(), 0);
    std::vector<std::int64_t> offsets{0, c.n};
    if (c.strata) offsets = {0, c.n / 3, c.n / 3 + 1, c.n};
    const std::int32_t player = 4;
    const std::vector<std::int64_t> player_strata{0, static_cast<std::int64_t>(offsets.size()) - 1};
    PermutationPlan plan;
    plan.n_players = 1;
    plan.n_rows = c.n;
    plan.n_repeats = c.n_repeats;
    plan.player = &player;
    plan.rank = rank.data();
    plan.stratum_rows = rows.data();
    plan.stratum_offsets = offsets.data();
    plan.player_strata = player_strata.data();
    std::vector<std::int32_t> donors(c.n_repeats * c.n), bands(c.n_repeats * c.n);
    latin_permutations(plan, 99, donors.data(), bands.data(), 1, {});
    CHECK(donors == plain_donors(c, rank, rows, offsets, 99));
  }
}

}  // namespace
}  // namespace fastexplain
