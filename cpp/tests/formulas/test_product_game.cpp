// Product and sigmoid games against enumeration of all coalitions, and the same bits everywhere.
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "fastexplain/formulas/product_game.h"
#include "fastexplain/quadrature.h"

namespace fastexplain {
namespace {

using Values = std::vector<double>;

// Rules as Python makes them, but for reach: a rule is only trusted where it is exact.
PairRules exact_rules(int n_players) {
  PairRules rules;
  for (int pairs = 1; rules.n_pairs.empty() || 4 * rules.n_pairs.back() < n_players; ++pairs) {
    const Quadrature rule = gauss_legendre(2 * pairs);
    Values offsets, weights;
    for (int i = pairs; i < 2 * pairs; ++i) {
      offsets.push_back(2 * rule.points[i] - 1);
      weights.push_back(rule.weights[i]);
    }
    rules.n_pairs.push_back(pairs);
    rules.offsets.push_back(offsets);
    rules.weights.push_back(weights);
    rules.reach.push_back(1e-9);
  }
  return rules;
}

// The midpoint rule for the logistic function less 1/2, good for margins up to reach.
SineRules midpoint_series(double reach) {
  const double kPi = std::acos(-1.0), base = kPi / (reach + 35);
  SineRules::Series series{reach, base, {}};
  for (int k = 0; base * (2 * k + 1) < 12 || k % kTermLanes != 0; ++k)
    series.coefficients.push_back(2 * base / std::sinh(kPi * base * (2 * k + 1)));
  return {{}, {series}};
}

Values shapley(int n, const std::function<double(std::uint32_t)>& v) {
  Values phi(n), choose(n, 1.0);
  for (int size = 1; size < n; ++size) choose[size] = choose[size - 1] * (n - size) / size;  // of n - 1
  for (std::uint32_t s = 0; s < (1u << n); ++s)
    for (int i = 0; i < n; ++i)
      if (!(s >> i & 1)) phi[i] += (v(s | 1u << i) - v(s)) / (n * choose[std::popcount(s)]);
  return phi;
}

Values random_values(std::size_t n, std::uint32_t seed) {
  std::mt19937 engine(seed);
  Values values(n);
  for (double& value : values) value = engine() / 2147483648.0 - 1;  // not std::uniform_real_distribution: libraries differ
  return values;
}

struct Products {
  std::int64_t n_rows = 2, n_blocks = 11, n_background = 3;
  std::int32_t n_players = 6, n_outputs = 2;
  Values row, background, coefficients, weights;

  explicit Products(std::int32_t players = 6) : n_players(players) {
    row = random_values(n_rows * n_blocks * n_players * kTermLanes, 1);
    background = random_values(n_blocks * n_background * n_players * kTermLanes, 2);
    coefficients = random_values(n_blocks * n_outputs * kTermLanes, 3);
    weights = {0.5, 0.25, 0.25};
    for (int lane = 0; lane < kTermLanes; ++lane) background[lane] = row[lane];  // one player changes no lane
  }

  Values explain(int n_threads) const {
    Values values(n_rows * n_players * n_outputs);
    const ProductGameView view{n_rows,     n_blocks,          n_background,        n_players, n_outputs,
                               row.data(), background.data(), coefficients.data(), 0,         weights.data()};
    product_game(view, exact_rules(n_players), values.data(), n_threads, {});
    return values;
  }

