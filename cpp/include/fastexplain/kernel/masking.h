// Masked rows: model inputs that take each column from the explained row or from a background row.
#pragma once

#include <cstdint>

namespace fastexplain {

// Borrowed, C order, any element type of 1, 2, 4 or 8 bytes.
struct MaskingTask {
  const void* X = nullptr;                       // (n_rows, n_columns)
  const void* background = nullptr;              // (n_background, n_columns)
  const std::uint8_t* masks = nullptr;           // (n_masks, n_columns): 1 takes the explained row's value, else 0
  const std::int32_t* row = nullptr;             // for each row of the output: which row of X,
  const std::int32_t* mask = nullptr;            //   which mask,
  const std::int32_t* background_row = nullptr;  //   which background row
  std::int64_t n_out = 0;
  std::int64_t n_columns = 0;
  int item_bytes = 0;
  void* out = nullptr;  // (n_out, n_columns)
};

void fill_masked_rows(const MaskingTask& task, int n_threads);

// Which masked rows of one explained row differ from each other. Two coalitions give the same model input on a background row
// if they agree on the players whose values differ there.
//
// Writes, for mask m and background row b,
//   input_of[m * n_background + b] = b                      where the input is the background row itself,
//                                  = n_background           where it is the explained row,
//                                  = n_background + 1 + u   otherwise, u counting the distinct inputs;
// and unique_mask[u], unique_background[u] for each distinct input, in order of first use, background rows innermost.
struct DistinctTask {
  const std::uint8_t* masks = nullptr;    // (n_masks, n_players): 0 where the player is absent
  const std::uint8_t* differs = nullptr;  // (n_background, n_players): 0 where it has the explained row's value
  std::int64_t n_masks = 0;
  std::int64_t n_background = 0;
  std::int64_t n_players = 0;
  std::int32_t* input_of = nullptr;  // this and the next two: n_masks * n_background entries
  std::int32_t* unique_mask = nullptr;
  std::int32_t* unique_background = nullptr;
};

// Returns the number of distinct inputs.
std::int64_t distinct_masked_rows(const DistinctTask& task);

}  // namespace fastexplain
