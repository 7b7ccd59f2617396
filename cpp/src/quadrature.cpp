#include "fastexplain/quadrature.h"

#include <cmath>

namespace fastexplain {

Quadrature gauss_legendre(int n) {
  constexpr double kPi = 3.14159265358979323846;
  constexpr int kMaxSteps = 100;
  Quadrature rule{std::vector<double>(n), std::vector<double>(n)};
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

}  // namespace fastexplain
