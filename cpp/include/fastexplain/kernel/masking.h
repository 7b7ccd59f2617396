// Masked rows: model inputs that take each column from the explained row or from a background row.
#pragma once

#include <cstdint>

namespace fastexplain {

// Borrowed, C order, any element type of 1, 2, 4 or 8 bytes.
struct MaskingTask {
  const void* X;                       // (n_rows, n_columns)
  const void* background;              // (n_background, n_columns)
  const std::uint8_t* masks;           // (n_masks, n_columns): 1 takes the explained row's value
  const std::int32_t* row;             // for each row of the output: which row of X,
  const std::int32_t* mask;            //   which mask,
  const std::int32_t* background_row;  //   which background row
  std::int64_t n_out;
  std::int64_t n_columns;
  int item_bytes;
  void* out;  // (n_out, n_columns)
};

void fill_masked_rows(const MaskingTask& task, int n_threads);

// Which masked rows of one explained row differ from each other. Two coalitions give the same model input on a background row
// if they agree on the players whose values differ there.
//
// masks (n_masks, n_players) and differs (n_background, n_players) hold 0 or 1. Writes, for mask m and background row b,
//   slot[m * n_background + b] = b                      where the input is the background row itself,
//                              = n_background           where it is the explained row,
//                              = n_background + 1 + u   otherwise, u counting the distinct inputs;
// and unique_mask[u], unique_background[u] for each distinct input, in order of first use, background rows innermost. Returns
// how many there are. Both arrays must hold n_masks * n_background entries.
std::int64_t distinct_masked_rows(const std::uint8_t* masks, std::int64_t n_masks, const std::uint8_t* differs,
                                  std::int64_t n_background, std::int64_t n_players, std::int32_t* slot,
                                  std::int32_t* unique_mask, std::int32_t* unique_background);

}  // namespace fastexplain
