#include "fastexplain/quadrature.h"

#include <cmath>

namespace fastexplain {

Quadrature gauss_legendre(int n) {
  constexpr double kPi = 3.14159265358979323846;
  constexpr int kMaxSteps = 100;
  Quadrature rule{std::vector<double>(n), std::vector<double>(n), 0.0};
  for (int i = 0; i < (n + 1) / 2; ++i) {
    long double z = std::cos(kPi * (i + 0.75) / (n + 0.5));
    long double slope = 1;
    for (int step = 0; step < kMaxSteps; ++step) {
      long double p = 1, previous = 0;  // P_k(z) and P_{k-1}(z) by Bonnet's recursion
      for (int k = 0; k < n; ++k) {
        const long double next = ((2 * k + 1) * z * p - k * previous) / (k + 1);
        previous = p;
        p = next;
      }
      slope = n * (z * p - previous) / (z * z - 1);
      const long double change = p / slope;
      z -= change;
      if (std::fabs(change) < 1e-18L) break;
    }
    // [-1, 1] -> [0, 1] halves the weight 2 / ((1 - z^2) P'(z)^2); roots come in pairs +-z.
    const auto weight = static_cast<double>(1 / ((1 - z * z) * slope * slope));
    rule.points[i] = static_cast<double>((1 - z) / 2);
    rule.points[n - 1 - i] = static_cast<double>((1 + z) / 2);
    rule.weights[i] = rule.weights[n - 1 - i] = weight;
  }
  return rule;
}

Quadrature gauss_radau(int n) {
  constexpr double kPi = 3.14159265358979323846;
  constexpr int kMaxSteps = 100;
  Quadrature rule{std::vector<double>(n), std::vector<double>(n), 1.0 / ((n + 1.0) * (n + 1.0))};
  std::vector<long double> roots;
  for (int i = 0; i < n; ++i) {
    long double z = -std::cos(kPi * (i + 1.25) / (n + 1));
    long double p = 1;  // P_n(z)
    for (int step = 0; step < kMaxSteps; ++step) {
      long double before = 0, next = z;  // P_{n-1}(z), P_{n+1}(z) by Bonnet's recursion
      p = 1;
      for (int k = 1; k <= n; ++k) {
        before = p;
        p = next;
        next = ((2 * k + 1) * z * p - k * before) / (k + 1);
      }
      // Newton's step for P_n + P_{n+1}, of whose roots those known already, and -1, are divided out.
      const long double slope = n * (z * p - before) / (z * z - 1) + (n + 1) * (z * next - p) / (z * z - 1);
      long double rate = slope / (p + next) - 1 / (z + 1);
      for (const long double root : roots) rate -= 1 / (z - root);
      const long double change = p + next == 0 ? 0 : 1 / rate;
      z -= change;
      if (std::fabs(change) < 1e-18L) break;
    }
    roots.push_back(z);
    // [-1, 1] -> [0, 1] halves the weight (1 - z) / ((n + 1) P_n(z))^2.
    rule.points[i] = static_cast<double>((1 + z) / 2);
    rule.weights[i] = static_cast<double>((1 - z) / (2 * (n + 1) * (n + 1) * p * p));
  }
  return rule;
}

}  // namespace fastexplain
