#include "fastexplain/kernel/odd_gp.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "fastexplain/parallel.h"

namespace fastexplain {
namespace {

constexpr std::int64_t kEntries = 1 << 13;  // per index of parallel_for

void cross_row(const double* signs, std::int64_t n, const double* rho, const double* points, const double* weights,
               int n_points, double scale, double* cross) {
  std::fill_n(cross, n, 0.0);
  for (int k = 0; k < n_points; ++k) {
    double up = 1, down = 1;  // products over all players; |u rho| < 1 keeps every factor positive
    for (std::int64_t j = 0; j < n; ++j) {
      const double step = points[k] * rho[j] * signs[j];
      up *= 1 + step;
      down *= 1 - step;
    }
    for (std::int64_t j = 0; j < n; ++j) {
      const double step = points[k] * rho[j] * signs[j];
      // up / (1 + step) + down / (1 - step), with one division
      cross[j] += weights[k] * (up * (1 - step) + down * (1 + step)) / (1 - step * step);
    }
  }
  for (std::int64_t j = 0; j < n; ++j) cross[j] = scale * rho[j] * signs[j] * (cross[j] - 2);
}

}  // namespace

void odd_covariance(double* gram, const double* linear, std::int64_t size, double log_norm, double scale, int n_threads) {
  const double norm = std::exp(log_norm);
  parallel_for((size + kEntries - 1) / kEntries, n_threads, [&](std::int64_t block, int) {
    for (std::int64_t i = block * kEntries; i < std::min(size, (block + 1) * kEntries); ++i)
      gram[i] = scale * (norm * std::sinh(gram[i]) - linear[i]);
  });
}

void odd_cross_covariance(const double* signs, std::int64_t n_pairs, std::int64_t n_players, const double* rho,
                          const double* points, const double* weights, int n_points, double scale, double* cross,
                          int n_threads) {
  const std::int64_t block = std::max<std::int64_t>(1, kEntries / std::max<std::int64_t>(1, n_players * n_points));
  parallel_for((n_pairs + block - 1) / block, n_threads, [&](std::int64_t index, int) {
    for (std::int64_t p = index * block; p < std::min(n_pairs, (index + 1) * block); ++p)
      cross_row(signs + p * n_players, n_players, rho, points, weights, n_points, scale, cross + p * n_players);
  });
}

}  // namespace fastexplain
