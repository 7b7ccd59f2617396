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

// Columns on a leaf's path: each has at least two digits, but where a split excludes nothing.
inline constexpr int kMaxConditions = 8;

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
  std::size_t table;  // chunks before the group's first entry in its segment; entries are n_chunks long
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
  std::uint16_t* index;  // out, [group][kTileRows]: where the state's entry is, in units of kIndexUnit, or the state itself
  bool want_states;
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

// What a background's patterns are multiplied with, at a point t of a rule and of weight w. With N the conditions that a
// pattern has not, all but the first are zero where they would have a power below zero.
struct PatternFactors {
  static constexpr int kMost = 1 << kMaxConditions;
  alignas(64) double violated[kMost];  // t^(conditions in the pattern)
  alignas(64) double own[kMost];       // w / t (1 - t)^N
  alignas(64) double without[kMost];   // w / t (1 - t)^(N - 1)
  alignas(64) double lost[kMost];      // w (1 - t)^(N - 1)
};

// A leaf's path-dependent attributions for every pattern of the conditions on its path that a row satisfies.
struct LeafPatternsTask {
  int n_conditions;            // at most kMaxConditions
  const double* shares;        // by condition, of the training rows
  const std::uint32_t* lanes;  // by condition: its place in a pattern's row
  int n_points;                // (n_conditions + 1) / 2, which are exact
  const double *points, *weights;
  std::size_t row_lanes;  // a multiple of 8
  int n_outputs;
  const double* values;  // of the leaf, by output
  double* rows;          // out, [output][pattern][row_lanes]; bit i of a pattern: condition i is satisfied
};

// The same against a background. Arrays by pattern have whole octets.
struct BackgroundPatternsTask {
  int n_conditions;
  const double* violating;        // by pattern: the weight of background rows that violate just these conditions, none aside
  double satisfying;              // the weight of those that violate none
  const std::uint32_t* lanes;     // as above
  int n_points;                   // as above
  const PatternFactors* factors;  // by point
  std::size_t row_lanes;
  int n_outputs;
  const double* values;
  double* rows;
};

// From a group's own columns to the chunks of its entries, of one output.
template <class T>
struct PatternPlaceTask {
  const double* from;  // [state][row_lanes], with 8 numbers after it that may be read
  std::size_t n_states, row_lanes;
  const std::uint32_t* masks;  // by chunk: which of its lanes the group's columns have; they fill them in their order
  std::size_t n_chunks;
  T* to;
  std::size_t stride;  // from one entry to the next
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
  void (*background_patterns)(const BackgroundPatternsTask&);
  void (*place_f32)(const PatternPlaceTask<float>&);
  void (*place_f64)(const PatternPlaceTask<double>&);
};

}  // namespace fastexplain
