#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "fastexplain/kernel/odd_gp.h"
#include "fastexplain/kernel/odd_process.h"
#include "fastexplain/quadrature.h"
#include "fastexplain/random.h"

namespace fastexplain {
namespace {

constexpr int kPlayers = 10, kPoints = 40, kGames = 2;  // two bytes a coalition

// Coalitions drawn at random and the full one, and the values of games that are all noise.
struct Case {
  std::vector<double> signs, left;
  OddData data() const {
    return {.signs = signs.data(), .n_points = kPoints, .n_players = kPlayers, .left = left.data(), .n_games = kGames};
  }
};

Case drawn(std::uint64_t seed) {
  Case drawn;
  RandomStream stream(seed, 0, 0);
  for (int i = 0; i < kPoints * kPlayers; ++i)
    drawn.signs.push_back(i >= (kPoints - 1) * kPlayers || stream.below(2) == 1 ? 1.0 : -1.0);
  for (int i = 0; i < kPoints * kGames; ++i) drawn.left.push_back(stream.below(1000) / 500.0 - 1.0);
  return drawn;
}

using Square = std::vector<std::vector<double>>;

// The inverse of a positive matrix, by Gauss and Jordan.
Square inverse(Square a) {
  const std::size_t n = a.size();
  for (std::size_t i = 0; i < n; ++i) {
    a[i].resize(2 * n, 0.0);
    a[i][n + i] = 1.0;
  }
  for (std::size_t k = 0; k < n; ++k) {
    const double pivot = a[k][k];
    for (double& entry : a[k]) entry /= pivot;
    for (std::size_t i = 0; i < n; ++i) {
      if (i == k) continue;
      const double factor = a[i][k];
      for (std::size_t j = 0; j < 2 * n; ++j) a[i][j] -= factor * a[k][j];
    }
  }
  for (auto& row : a) row.erase(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(n));
  return a;
}

// Covariance with noise, by the kernel that odd_gp.h documents.
Square covariance(const Case& drawn, const double* rho, double scale, double nugget, double full_noise) {
  double log_norm = 0;
  for (int l = 0; l < kPlayers; ++l) log_norm += 0.5 * std::log1p(-rho[l] * rho[l]);
  Square found(kPoints, std::vector<double>(kPoints));
  for (std::size_t i = 0; i < kPoints; ++i)
    for (std::size_t j = 0; j < kPoints; ++j) {
      double gram = 0, linear = 0;
      for (std::size_t l = 0; l < kPlayers; ++l) {
        const double both = drawn.signs[i * kPlayers + l] * drawn.signs[j * kPlayers + l];
        gram += std::atanh(rho[l]) * both;
        linear += rho[l] * both;
      }
      odd_covariance({.gram = &gram, .linear = &linear, .size = 1, .log_norm = log_norm, .scale = scale}, 1);
      found[i][j] = gram + (i == j ? (i + 1 < kPoints ? nugget : full_noise) + full_noise : 0.0);
    }
  return found;
}

TEST_CASE("the fit is generalised least squares with what the process adds") {
  const Case drawn = fastexplain::drawn(3);
  std::vector<double> rho;
  for (int l = 0; l < kPlayers; ++l) rho.push_back(0.05 + 0.06 * l);
  const double scale = 0.7, nugget = 0.05, full_noise = 1e-8;
  const Quadrature rule = gauss_legendre(kPlayers / 2 + 1);
  std::vector<double> values(kPlayers * kGames), variance(kPlayers), spread(kGames), residual((kPoints - 1) * kGames);
  odd_fit({.data = drawn.data(),
           .prior = {.rho = rho.data(), .scale = scale, .full_noise = full_noise},
           .nugget = nugget,
           .points = rule.points.data(),
           .weights = rule.weights.data(),
           .n_quadrature = static_cast<std::int64_t>(rule.points.size()),
           .values = values.data(),
           .variance = variance.data(),
           .spread = spread.data(),
           .residual = residual.data()});

  const Square K = covariance(drawn, rho.data(), scale, nugget, full_noise), inverted = inverse(K);
  std::vector<double> cross(kPoints * kPlayers);
  odd_cross_covariance({.signs = drawn.signs.data(),
                        .rho = rho.data(),
                        .n_pairs = kPoints,
                        .n_players = kPlayers,
                        .points = rule.points.data(),
                        .weights = rule.weights.data(),
                        .n_points = static_cast<std::int64_t>(rule.points.size()),
                        .scale = scale,
                        .cross = cross.data()},
                       1);
  // a^T K^-1 b of columns: signs / 2, cross, left
  const auto column = [&](int which, std::size_t i) {
    if (which < kPlayers) return drawn.signs[i * kPlayers + static_cast<std::size_t>(which)] / 2;
    if (which < 2 * kPlayers) return cross[i * kPlayers + static_cast<std::size_t>(which - kPlayers)];
    return drawn.left[i * kGames + static_cast<std::size_t>(which - 2 * kPlayers)];
  };
  const auto form = [&](int a, int b) {
    double sum = 0;
    for (std::size_t i = 0; i < kPoints; ++i)
      for (std::size_t j = 0; j < kPoints; ++j) sum += column(a, i) * inverted[i][j] * column(b, j);
    return sum;
  };
  Square normal(kPlayers, std::vector<double>(kPlayers));
  for (int a = 0; a < kPlayers; ++a)
    for (int b = 0; b < kPlayers; ++b) normal[static_cast<std::size_t>(a)][static_cast<std::size_t>(b)] = form(a, b);
  const Square free = inverse(normal);
  for (int g = 0; g < kGames; ++g) {
    const int game = 2 * kPlayers + g;
    std::vector<double> beta(kPlayers, 0.0);
    for (std::size_t a = 0; a < kPlayers; ++a)
      for (int b = 0; b < kPlayers; ++b) beta[a] += free[a][static_cast<std::size_t>(b)] * form(b, game);
    double left_over = form(game, game);
    for (int a = 0; a < kPlayers; ++a) left_over -= beta[static_cast<std::size_t>(a)] * form(a, game);
    CHECK(spread[static_cast<std::size_t>(g)] == Approx(left_over).epsilon(1e-9));
    for (int i = 0; i < kPlayers; ++i) {
      double value = beta[static_cast<std::size_t>(i)] + form(kPlayers + i, game);
      for (int a = 0; a < kPlayers; ++a) value -= form(kPlayers + i, a) * beta[static_cast<std::size_t>(a)];
      CHECK(values[static_cast<std::size_t>(i * kGames + g)] == Approx(value).margin(1e-8));
    }
    // what is left is the noise's part: nugget K^-1 (left - H beta)
    for (std::size_t i = 0; i + 1 < kPoints; ++i) {
      double alpha = 0;
      for (std::size_t j = 0; j < kPoints; ++j) {
        double white = column(game, j);
        for (int a = 0; a < kPlayers; ++a) white -= column(a, j) * beta[static_cast<std::size_t>(a)];
        alpha += inverted[i][j] * white;
      }
      CHECK(residual[i * kGames + static_cast<std::size_t>(g)] == Approx(nugget * alpha).margin(1e-8));
    }
  }
  for (const double of_player : variance) CHECK(of_player > 0);
}

TEST_CASE("a search from the best place stays there, and no place beside it is likelier") {
  const std::vector<double> powers{0.0, 0.5, 1.0}, strengths{0.05, 0.1, 0.2, 0.4, 0.8}, nuggets{1e-4, 0.1, 10.0};
  std::vector<double> relevance;
  for (int l = 0; l < kPlayers; ++l) relevance.push_back(1.0 / (1 + l));
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const Case drawn = fastexplain::drawn(seed);
    OddTuneTask task{.data = drawn.data(),
                     .relevance = relevance.data(),
                     .powers = powers.data(),
                     .n_powers = 3,
                     .strengths = strengths.data(),
                     .n_strengths = 5,
                     .nuggets = nuggets.data(),
                     .n_nuggets = 3,
                     .full_noise = 1e-10,
                     .most_players = 16.0};
    const OddPlace best = odd_tune(task);
    task.start = &best;
    const OddPlace again = odd_tune(task);
    CHECK(again.power == best.power);
    const OddPlace other{.power = best.power, .strength = 0, .nugget = 0};
    task.start = &again;
    const OddPlace still = odd_tune(task);
    CHECK(still.strength == again.strength);
    CHECK(still.nugget == again.nugget);
    task.start = &other;
    CHECK(odd_tune(task).power == best.power);
  }
}

}  // namespace
}  // namespace fastexplain
