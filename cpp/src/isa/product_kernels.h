// The seam between product and sine games and their code compiled once per instruction set; see kernels.h for the rules.
#pragma once

#include <cstddef>
#include <cstdint>

#include "octet.h"

namespace fastexplain {

// Gauss-Legendre nodes u = (1 +- offset) / 2 on [0, 1], an even number of them.
struct NodeRule {
  int n_pairs;
  const double* offsets;
  const double* weights;  // of one node of a pair
  // The error is at most (variation / reach)^(4 n_pairs) units of rounding, where variation is the sum over players of
  // |a - c| / max(|a|, |c|).
  double reach;
  double log_reach;
};

struct ProductTask {
  int n_players, n_background;
  const double* row;         // [player][lane]: factor of a player who is present
  const double* background;  // [background row][player][lane]: of one who is absent
  const double* weights;     // of the background rows
  const NodeRule* rules;     // by rising number of nodes; the last is exact for n_players
  int n_rules;
  double* scratch;  // 64-byte aligned, product_scratch(n_players) values
  int* active;      // n_players
  double* sums;     // out, 64-byte aligned, [player][lane]
};

inline constexpr std::size_t product_scratch(std::size_t n_players) { return 5 * kOctet * n_players; }

// A sum of sines that equals the odd part of s -> 1 / (1 + exp(-(c + s))) for |s| <= reach: frequencies (2k - 1) base.
struct SineFit {
  double reach, base;
  int n_terms, n_points;
  const double *sinh, *cosh;  // of the points where it is fitted
  const double* first;        // [point][term], then
  const double* second;       // [term][term]: values at the points to coefficients, in two well-conditioned steps
};

// The same for all |c| + |s| <= reach; coefficients are those given times cos(frequency c).
struct SineSeries {
  double reach, base;
  int n_terms;
  const double* coefficients;
};

struct SineTask {
  int n_players, n_background;
  const double* row;         // [player]
  const double* background;  // [background row][player]
  const double* margins;     // of the background rows
  const double* weights;
  const NodeRule* rules;
  int n_rules;
  const SineFit* fits;  // by rising reach
  int n_fits;
  const SineSeries* series;
  int n_series;
  double* scratch;       // 64-byte aligned, sine_scratch(n_players) values
  double* coefficients;  // 64-byte aligned, twice the most terms of a fit or a series
  int* active;           // n_players
  double* sums;          // out, 64-byte aligned, [player][lane]
};

inline constexpr std::size_t sine_scratch(std::size_t n_players) { return 10 * kOctet * n_players; }

struct ProductKernels {
  void (*product)(const ProductTask&);
  void (*sine)(const SineTask&);
};

}  // namespace fastexplain
