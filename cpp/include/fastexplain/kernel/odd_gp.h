// Kernel of the Gaussian process over odd set functions that estimates Shapley values (fastexplain/engine/kernel/odd_gp.py has
// the algebra). Coalitions are signs: +1 for players in S, -1 for the others.
#pragma once

#include <cstdint>

namespace fastexplain {

// covariance[i, j] of the odd part (orders 3, 5, ...) at coalitions first[i] and second[j]: scale * (prod (1 + rho_l s_il t_jl)
// - prod (1 - rho_l s_il t_jl)) / 2 - scale * sum rho_l s_il t_jl.
struct OddCovarianceTask {
  const double* first = nullptr;   // (n_first, n_players)
  const double* second = nullptr;  // (n_second, n_players); the same memory as `first`: half of the work
  std::int64_t n_first = 0;
  std::int64_t n_second = 0;
  std::int64_t n_players = 0;
  const double* rho = nullptr;  // (n_players,)
  double scale = 1.0;
  double* covariance = nullptr;  // (n_first, n_second)
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
