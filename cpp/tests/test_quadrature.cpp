#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <vector>

#include "fastexplain/quadrature.h"

namespace fastexplain {
namespace {

// Sums of a few hundred terms of order 1 / n, each right to a few units in the last place.
constexpr double kRounding = 2e-15;

std::vector<int> sizes() {
  std::vector<int> sizes(16);
  std::iota(sizes.begin(), sizes.end(), 1);
  sizes.insert(sizes.end(), {64, 200});
  return sizes;
}

double integrate_power(const Quadrature& rule, int power) {
  double sum = power == 0 ? rule.weight_at_zero : 0;
  for (std::size_t i = 0; i < rule.points.size(); ++i) sum += rule.weights[i] * std::pow(rule.points[i], power);
  return sum;
}

// Integral over [0, 1] of the Legendre polynomial shifted there: 0 beyond degree 0.
double integrate_legendre(const Quadrature& rule, int degree) {
  double sum = degree % 2 == 0 ? rule.weight_at_zero : -rule.weight_at_zero;
  for (std::size_t i = 0; i < rule.points.size(); ++i)
    sum += rule.weights[i] * std::legendre(static_cast<unsigned>(degree), 2 * rule.points[i] - 1);
  return sum;
}

TEST_CASE("n points integrate powers up to degree 2n - 1") {
  for (const int n : sizes()) {
    const auto rule = gauss_legendre(n);
    for (int power = 0; power < 2 * n; ++power) {
      CAPTURE(n, power);
      CHECK(std::abs(integrate_power(rule, power) - 1.0 / (power + 1)) < kRounding);
    }
  }
}

// Powers of high degree vanish inside (0, 1) and would forgive much; Legendre polynomials do not.
TEST_CASE("n points integrate Legendre polynomials up to degree 2n - 1") {
  for (const int n : sizes()) {
    const auto rule = gauss_legendre(n);
    for (int degree = 1; degree < 2 * n; ++degree) {
      CAPTURE(n, degree);
      CHECK(std::abs(integrate_legendre(rule, degree)) < 10 * kRounding);
    }
    CHECK(std::abs(integrate_legendre(rule, 2 * n)) > 1e-3);  // and no further
  }
}

TEST_CASE("weights are positive and sum to 1") {
  for (const int n : sizes()) {
    const auto rule = gauss_legendre(n);
    CAPTURE(n);
    REQUIRE(rule.weights.size() == static_cast<std::size_t>(n));
    CHECK(std::abs(std::accumulate(rule.weights.begin(), rule.weights.end(), 0.0) - 1) < kRounding);
    for (const double weight : rule.weights) CHECK(weight > 0);
  }
}

TEST_CASE("points rise inside (0, 1)") {
  for (const int n : sizes()) {
    const auto rule = gauss_legendre(n);
    CAPTURE(n);
    REQUIRE(rule.points.size() == static_cast<std::size_t>(n));
    double previous = 0;
    for (const double point : rule.points) {
      CHECK(point > previous);
      previous = point;
    }
    CHECK(previous < 1);
  }
}

TEST_CASE("rules are symmetric about one half") {
  for (const int n : sizes()) {
    const auto rule = gauss_legendre(n);
    CAPTURE(n);
    for (int i = 0; i < n; ++i) {
      CHECK(std::abs(rule.points[i] + rule.points[n - 1 - i] - 1) <= 2.3e-16);  // one unit in the last place of 1
      CHECK(rule.weights[i] == rule.weights[n - 1 - i]);
    }
  }
}

TEST_CASE("the point 0 and n more integrate powers up to degree 2n") {
  for (const int n : sizes()) {
    const auto rule = gauss_radau(n);
    for (int power = 0; power <= 2 * n; ++power) {
      CAPTURE(n, power);
      CHECK(std::abs(integrate_power(rule, power) - 1.0 / (power + 1)) < kRounding);
    }
  }
}

TEST_CASE("the point 0 and n more integrate Legendre polynomials up to degree 2n") {
  for (const int n : sizes()) {
    const auto rule = gauss_radau(n);
    for (int degree = 1; degree <= 2 * n; ++degree) {
      CAPTURE(n, degree);
      CHECK(std::abs(integrate_legendre(rule, degree)) < 10 * kRounding);
    }
    CHECK(std::abs(integrate_legendre(rule, 2 * n + 1)) > 1e-5);
  }
}

TEST_CASE("points beside 0 rise inside (0, 1) and have positive weights") {
  for (const int n : sizes()) {
    const auto rule = gauss_radau(n);
    CAPTURE(n);
    REQUIRE(rule.points.size() == static_cast<std::size_t>(n));
    REQUIRE(rule.weights.size() == static_cast<std::size_t>(n));
    CHECK(rule.weight_at_zero == Approx(1.0 / (n + 1) / (n + 1)).epsilon(1e-15));
    double previous = 0;
    for (int i = 0; i < n; ++i) {
      CHECK(rule.points[i] > previous);
      CHECK(rule.weights[i] > 0);
      previous = rule.points[i];
    }
    CHECK(previous < 1);
  }
}

}  // namespace
}  // namespace fastexplain
