#include <catch2/catch.hpp>
#include <numeric>
#include <vector>

#include "fastexplain/random.h"

namespace fastexplain {
namespace {

// Salmon et al. 2011, Random123's kat_vectors for philox4x32-10.
TEST_CASE("philox gives the published answers") {
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) ==
        std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("below stays below, and reaches every number") {
  RandomStream stream(7, 1, 2);
  std::vector<int> counts(6);
  for (int i = 0; i < 60'000; ++i) ++counts[stream.below(6)];
  for (const int count : counts) CHECK(std::abs(count - 10'000) < 500);  // five standard deviations
  CHECK(stream.below(1) == 0);
}

TEST_CASE("a shuffle is a permutation") {
  std::vector<int> values(100);
  std::iota(values.begin(), values.end(), 0);
  RandomStream(3, 0, 0).shuffle(values.data(), 100);
  std::vector<int> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  for (int i = 0; i < 100; ++i) CHECK(sorted[static_cast<std::size_t>(i)] == i);
  CHECK(values != sorted);
}

}  // namespace
}  // namespace fastexplain
