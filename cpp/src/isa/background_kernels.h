// Interventional Tree SHAP of one row against a block of background rows; compiled once per instruction set, see kernels.h for
// what such files may include.
#pragma once

#include <cstdint>

#include "tree_ops.h"

namespace fastexplain {

// Words of the largest block of background rows: 64 rows to a word.
inline constexpr int kMaxBlockWords = kTileWords;
// Places that are worked on together.
inline constexpr int kPlaceOctet = 8;
// Most places of a tree whose features have their own: a word has a bit for each. More than kFewPlaces cost more than they
// gain, unless values are by background row.
inline constexpr int kMostOwnPlaces = 64, kFewPlaces = 16;

// Features have places, by which what the walk knows of them is kept. Where a tree has few, each has a place of its own; else
// a place is a position among the distinct features of a path, and its feature changes as the walk goes on.
struct BackgroundSplit {
  // 2 * column + (missing goes left), by which the row's codes are numbered; kCategorical: `bound` is where its set begins.
  std::uint32_t code;
  std::int32_t bound;     // to the left where the code is at most this
  std::int32_t child[2];  // left and right: a split's number, ~ a leaf's, or kNoChild
  std::int32_t place;
  std::int32_t feature;  // where attributions go, at the path's first split on its feature; -1 at later ones

  static constexpr std::uint32_t kCategorical = 1u << 31;
  static constexpr std::int32_t kNoChild = -2147483647 - 1;  // nothing below has a value

  bool is_categorical() const { return (code & kCategorical) != 0; }
  std::uint32_t column() const { return (code & ~kCategorical) >> 1; }
  bool goes_left(const std::int32_t* codes, const std::uint64_t* sets) const {
    if (!is_categorical()) return codes[code] <= bound;
    const std::int32_t of_row = codes[code & ~kCategorical];
    return (sets[bound + of_row / 64] >> (of_row % 64) & 1) != 0;
  }
};

// What a leaf of value 1 gives the features on its path, of which the background row violates `p` and the explained row `q`:
// each of the former gains (p - 1)! q! / (p + q)!, each of the latter loses p! (q - 1)! / (p + q)!; zero where there are none.
struct LeafShares {
  double gain, loss;
};

// One row, one tree, one block of background rows.
struct BackgroundTask {
  const BackgroundSplit* splits;          // the first is the root
  const std::uint64_t* left;              // [split][word]: background rows that go left
  const std::uint64_t* sets;              // bits of categorical splits, by code
  const double* leaf_values;              // [leaf][leaf output]
  const std::int32_t* leaf_places;        // [leaf]: distinct features on its path; null where features have their own places
  const std::int32_t* codes;              // of the row, [2 * column + (missing goes left)]
  const double* weights;                  // of the block's rows
  std::uint64_t present[kMaxBlockWords];  // rows that there are
  int n_words;                            // 1 .. kMaxBlockWords
  int n_leaf_outputs;
  const LeafShares* shares;  // [q][p], or null: computed where they are needed
  std::int64_t n_shares;     // values of p there
  std::int64_t n_places;     // rounded up to whole octets
  // Scratch. Zero before and after.
  std::uint64_t* violated;     // [level][word][place]: rows that violate the path's conditions on a feature; one level by path
  std::uint8_t* row_violates;  // [place]
  // Scratch.
  double* of_leaf;  // [place]
  double* lost;     // [place + 1][leaf output]
  char* frames;     // kBackgroundFrameBytes for each level
  // In and out. gained: where features have their own places what the tree attributes to them is added, else zero before and
  // after. By background row, [row][place]: its own, without weights.
  double* gained;  // [leaf output][place]
  double* sums;    // [leaf output][feature]
  std::int64_t n_features;
};

inline constexpr int kBackgroundFrameBytes = 2 * 8 * kMaxBlockWords + 16;

// Pairs of an explained row and a background row.
struct PairList {
  std::uint32_t* rows;    // see pair_rows
  std::uint32_t* places;  // those that the background row violates, and 16 bits further those that the explained one does

  PairList from(std::int64_t first) const { return {rows + first, places + first}; }
};
// Explained rows of a block, and pairs that may be read or written after a list.
inline constexpr int kPairRows = kWordRows, kPairSlack = 16;
static_assert(kTileRows <= 256 && kPairRows <= 64 && kFewPlaces <= 16);
inline std::uint32_t pair_rows(int row, int background) { return static_cast<std::uint32_t>(row << 9 | background); }
inline int pair_row(std::uint32_t rows) { return static_cast<int>(rows >> 9); }
inline int pair_background(std::uint32_t rows) { return static_cast<int>(rows & 255); }

// How many may wait: a pair once for each feature that its way has been divided at, and once by itself.
inline constexpr std::int64_t most_waiting(std::int64_t n_pairs, std::int64_t n_places) {
  return n_pairs * (n_places + 1) + kPairSlack;
}

// How pairs are divided: to the left those where the explained row goes there, unless the background row goes the other way and
// the explained one violates the place already; and those where only the background row goes there, unless it violates it.
struct PairSplit {
  const std::uint64_t* background_left;  // words
  std::uint64_t rows_left;
  int place;
};
struct PairCounts {
  std::int64_t left, right;
};

// A block of explained rows, one tree whose features have their own places, at most kFewPlaces, and a block of background rows.
struct PairWalkTask {
  const BackgroundSplit* splits;
  const std::uint64_t* left;  // as in BackgroundTask
  const std::uint64_t* sets;  // the same
  const double* leaf_values;  // the same
  const double* weights;      // the same
  const LeafShares* shares;   // the same
  std::int64_t n_shares;      // the same
  const void* codes;          // of the explained rows, [column][kTileRows]; every place has a code
  bool wide_codes;
  int n_rows, n_background, n_words;  // the latter of background rows
  int n_leaf_outputs;
  std::int64_t n_places;
  PairList pairs;    // scratch: all pairs and kPairSlack
  PairList waiting;  // scratch: most_waiting
  char* frames;      // scratch: kBackgroundFrameBytes for each level
  double* gained;    // added to, [row][leaf output][place]
};

// Which of a tile's background rows go left, [split][word].
struct BackgroundBitsTask {
  const BackgroundSplit* splits;
  std::int64_t n_splits;
  const std::uint64_t* sets;
  const void* codes;  // [column][kTileRows]
  bool wide_codes;
  int n_words;
  std::uint64_t* left;  // out
};

struct BackgroundKernels {
  void (*explain)(const BackgroundTask&);
  void (*explain_pairs)(const PairWalkTask&);
  void (*explain_each)(const BackgroundTask&);  // by background row; for one leaf output, and features with their own places
  void (*bits)(const BackgroundBitsTask&);
};

}  // namespace fastexplain
