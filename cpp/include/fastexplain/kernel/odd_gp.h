// Kernel of the Gaussian process over odd set functions that estimates Shapley values (fastexplain/engine/odd_gp.py has the
// algebra). Coalitions are signs: +1 for players in S, -1 for the others.
#pragma once

#include <cstdint>

namespace fastexplain {

// In place: gram[i, j] = sum_l atanh(rho_l) s_il s_jl becomes scale * (exp(log_norm) sinh(gram) - linear[i, j]), the covariance
// of orders 3, 5, ...; linear[i, j] = sum_l rho_l s_il s_jl. Arrays of `size` entries.
void odd_covariance(double* gram, const double* linear, std::int64_t size, double log_norm, double scale, int n_threads);

// cross[p, i] = covariance between player i's Shapley value and the game's odd part (orders 3, 5, ...) at coalition p, times
// `scale`: 2 rho_i s_pi (integral_0^1 (P_i(u) + P_i(-u)) / 2 du - 1) with P_i(u) = prod_{j != i} (1 + u rho_j s_pj).
// signs and cross have the shape (n_pairs, n_players); points and weights are a quadrature rule on [0, 1].
void odd_cross_covariance(const double* signs, std::int64_t n_pairs, std::int64_t n_players, const double* rho,
                          const double* points, const double* weights, int n_points, double scale, double* cross,
                          int n_threads);

}  // namespace fastexplain
