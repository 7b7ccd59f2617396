#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "fastexplain/deep/deep_lift.h"
#include "fastexplain/random.h"

namespace fastexplain {
namespace {

// Sums of at most a few hundred products of order 1.
constexpr double kRounding = 1e-12;

using Matrix = std::vector<double>;

std::int64_t padded(std::int64_t n) { return (n + DeepLift::kPad - 1) / DeepLift::kPad * DeepLift::kPad; }

Matrix random_matrix(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  RandomStream stream(seed, 0, 0);
  Matrix out(static_cast<std::size_t>(rows * columns));
  for (double& value : out) value = 4.0 * stream.next() / 4294967296.0 - 2.0;
  return out;
}

// Rectifiers between the layers; the last layer as it is, or a softmax.
struct Net {
  std::vector<std::int64_t> widths;
  bool softmax;
  std::vector<Matrix> weights;

  Net(std::vector<std::int64_t> sizes, bool with_softmax) : widths(std::move(sizes)), softmax(with_softmax) {
    for (std::size_t l = 0; l + 1 < widths.size(); ++l) weights.push_back(random_matrix(widths[l], widths[l + 1], l + 1));
  }

  std::vector<DenseLayerView> views() const {
    std::vector<DenseLayerView> out;
    for (std::size_t l = 0; l < weights.size(); ++l) {
      const bool last = l + 1 == weights.size();
      const UnitRule rule = !last ? UnitRule::kKinkAtZero : softmax ? UnitRule::kSoftmax : UnitRule::kIdentity;
      out.push_back({weights[l].data(), widths[l], widths[l + 1], rule});
    }
    return out;
  }
};

struct Forward {
  Matrix z, values, slopes, thresholds, features, outputs;
  std::int64_t n_rows;

