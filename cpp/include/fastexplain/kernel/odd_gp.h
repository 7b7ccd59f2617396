// Kernel of the Gaussian process over odd set functions that estimates Shapley values (fastexplain/engine/kernel/odd_gp.py has
// the algebra). Coalitions are signs: +1 for players in S, -1 for the others.
#pragma once

#include <cstdint>

namespace fastexplain {

// In place: gram[i, j] = sum_l atanh(rho_l) s_il s_jl becomes scale * (exp(log_norm) sinh(gram) - linear[i, j]), the covariance
// of orders 3, 5, ...; linear[i, j] = sum_l rho_l s_il s_jl.
struct OddCovarianceTask {
  double* gram = nullptr;
  const double* linear = nullptr;
  std::int64_t size = 0;  // entries of either
  double log_norm = 0.0;
  double scale = 1.0;
};

void odd_covariance(const OddCovarianceTask& task, int n_threads);

// cross[p, i] = covariance between player i's Shapley value and the game's odd part (orders 3, 5, ...) at coalition p, times
// `scale`: 2 rho_i s_pi (integral_0^1 (P_i(u) + P_i(-u)) / 2 du - 1) with P_i(u) = prod_{j != i} (1 + u rho_j s_pj).
struct OddCrossTask {
  const double* signs = nullptr;  // (n_pairs, n_players)
  const double* rho = nullptr;    // (n_players,)
  std::int64_t n_pairs = 0;
  std::int64_t n_players = 0;
  const double* points = nullptr;   // (n_points,): a quadrature rule on [0, 1]
  const double* weights = nullptr;  // (n_points,)
  std::int64_t n_points = 0;
  double scale = 1.0;
  double* cross = nullptr;  // (n_pairs, n_players)
};

void odd_cross_covariance(const OddCrossTask& task, int n_threads);

}  // namespace fastexplain
