// Rows explained by pattern tables: codes, sums of segments, values.
#pragma once

#include <algorithm>
#include <cstdint>

#include "fastexplain/parallel.h"
#include "fastexplain/tree/views.h"
#include "tree/encoding.h"
#include "tree/pattern_tables.h"

namespace fastexplain {

// Bytes of the sums and totals of a tile of rows.
template <class T>
constexpr std::int64_t tile_bytes(std::int64_t row_chunks) {
  return kTileRows * row_chunks * kChunkLanes<T> * static_cast<std::int64_t>(sizeof(T) + sizeof(double));
}

// What a thread may take for them: forests of more features and outputs go without tables.
inline constexpr std::int64_t kMaxTileBytes = 8 << 20;

// Rows of a block: tables are read once per block, so that a block should be as large as stays in the second cache level.
template <class T>
constexpr std::int64_t block_rows(std::int64_t row_chunks) {
  constexpr std::int64_t kBlockBytes = 1 << 20, kMaxBlockTiles = 16;
  return kTileRows *
         std::clamp<std::int64_t>(kBlockBytes / std::max<std::int64_t>(tile_bytes<T>(row_chunks), 1), 1, kMaxBlockTiles);
}

// Rows for which a call fills tables once: their codes and totals take 6 MB.
template <class T>
std::int64_t turn_rows(std::int64_t row_chunks, const Encoding& encoding) {
  constexpr std::int64_t kTurnBytes = 6 << 20;
  const std::int64_t row_bytes = row_chunks * kChunkLanes<T> * static_cast<std::int64_t>(sizeof(double)) +
                                 3 * static_cast<std::int64_t>(encoding.columns.size());
  return kTileRows * std::max<std::int64_t>(kTurnBytes / (row_bytes * kTileRows), 1);
}

// Adds the tables' attributions to values. The bits do not depend on n_threads, on the other rows, or on the instruction set.
template <class T>
void explain_by_patterns(const PatternTables<T>& tables, const Encoding& encoding, const SumLayout& layout,
                         const RowsView& rows, const ValuesView& values, int n_threads, const InterruptCheck& check);

}  // namespace fastexplain