  double value(std::int64_t r, int output, std::uint32_t coalition) const {
    double sum = 0;
    for (std::int64_t block = 0; block < n_blocks; ++block)
      for (std::int64_t b = 0; b < n_background; ++b)
        for (int lane = 0; lane < kTermLanes; ++lane) {
          double product = weights[b] * coefficients[(block * n_outputs + output) * kTermLanes + lane];
          for (std::int32_t l = 0; l < n_players; ++l)
            product *= coalition >> l & 1 ? row[((r * n_blocks + block) * n_players + l) * kTermLanes + lane]
                                          : background[((block * n_background + b) * n_players + l) * kTermLanes + lane];
          sum += product;
        }
    return sum;
  }
};

Values explain_sigmoid(const Values& rows, const Values& background, const Values& margins, int n_players, int n_threads) {
  const auto n_rows = static_cast<std::int64_t>(rows.size()) / n_players;
  const auto n_background = static_cast<std::int64_t>(margins.size());
  const Values weights(margins.size(), 1.0 / static_cast<double>(n_background));
  Values values(rows.size());
  const SigmoidGameView view{n_rows, n_background, n_players, rows.data(), background.data(), margins.data(), weights.data()};
  sigmoid_game(view, midpoint_series(60), exact_rules(n_players), values.data(), n_threads, {});
  return values;
}

struct Sigmoids {
  int n_players;
  Values rows, background, margins;

  explicit Sigmoids(int players) : n_players(players), rows(random_values(2 * players, 4)) {
    background = random_values(40 * players, 5);
    for (int b = 0; b < 40; ++b) {
      double sum = 0.3;
      for (int l = 0; l < players; ++l) sum += background[b * players + l];
      margins.push_back(sum);
    }
    rows[1] = background[1];
  }
};

bool same_bits(const Values& a, const Values& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

std::uint64_t fnv(const Values& values) {
  std::uint64_t hash = 14695981039346656037u;
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  for (std::size_t i = 0; i < values.size() * sizeof(double); ++i) hash = (hash ^ bytes[i]) * 1099511628211u;
  return hash;
}

}  // namespace

TEST_CASE("product game equals enumeration") {
  for (int n_players : {1, 2, 5, 9}) {
    const Products game(n_players);
    const Values values = game.explain(1);
    for (std::int64_t row = 0; row < game.n_rows; ++row)
      for (int output = 0; output < game.n_outputs; ++output) {
        const Values expected = shapley(n_players, [&](std::uint32_t s) { return game.value(row, output, s); });
        for (int i = 0; i < n_players; ++i)
          REQUIRE(std::fabs(values[(row * n_players + i) * game.n_outputs + output] - expected[i]) < 1e-13);
      }
  }
}

TEST_CASE("sigmoid game equals enumeration") {
  for (int n_players : {1, 2, 8}) {
    const Sigmoids game(n_players);
    const Values values = explain_sigmoid(game.rows, game.background, game.margins, n_players, 1);
    for (int row = 0; row < 2; ++row) {
      const Values expected = shapley(n_players, [&](std::uint32_t s) {
        double sum = 0;
        for (int b = 0; b < 40; ++b) {
          double margin = game.margins[b];
          for (int l = 0; l < n_players; ++l)
            if (s >> l & 1) margin += game.rows[row * n_players + l] - game.background[b * n_players + l];
          sum += 1 / (1 + std::exp(-margin)) / 40;
        }
        return sum;
      });
      for (int i = 0; i < n_players; ++i) REQUIRE(std::fabs(values[row * n_players + i] - expected[i]) < 1e-14);
    }
  }
}

TEST_CASE("product and sigmoid games give the same bits for any number of threads") {
  const Products products(17);
  const Sigmoids sigmoids(17);
  const Values one = products.explain(1);
  const Values other = explain_sigmoid(sigmoids.rows, sigmoids.background, sigmoids.margins, 17, 1);
  for (int n_threads : {2, 3, 8}) {
    REQUIRE(same_bits(products.explain(n_threads), one));
    REQUIRE(same_bits(explain_sigmoid(sigmoids.rows, sigmoids.background, sigmoids.margins, 17, n_threads), other));
  }
}

TEST_CASE("digest of product games", "[digest]") {
  for (int n_players : {1, 3, 30}) {
    const Sigmoids sigmoids(n_players);
    const Values values = explain_sigmoid(sigmoids.rows, sigmoids.background, sigmoids.margins, n_players, 1);
    std::printf("digest of product game, %d players: %016llx %016llx\n", n_players,
                static_cast<unsigned long long>(fnv(Products(n_players).explain(1))),
                static_cast<unsigned long long>(fnv(values)));
  }
}

}  // namespace fastexplain
