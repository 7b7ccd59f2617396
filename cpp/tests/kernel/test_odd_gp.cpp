#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "fastexplain/kernel/odd_gp.h"
#include "fastexplain/quadrature.h"

namespace fastexplain {
namespace {

constexpr int kPlayers = 6;
const double kRho[kPlayers] = {0.5, 0.03, 0.2, 0.35, 0.1, 0.4};

// Sum over odd sets of at least three players of prod rho s t, times 2 / |T| for sets that hold `player` (or 1, for -1).
double by_definition(const double* s, const double* t, int player) {
  double sum = 0;
  for (int set = 0; set < 1 << kPlayers; ++set) {
    const int size = __builtin_popcount(static_cast<unsigned>(set));
    if (size < 3 || size % 2 == 0 || (player >= 0 && !(set >> player & 1))) continue;
    double product = player >= 0 ? 2.0 / size : 1.0;
    for (int i = 0; i < kPlayers; ++i)
      if (set >> i & 1) product *= kRho[i] * s[i] * (t != nullptr ? t[i] : 1.0);
    sum += product;
  }
  return sum;
}

std::vector<double> signs_of(int coalition) {
  std::vector<double> s(kPlayers);
  for (int i = 0; i < kPlayers; ++i) s[static_cast<std::size_t>(i)] = coalition >> i & 1 ? 1.0 : -1.0;
  return s;
}

TEST_CASE("the covariance is the sum over odd sets") {
  std::vector<double> some, others;
  for (int coalition = 0; coalition < 1 << kPlayers; ++coalition) {
    const auto s = signs_of(coalition);
    if (coalition % 5 == 0) some.insert(some.end(), s.begin(), s.end());
    if (coalition % 3 == 0) others.insert(others.end(), s.begin(), s.end());
  }
  const auto n_some = static_cast<std::int64_t>(some.size()) / kPlayers,
             n_others = static_cast<std::int64_t>(others.size()) / kPlayers;
  for (const bool same : {false, true})
    for (const int n_threads : {1, 3}) {
      const std::int64_t n_second = same ? n_some : n_others;
      const double* second = same ? some.data() : others.data();
      std::vector<double> found(static_cast<std::size_t>(n_some * n_second));
      odd_covariance({.first = some.data(),
                      .second = second,
                      .n_first = n_some,
                      .n_second = n_second,
                      .n_players = kPlayers,
                      .rho = kRho,
                      .scale = 2.0,
                      .covariance = found.data()},
                     n_threads);
      for (std::int64_t i = 0; i < n_some; ++i)
        for (std::int64_t j = 0; j < n_second; ++j)
          CHECK(found[static_cast<std::size_t>(i * n_second + j)] ==
                Approx(2.0 * by_definition(some.data() + i * kPlayers, second + j * kPlayers, -1)).margin(1e-13));
    }
}

TEST_CASE("the cross covariance is the sum over odd sets that hold the player") {
  const Quadrature rule = gauss_legendre(kPlayers / 2 + 1);
  for (const int n_threads : {1, 2}) {
    std::vector<double> signs, cross(64 * kPlayers);
    for (int coalition = 0; coalition < 64; ++coalition) {
      const auto s = signs_of(coalition);
      signs.insert(signs.end(), s.begin(), s.end());
    }
    const OddCrossTask task{.signs = signs.data(),
                            .rho = kRho,
                            .n_pairs = 64,
                            .n_players = kPlayers,
                            .points = rule.points.data(),
                            .weights = rule.weights.data(),
                            .n_points = static_cast<std::int64_t>(rule.points.size()),
                            .scale = 3.0,
                            .cross = cross.data()};
    odd_cross_covariance(task, n_threads);
    for (int p = 0; p < 64; ++p)
      for (int i = 0; i < kPlayers; ++i)
        CHECK(cross[static_cast<std::size_t>(p * kPlayers + i)] ==
              Approx(3.0 * by_definition(signs.data() + p * kPlayers, nullptr, i)).margin(1e-13));
  }
}

}  // namespace
}  // namespace fastexplain
