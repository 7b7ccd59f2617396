// Gauss quadrature on [0, 1].
#pragma once

#include <vector>

namespace fastexplain {

struct Quadrature {
  std::vector<double> points;   // in (0, 1), rising
  std::vector<double> weights;  // sum to 1 with the next
  double weight_at_zero = 0;    // of the point 0, which is not among points
};

// The rule of n points, exact for polynomials of degree 2n - 1. Newton's method on the Legendre polynomial from Tricomi's
// starting values; points and weights are correct to a few units in the last place for n up to several hundred.
Quadrature gauss_legendre(int n);

// The Gauss-Radau rule of the point 0 and n more, exact for polynomials of degree 2n. As precise as the other.
Quadrature gauss_radau(int n);

}  // namespace fastexplain
