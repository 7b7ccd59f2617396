#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "fastexplain/kernel/masking.h"

namespace fastexplain {
namespace {

template <class T>
void check_fill(int n_threads) {
  constexpr std::int64_t n_columns = 7, n_out = 5'000;
  std::vector<T> X(3 * n_columns), background(4 * n_columns), out(n_out * n_columns);
  for (std::size_t i = 0; i < X.size(); ++i) X[i] = static_cast<T>(i + 1);
  for (std::size_t i = 0; i < background.size(); ++i) background[i] = static_cast<T>(100 + i);
  std::vector<std::uint8_t> masks(5 * n_columns);
  for (std::size_t i = 0; i < masks.size(); ++i) masks[i] = i * 2654435761u >> 7 & 1;
  std::vector<std::int32_t> row(n_out), mask(n_out), below(n_out);
  for (std::int32_t i = 0; i < n_out; ++i) {
    row[i] = i % 3;
    mask[i] = i / 11 % 5;
    below[i] = i % 4;
  }
  const MaskingTask task{.X = X.data(),
                         .background = background.data(),
                         .masks = masks.data(),
                         .row = row.data(),
                         .mask = mask.data(),
                         .background_row = below.data(),
                         .n_out = n_out,
                         .n_columns = n_columns,
                         .item_bytes = sizeof(T),
                         .out = out.data()};
  fill_masked_rows(task, n_threads);
  bool same = true;
  for (std::int64_t i = 0; i < n_out; ++i)
    for (std::int64_t j = 0; j < n_columns; ++j)
      same &= out[i * n_columns + j] ==
              (masks[mask[i] * n_columns + j] ? X[row[i] * n_columns + j] : background[below[i] * n_columns + j]);
  CHECK(same);
}

TEST_CASE("masked rows of any element size") {
  for (const int n_threads : {1, 3}) {
    check_fill<std::uint8_t>(n_threads);
    check_fill<std::int16_t>(n_threads);
    check_fill<float>(n_threads);
    check_fill<double>(n_threads);
  }
}

TEST_CASE("masked rows that are the same are found") {
  // Background row 0 differs in players 0 and 1, row 1 in none, row 2 in all three.
  const std::uint8_t differs[] = {1, 1, 0, 0, 0, 0, 1, 1, 1};
  const std::uint8_t masks[] = {1, 0, 0, 1, 0, 1, 0, 0, 1, 1, 1, 1};
  std::int32_t input_of[12], mask[12], background[12];
  const auto n = distinct_masked_rows({.masks = masks,
                                       .differs = differs,
                                       .n_masks = 4,
                                       .n_background = 3,
                                       .n_players = 3,
                                       .input_of = input_of,
                                       .unique_mask = mask,
                                       .unique_background = background});
  REQUIRE(n == 4);
  const std::int32_t expected[] = {4, 1, 5, 4, 1, 6, 0, 1, 7, 3, 1, 3};  // b: 0-2, the row itself: 3, distinct: 4 and on
  CHECK(std::memcmp(input_of, expected, sizeof expected) == 0);
  CHECK(std::vector<std::int32_t>(mask, mask + n) == std::vector<std::int32_t>{0, 0, 1, 2});
  CHECK(std::vector<std::int32_t>(background, background + n) == std::vector<std::int32_t>{0, 2, 2, 2});
}

}  // namespace
}  // namespace fastexplain
