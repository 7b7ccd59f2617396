// Steps over pattern tables that are compiled once per instruction set; see kernels.h for what such files may include.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tree_ops.h"

namespace fastexplain {

// Entries of tables, and sums of rows, are made of chunks: one vector of the widest instruction set, a cache line.
inline constexpr int kChunkBytes = 64;
template <class T>
inline constexpr int kChunkLanes = kChunkBytes / static_cast<int>(sizeof(T));

// Groups whose entries are added to a row in one go, so that its sums stay in registers.
inline constexpr int kBatchGroups = 8;
// An index counts units of 8 bytes, which is what addresses of loads can scale by.
inline constexpr int kIndexUnit = 8;

// A row's state, a byte, grows by `change` (modulo 256) where its code is above the cut. Codes of a byte are stored less
// kByteOffset: vectors compare signed numbers.
inline constexpr int kByteOffset = 128;
struct PatternStep {
  std::uint32_t column;
  std::int16_t cut;
  std::uint8_t change;
};

// A column with many runs of codes: its part of the state, by code.
struct PatternLookup {
  std::uint32_t column;
  std::uint32_t n_codes;
  std::uint8_t parts[256];
};

// How a row's state in a group is found, and where its entry adds to.
struct PatternGroup {
  std::uint32_t first_step, n_byte_steps, n_word_steps;  // the latter compare codes of two bytes
  std::uint32_t first_lookup, n_lookups;
  std::uint32_t first_chunk, n_chunks;  // of a row's sums, by the chunks of the entry
  std::uint32_t n_states;
  std::size_t table;  // chunks before the group's first entry; entries are n_chunks long
  std::uint8_t base;  // the state of a row whose codes are below every cut
};

// Everything but the tables, which a kernel gets by pointer.
struct PatternForest {
  const PatternGroup* groups;
  const PatternStep* steps;
  const PatternLookup* lookups;
  const std::uint32_t* chunks;
};

struct PatternIndexTask {
  const PatternForest* forest;
  std::size_t first, n_groups;     // at most kBatchGroups
  const std::int8_t* byte_codes;   // [column][kTileRows]
  const std::int16_t* word_codes;  // the same, of two bytes
  int n_rows;
  std::uint16_t* index;  // out, [group][kTileRows], in units of kIndexUnit
};

// Groups whose entries go to the same chunks.
template <class T>
struct PatternAddTask {
  const T* tables[kBatchGroups];
  int n_groups;
  const std::uint16_t* index;
  const std::uint32_t* chunks;
  int n_chunks;
  int n_rows;
  T* sums;  // [row][row_chunks][kChunkLanes]
  std::size_t row_chunks;
};

// One row, by itself.
template <class T>
struct PatternRowTask {
  const PatternForest* forest;
  std::size_t first, n_groups;  // whose steps lie one after the other
  const std::int16_t* codes;    // [column]: of a byte or two, as the steps of the column compare them
  const T* tables;
  T* sums;
  std::uint8_t* parts;  // scratch: one more than the steps of the groups
};

// Adds some chunks of the sums of rows to their totals, and clears them.
template <class T>
struct PatternFlushTask {
  T* sums;  // [row][row_chunks][kChunkLanes]
  double* totals;
  std::int64_t n_rows;
  std::size_t row_chunks;
  const std::uint32_t* chunks;
  std::size_t n_chunks;
};

// Shapley values of one leaf of value 1 for every pattern of the conditions on its path that a row satisfies.
struct LeafPatternsTask {
  int n_conditions;
  const double* shares;
  const std::uint32_t* slots;  // by condition: its place in a pattern's row
  int n_points;
  const double *points, *weights;
  std::size_t row_slots;  // a multiple of 8
  double* rows;           // out, [pattern][row_slots]; bit i of a pattern: condition i is satisfied
  double* scratch;        // 4 * 2^n_conditions * (n_conditions + 1)
};

// Adds to the entry of each state the row of the pattern that it stands for, times the leaf's value.
struct PatternSpreadTask {
  const std::uint8_t* patterns;  // by state
  std::size_t n_states, row_slots;
  const double* rows;
  double value;
  double* entries;  // [state][row_slots]
};

struct PatternKernels {
  // Codes of two bytes as codes of one; the missing value becomes the largest.
  void (*narrow)(const std::int16_t* words, std::size_t n, std::int8_t* bytes);
  void (*index)(const PatternIndexTask&);
  void (*add_f32)(const PatternAddTask<float>&);
  void (*add_f64)(const PatternAddTask<double>&);
  void (*row_f32)(const PatternRowTask<float>&);
  void (*row_f64)(const PatternRowTask<double>&);
  void (*flush_f32)(const PatternFlushTask<float>&);
  void (*flush_f64)(const PatternFlushTask<double>&);
  void (*leaf_patterns)(const LeafPatternsTask&);
  void (*spread)(const PatternSpreadTask&);
};

}  // namespace fastexplain
