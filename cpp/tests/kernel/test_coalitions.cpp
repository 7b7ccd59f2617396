#include <catch2/catch.hpp>
#include <cstddef>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "fastexplain/kernel/coalitions.h"

namespace fastexplain {
namespace {

std::vector<std::uint8_t> coalitions(int n_players, const std::vector<std::int32_t>& size,
                                     const std::vector<std::int64_t>& index, std::uint64_t seed = 1, int n_threads = 1) {
  std::vector<std::uint8_t> masks(size.size() * static_cast<std::size_t>(n_players), 9);
  const CoalitionTask task{.n_players = n_players,
                           .n_pairs = static_cast<std::int64_t>(size.size()),
                           .size = size.data(),
                           .index = index.data(),
                           .seed = seed,
                           .masks = masks.data()};
  fill_coalitions(task, n_threads);
  return masks;
}

TEST_CASE("numbers of pairs") {
  CHECK(pairs_of_size(5, 1) == 5);
  CHECK(pairs_of_size(5, 2) == 10);
  CHECK(pairs_of_size(6, 3) == 10);
  CHECK(pairs_of_size(2, 1) == 1);
  CHECK(pairs_of_size(62, 30) == 450883717216034179u);
  CHECK(pairs_of_size(500, 250) == kCountless);
  // Halved, the middle size of 66 players is numbered where its neighbours are not.
  CHECK(pairs_of_size(66, 32) == kCountless);
  CHECK(pairs_of_size(66, 33) == 3609714217008132870u);
  CHECK(pairs_of_size(68, 34) == kCountless);
  CHECK(pairs_of_size(2'000'000'000, 1'000'000'000) == kCountless);
  CHECK(pairs_of_sizes(6, 3) == std::vector<std::uint64_t>{1, 6, 15, 10});
}

TEST_CASE("coalitions of very many players take memory for the sizes that are numbered only") {
  constexpr int kPlayers = 200'000;  // a table of all sizes would take 160 GB
  const auto masks = coalitions(kPlayers, {1, 2, 60'000, 100'000}, {0, 7, 3, 4});
  const int expected[] = {1, 2, 60'000, 100'000};
  for (std::size_t p = 0; p < 4; ++p)
    CHECK(std::accumulate(masks.begin() + static_cast<std::ptrdiff_t>(p * kPlayers),
                          masks.begin() + static_cast<std::ptrdiff_t>((p + 1) * kPlayers), 0) == expected[p]);
}

TEST_CASE("a size's coalitions are a permutation of all of them") {
  for (int n = 2; n <= 11; ++n)
    for (int size = 1; 2 * size <= n; ++size) {
      const auto count = static_cast<std::size_t>(pairs_of_size(n, size));
      std::vector<std::int32_t> sizes(count, size);
      std::vector<std::int64_t> index(count);
      std::iota(index.begin(), index.end(), 0);
      const auto masks = coalitions(n, sizes, index);
      std::set<std::string> seen;
      for (std::size_t p = 0; p < count; ++p) {
        const auto* mask = masks.data() + p * static_cast<std::size_t>(n);
        CHECK(std::accumulate(mask, mask + n, 0) == size);
        if (2 * size == n) CHECK(mask[0] == 1);
        seen.emplace(reinterpret_cast<const char*>(mask), static_cast<std::size_t>(n));
      }
      CAPTURE(n, size);
      CHECK(seen.size() == count);
    }
}

TEST_CASE("coalitions beyond numbering have their size") {
  const auto masks = coalitions(300, {150, 149, 100, 150}, {0, 1, 2, 1'000'000});
  const int expected[] = {150, 149, 100, 150};
  for (int p = 0; p < 4; ++p) CHECK(std::accumulate(masks.begin() + p * 300, masks.begin() + (p + 1) * 300, 0) == expected[p]);
  CHECK(masks[0] == 1);
  CHECK(masks[3 * 300] == 1);
}

TEST_CASE("threads change nothing, the seed does") {
  std::vector<std::int32_t> sizes(2000, 7);
  std::vector<std::int64_t> index(2000);
  std::iota(index.begin(), index.end(), 0);
  const auto one = coalitions(40, sizes, index, 5, 1);
  CHECK(one == coalitions(40, sizes, index, 5, 4));
  CHECK(one != coalitions(40, sizes, index, 6, 1));
}

}  // namespace
}  // namespace fastexplain
