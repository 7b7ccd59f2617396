// Expansions, neighbours and pairwise coupling against their definitions, written out one coalition at a time.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "fastexplain/formulas/expansion.h"
#include "fastexplain/formulas/neighbors.h"

namespace fastexplain {
namespace {

struct Tables {
  std::int64_t n_players, n_terms, n_background, n_masks;
  std::vector<double> row, background;
  std::vector<std::uint8_t> masks;

  Tables(std::int64_t players, std::int64_t terms, std::int64_t backgrounds, std::int64_t coalitions, double low, double high)
      : n_players(players), n_terms(terms), n_background(backgrounds), n_masks(coalitions) {
    std::mt19937_64 random(7);
    std::uniform_real_distribution<double> number(low, high);
    row.resize(players * terms);
    background.resize(backgrounds * players * terms);
    masks.resize(coalitions * players);
    for (double& x : row) x = number(random);
    for (double& x : background) x = number(random);
    for (std::uint8_t& bit : masks) bit = random() % 2;
  }

  double number(std::int64_t b, std::int64_t m, std::int64_t i, std::int64_t t) const {
    return masks[m * n_players + i] ? row[i * n_terms + t] : background[(b * n_players + i) * n_terms + t];
  }
};

double term(const Tables& tables, TermKind kind, int degree, std::int64_t b, std::int64_t m, std::int64_t t) {
  double value = kind == TermKind::kProduct ? 1 : 0;
  for (std::int64_t i = 0; i < tables.n_players; ++i)
    value = kind == TermKind::kProduct ? value * tables.number(b, m, i, t) : value + tables.number(b, m, i, t);
  if (kind == TermKind::kRectified) return std::max(value, 0.0);
  if (kind == TermKind::kPower) return std::pow(value, degree);
  return kind == TermKind::kTanh ? std::tanh(value) : value;
}

TEST_CASE("an expansion is the sum of its terms, for any number of players and threads") {
  const int n_players = GENERATE(1, 3, 8, 17, 41);
  const auto kind = GENERATE(TermKind::kProduct, TermKind::kRectified, TermKind::kPower, TermKind::kTanh);
  const int degree = 3;
  const Tables tables(n_players, 2 * kTermPad, 3, 50, kind == TermKind::kProduct ? 0.5 : -1.0, 1.0);
  std::vector<double> coefficients(2 * tables.n_terms);
  for (std::size_t i = 0; i < coefficients.size(); ++i) coefficients[i] = std::sin(static_cast<double>(i));
  std::vector<double> out(tables.n_background * tables.n_masks * 2), again(out.size());
  ExpansionTask task{.kind = kind,
                     .degree = degree,
                     .row = tables.row.data(),
                     .background = tables.background.data(),
                     .coefficients = coefficients.data(),
                     .masks = tables.masks.data(),
                     .n_players = tables.n_players,
                     .n_terms = tables.n_terms,
                     .n_background = tables.n_background,
                     .n_masks = tables.n_masks,
                     .n_outputs = 2,
                     .out = out.data()};
  expand(task, 1);
  task.out = again.data();
  expand(task, 3);
  CHECK(out == again);
  double worst = 0, scale = 1e-300;
  for (std::int64_t b = 0; b < tables.n_background; ++b)
    for (std::int64_t m = 0; m < tables.n_masks; ++m)
      for (std::int64_t k = 0; k < 2; ++k) {
        double expected = 0;
        for (std::int64_t t = 0; t < tables.n_terms; ++t)
          expected += coefficients[k * tables.n_terms + t] * term(tables, kind, degree, b, m, t);
        worst = std::max(worst, std::abs(expected - out[(b * tables.n_masks + m) * 2 + k]));
        scale = std::max(scale, std::abs(expected));
      }
  CHECK(worst <= 1e-12 * scale);
}

TEST_CASE("neighbours are the nearest by sorting, also where some are at distance zero") {
  const bool by_distance = GENERATE(false, true);
  const int n_players = GENERATE(1, 9);
  Tables tables(n_players, 2 * kTrainPad, 2, 40, 0.0, 1.0);
  const std::int64_t n_train = tables.n_terms - 5, k = 4;
  const double infinity = std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < n_players; ++i) {
    for (std::int64_t t = n_train; t < tables.n_terms; ++t) {
      tables.row[i * tables.n_terms + t] = infinity;
      for (std::int64_t b = 0; b < 2; ++b) tables.background[(b * n_players + i) * tables.n_terms + t] = infinity;
    }
    tables.row[i * tables.n_terms + 70] = tables.background[i * tables.n_terms + 70] = 0;
  }
  std::vector<double> targets(tables.n_terms), out(2 * tables.n_masks);
  std::iota(targets.begin(), targets.end(), 1.0);
  const NeighborsTask task{.row = tables.row.data(),
                           .background = tables.background.data(),
                           .targets = targets.data(),
                           .masks = tables.masks.data(),
                           .n_players = tables.n_players,
                           .n_train = tables.n_terms,
                           .n_background = 2,
                           .n_masks = tables.n_masks,
                           .n_outputs = 1,
                           .n_neighbors = k,
                           .power = 2.0,
                           .by_distance = by_distance,
                           .out = out.data()};
  average_neighbors(task, 2);
  for (std::int64_t b = 0; b < 2; ++b)
    for (std::int64_t m = 0; m < tables.n_masks; ++m) {
      std::vector<std::pair<double, std::int64_t>> order;
      for (std::int64_t t = 0; t < n_train; ++t) {
        double distance = 0;
        for (std::int64_t i = 0; i < n_players; ++i) distance += tables.number(b, m, i, t);
        order.emplace_back(distance, t);
      }
      std::sort(order.begin(), order.end());
      double sum = 0, total = 0;
      for (std::int64_t i = 0; i < k; ++i) {
        double weight = by_distance ? 1 / std::sqrt(order[i].first) : 1;
        if (by_distance && order[0].first == 0) weight = order[i].first == 0 ? 1 : 0;
        sum += weight * targets[order[i].second];
        total += weight;
      }
      CHECK(out[b * tables.n_masks + m] == Approx(sum / total).epsilon(1e-12));
    }
}

TEST_CASE("coupled probabilities sum to one and are those of the pairs where the pairs agree") {
  // p_i / (p_i + p_j) for p = (0.5, 0.3, 0.2), as decisions of sigmoids 1 / (1 + exp(-f))
  const double p[] = {0.5, 0.3, 0.2};
  const double decisions[] = {std::log(p[0] / p[1]), std::log(p[0] / p[2]), std::log(p[1] / p[2])};
  const double slope[] = {-1, -1, -1}, shift[] = {0, 0, 0};
  double out[3];
  couple_probabilities({.decisions = decisions, .slope = slope, .shift = shift, .n_rows = 1, .n_classes = 3, .out = out}, 1);
  CHECK(out[0] + out[1] + out[2] == Approx(1).epsilon(1e-12));
  for (int i = 0; i < 3; ++i) CHECK(out[i] == Approx(p[i]).margin(0.005));  // libsvm stops there
  const double far[] = {-800.0};
  couple_probabilities({.decisions = far, .slope = slope, .shift = shift, .n_rows = 1, .n_classes = 2, .out = out}, 1);
  CHECK(out[0] >= 0);
  CHECK(out[0] < 1e-3);
}

}  // namespace
}  // namespace fastexplain
