// Gauss-Legendre quadrature on [0, 1].
#pragma once

#include <vector>

namespace fastexplain {

struct Quadrature {
  std::vector<double> points;   // in (0, 1), rising
  std::vector<double> weights;  // sum to 1
};

// The rule of n points, exact for polynomials of degree 2n - 1. Newton's method on the Legendre polynomial from Tricomi's
// starting values; points and weights are correct to a few units in the last place for n up to several hundred.
Quadrature gauss_legendre(int n);

}  // namespace fastexplain
