#include "fastexplain/kernel/odd_gp.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "fastexplain/parallel.h"
#include "kernel/odd_covariance.h"

namespace fastexplain {
namespace {

constexpr std::int64_t kEntries = 1 << 13;  // per index of parallel_for

void cross_row(const OddCrossTask& task, std::int64_t pair) {
  const std::int64_t n = task.n_players;
  const double *signs = task.signs + pair * n, *rho = task.rho, scale = task.scale;
  double* cross = task.cross + pair * n;
  std::fill_n(cross, n, 0.0);
  for (std::int64_t k = 0; k < task.n_points; ++k) {
    const double u = task.points[k], weight = task.weights[k];
    double up = 1, down = 1;  // products over all players; |u rho| < 1 keeps every factor positive
    for (std::int64_t j = 0; j < n; ++j) {
      const double step = u * rho[j] * signs[j];
      up *= 1 + step;
      down *= 1 - step;
    }
    for (std::int64_t j = 0; j < n; ++j) {
      const double step = u * rho[j] * signs[j];
      // up / (1 + step) + down / (1 - step), with one division
      cross[j] += weight * (up * (1 - step) + down * (1 + step)) / (1 - step * step);
    }
  }
  for (std::int64_t j = 0; j < n; ++j) cross[j] = scale * rho[j] * signs[j] * (cross[j] - 2);
}

}  // namespace

void odd_covariance(const OddCovarianceTask& task, int n_threads) {
  const std::int64_t n = task.n_players, n_first = task.n_first, n_second = task.n_second;
  const bool symmetric = task.first == task.second && n_first == n_second;
  const CoalitionBytes first(task.first, n_first, n), other(task.second, symmetric ? 0 : n_second, n);
  const CoalitionBytes& second = symmetric ? first : other;
  const OddCovariance covariance(task.rho, n, task.scale);
  const std::int64_t rows = std::max<std::int64_t>(1, kEntries / std::max<std::int64_t>(1, n_second));
  parallel_for((n_first + rows - 1) / rows, n_threads, [&](std::int64_t block, int) {
    for (std::int64_t i = block * rows; i < std::min(n_first, (block + 1) * rows); ++i) {
      double* row = task.covariance + i * n_second;
      covariance.row(first, i, second, symmetric ? i : 0, n_second, row);
      for (std::int64_t j = i + 1; symmetric && j < n_second; ++j) task.covariance[j * n_second + i] = row[j];
    }
  });
}

void odd_cross_covariance(const OddCrossTask& task, int n_threads) {
  const std::int64_t block = std::max<std::int64_t>(1, kEntries / std::max<std::int64_t>(1, task.n_players * task.n_points));
  parallel_for((task.n_pairs + block - 1) / block, n_threads, [&](std::int64_t index, int) {
    for (std::int64_t p = index * block; p < std::min(task.n_pairs, (index + 1) * block); ++p) cross_row(task, p);
  });
}

}  // namespace fastexplain
