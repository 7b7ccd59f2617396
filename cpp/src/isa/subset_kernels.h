// Steps over subsets of players that are compiled once per instruction set; see kernels.h for what such files may include.
#pragma once

#include <cstdint>

#include "octet.h"

namespace fastexplain {

inline constexpr std::int64_t kTermBatch = 64;  // terms that are worked on together; a multiple of kOctet

enum class Combine : std::int32_t { kMultiply, kAdd };

// One player joins a team's table: the entries (size, batch) become (2 size, batch), first those of the subsets without the
// player, then those with.
struct GrowTask {
  Combine combine;
  double* table;
  std::int64_t size, batch;      // batch: a multiple of kOctet
  const double *taken, *hidden;  // the player's numbers in the explained row and in the background row, (batch)
};

// out[t] = parts[0][t] combined with parts[1][t] ...
struct GatherTask {
  Combine combine;
  const double* const* parts;
  std::int64_t n_parts;
  double* out;  // (kTermBatch)
};

// Sum of terms[t] * coefficients[t], by octets.
struct DotTask {
  const double *terms, *coefficients;
};

inline constexpr std::int64_t kFewTerms = 16;  // a batch whose tables stay in the first level of the cache

// What becomes of combined numbers.
enum class Finish : std::int32_t { kNothing, kRectify, kRaise };

// For each coalition: combines a number of each team, finishes, and adds up terms * coefficients by octets.
struct AddTask {
  Combine combine;
  Finish finish;
  int degree;                    // of kRaise, at least 1
  const double* tables;          // of all teams, for a batch of kFewTerms
  const std::uint32_t* offsets;  // (n_masks, n_teams): where in `tables` a coalition's numbers lie
  std::int64_t n_masks, n_teams;
  const double* coefficients;  // (n_outputs, stride)
  std::int64_t n_outputs, stride;
  double* sums;  // (n_masks, n_outputs, kOctet), on a boundary of 64 bytes
};

// Pairwise coupling of two classes, iterated as libsvm does (see formulas/expansion.h).
struct CoupleTwoTask {
  const double* first;  // (n): probability of the first class by its own sigmoid
  std::int64_t n;       // a multiple of kOctet
  int most_iterations;
  double tolerance;
  double *out, *rest;  // (n): of the first class and of the second
};

struct SubsetKernels {
  void (*couple_two)(const CoupleTwoTask&);
  void (*add)(const AddTask&);
  void (*grow)(const GrowTask&);
  void (*gather)(const GatherTask&);
  double (*dot)(const DotTask&);
};

}  // namespace fastexplain