  ActivationsView view() const { return {z.data(), values.data(), slopes.data(), thresholds.data(), features.data(), n_rows}; }
};

Forward forward(const Net& net, const Matrix& x, std::int64_t n_rows, std::int64_t stride) {
  Forward out;
  out.n_rows = n_rows;
  for (Matrix* m : {&out.z, &out.values, &out.slopes, &out.thresholds}) m->resize(static_cast<std::size_t>(n_rows * stride));
  out.features.resize(static_cast<std::size_t>(n_rows * padded(net.widths[0])));
  for (std::int64_t r = 0; r < n_rows; ++r) {
    std::vector<double> at(x.begin() + r * net.widths[0], x.begin() + (r + 1) * net.widths[0]);
    std::copy(at.begin(), at.end(), out.features.begin() + r * padded(net.widths[0]));
    std::int64_t offset = r * stride;
    for (std::size_t l = 0; l < net.weights.size(); ++l) {
      const bool last = l + 1 == net.weights.size();
      std::vector<double> next(static_cast<std::size_t>(net.widths[l + 1]));
      double mean = 0;
      for (std::size_t j = 0; j < next.size(); ++j) {
        for (std::size_t i = 0; i < at.size(); ++i) next[j] += at[i] * net.weights[l][i * next.size() + j];
        mean += next[j] / static_cast<double>(next.size());
      }
      double sum = 0;
      for (double z : next) sum += std::exp(z - mean);
      for (std::size_t j = 0; j < next.size(); ++j) {
        const auto u = static_cast<std::size_t>(offset) + j;
        const bool is_softmax = last && net.softmax;
        out.z[u] = is_softmax ? next[j] - mean : next[j];
        next[j] = is_softmax ? next[j] - mean - std::log(sum) : last ? next[j] : std::max(next[j], 0.0);
        out.values[u] = next[j];
        out.slopes[u] = last ? 1.0 : next[j] > 0 ? 1.0 : 0.0;
        out.thresholds[u] = 1e-6;
        if (is_softmax) next[j] = std::exp(next[j]);
      }
      offset += padded(static_cast<std::int64_t>(next.size()));
      at = next;
    }
    out.outputs.insert(out.outputs.end(), at.begin(), at.end());
  }
  return out;
}

struct Case {
  Net net;
  std::int64_t n_rows, n_background;
};

std::vector<Case> cases() {
  return {{{{3, 2}, false}, 2, 3},        {{{5, 9, 3}, false}, 4, 7},
          {{{5, 17, 8, 4}, true}, 5, 30}, {{{2, 300, 5}, true}, 2, 40},  // background rows in several blocks
          {{{4, 6, 40}, false}, 3, 2},    {{{1, 1, 1}, false}, 1, 1}};
}

Matrix explain(const Case& c, const Forward& rows, const Forward& background, const Matrix& weights, int n_threads) {
  Matrix values(static_cast<std::size_t>(c.n_rows * c.net.widths.front() * c.net.widths.back()), -1.0);
  DeepLift(c.net.views()).explain(rows.view(), background.view(), weights.data(), values.data(), n_threads);
  return values;
}

TEST_CASE("DeepLIFT: values sum to the change of the output, and threads do not change their bits") {
  for (const Case& c : cases()) {
    const std::int64_t stride = DeepLift(c.net.views()).stride(), n_features = c.net.widths.front(),
                       n_outputs = c.net.widths.back();
    CAPTURE(n_features, n_outputs, c.n_background);
    const Forward rows = forward(c.net, random_matrix(c.n_rows, n_features, 11), c.n_rows, stride);
    const Forward background = forward(c.net, random_matrix(c.n_background, n_features, 12), c.n_background, stride);
    Matrix weights(static_cast<std::size_t>(c.n_background));
    for (std::size_t b = 0; b < weights.size(); ++b) weights[b] = 2.0 * (1.0 + b) / (weights.size() * (weights.size() + 1.0));
    const Matrix values = explain(c, rows, background, weights, 1);
    for (std::int64_t r = 0; r < c.n_rows; ++r)
      for (std::int64_t k = 0; k < n_outputs; ++k) {
        double gap = rows.outputs[r * n_outputs + k];
        for (std::int64_t b = 0; b < c.n_background; ++b) gap -= weights[b] * background.outputs[b * n_outputs + k];
        for (std::int64_t j = 0; j < n_features; ++j) gap -= values[(r * n_features + j) * n_outputs + k];
        CHECK(std::abs(gap) < kRounding * 100);
      }
    CHECK(explain(c, rows, background, weights, 3) == values);
  }
}

TEST_CASE("DeepLIFT: one rectifier by hand") {
  // relu(x0 + x1) from (-1, -1) to (1, 1): the unit goes from 0 to 2 as its input goes from -2 to 2, multiplier 1/2
  Net net({2, 1, 1}, false);
  net.weights[0] = {1.0, 1.0};
  net.weights[1] = {1.0};
  const std::int64_t stride = DeepLift(net.views()).stride();
  const Case c{net, 1, 1};
  const Matrix values = explain(c, forward(net, {1, 1}, 1, stride), forward(net, {-1, -1}, 1, stride), {1.0}, 1);
  CHECK(values == Matrix{1.0, 1.0});
}

TEST_CASE("DeepLIFT: nearly equal pre-activations take the mean slope, across the kink the quotient") {
  Net net({1, 1, 1}, false);
  net.weights[0] = net.weights[1] = {1.0};
  const std::int64_t stride = DeepLift(net.views()).stride();
  const Case c{net, 1, 1};
  CHECK(explain(c, forward(net, {2.0}, 1, stride), forward(net, {2.0 - 1e-9}, 1, stride), {1.0}, 1)[0] == 2.0 - (2.0 - 1e-9));
  CHECK(explain(c, forward(net, {3e-9}, 1, stride), forward(net, {-1e-9}, 1, stride), {1.0}, 1)[0] == Approx(3e-9));
  CHECK(explain(c, forward(net, {-2.0}, 1, stride), forward(net, {-2.0}, 1, stride), {1.0}, 1)[0] == 0.0);
}

}  // namespace
}  // namespace fastexplain
