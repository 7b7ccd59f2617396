// Shapley values of product games and of sums of sines: the closed forms behind RBF kernel machines, models with a log link,
// and logistic models on the probability scale.
//
// Cost per explained row: terms x background rows x players x nodes; the number of quadrature nodes is at most the one that
// is exact, half the number of players, and smaller where a bound says that the error is below rounding.
#pragma once

#include <cstdint>
#include <vector>

#include "fastexplain/parallel.h"

namespace fastexplain {

// Terms are laid out in blocks of this many; a block that is not full repeats a term with coefficient 0.
inline constexpr int kTermLanes = 8;

// Gauss-Legendre rules on [0, 1] of an even number of nodes (1 +- offset) / 2, by rising number. See NodeRule for reach.
struct PairRules {
  std::vector<std::int32_t> n_pairs;
  std::vector<std::vector<double>> offsets, weights;
  std::vector<double> reach;
};

// v(S) = sum_b w_b sum_j coef_j prod_{l in S} a_jl prod_{l not in S} c_bjl
struct ProductGameView {
  std::int64_t n_rows, n_blocks, n_background;
  std::int32_t n_players, n_outputs;
  const double* row_factors;         // a: [row][block][player][lane]
  const double* background_factors;  // c: [block][background row][player][lane]
  const double* coefficients;        // [block][output][lane]
  std::int64_t coefficient_stride;   // values from one row's coefficients to the next's; 0: the same for all
  const double* weights;             // [background row]
};

// Adds the Shapley values to values, [row][player][output]. The same bits for any n_threads.
void product_game(const ProductGameView& game, const PairRules& rules, double* values, int n_threads,
                  const InterruptCheck& check);

// Sums of sines for the odd part of the logistic function about any centre; see SineFit and SineSeries in product_kernels.h.
struct SineRules {
  struct Fit {
    double reach, base;
    std::vector<double> sinh, cosh, first, second;
    std::int32_t n_terms;
  };
  struct Series {
    double reach, base;
    std::vector<double> coefficients;
  };
  std::vector<Fit> fits;
  std::vector<Series> series;
};

// v(S) = sum_b w_b / (1 + exp(-m_b(S))), where m_b(S) = margin_b + sum_{l in S} (row_l - background_bl)
struct SigmoidGameView {
  std::int64_t n_rows, n_background;
  std::int32_t n_players;
  const double* row_terms;         // [row][player]
  const double* background_terms;  // [background row][player]
  const double* margins;           // [background row]: sum of its terms and the offset
  const double* weights;           // [background row]
};

// Writes the Shapley values to values, [row][player]. The same bits for any n_threads.
void sigmoid_game(const SigmoidGameView& game, const SineRules& sines, const PairRules& rules, double* values, int n_threads,
                  const InterruptCheck& check);

}  // namespace fastexplain
