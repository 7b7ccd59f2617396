// DeepLIFT's rescale rule (Shrikumar et al. 2017) through dense layers, all outputs in one backward pass.
//
// For a row x and a background row b, M (n_outputs, n_units) starts as the last layer's weights and goes down the layers:
// times the units' multipliers, times the weights (the chain rule of multipliers, their equation 3). At the features,
// phi_j = sum_b w_b (x_j - b_j) M_b,j. Background rows go through in blocks whose M stays in the L2 cache.
// Cost per row: n_background * n_outputs * sum of n_in * n_out over all layers but the last.
//
// Softmax is not elementwise. With z less its mean over the units (a linear step), log p_k = z_k - log S, S = sum_j e^z_j,
// is a chain of elementwise steps and sums, to which the rescale rule applies step by step, and p_k = exp(log p_k):
//   M_kj = r_k (delta_kj - q_j),  r_k = L(p_k(x), p_k(b)),  q_j = L(e^z_j(x), e^z_j(b)) / L(S(x), S(b)) + share,
// L(u, v) = (u - v) / (log u - log v) the logarithmic mean, and share spread evenly so that the q sum to 1 (that is what
// centring does). Exactly complete, unmoved by a constant added to all z, the logistic rule for two units; 0 <= r, q <= 1.
//
// Threads share rows; one row stays on one thread.
#include "fastexplain/deep/deep_lift.h"

#include <algorithm>
#include <cmath>

#include "isa/kernels.h"

namespace fastexplain {
namespace {

static_assert(DeepLift::kPad == kPanel);
constexpr std::int64_t kBlockBytes = 128 * 1024;  // of M, which is held twice: in and out of a product

std::int64_t padded(std::int64_t n) { return (n + kPanel - 1) / kPanel * kPanel; }

struct DenseLayer {
  std::int64_t n_in, n_out;
  std::int64_t offset;         // of its units among those of all layers
  std::vector<double> panels;  // of weight^T (n_out, n_in), for the product of MultiplyTask; empty for the last layer
  UnitRule rule;
};

// weight^T as [panel of n_in][n_out][kPanel], zeros beyond n_in.
std::vector<double> packed(const DenseLayerView& layer) {
  const std::int64_t n_panels = padded(layer.n_in) / kPanel;
  std::vector<double> panels(static_cast<std::size_t>(n_panels * layer.n_out * kPanel));
  for (std::int64_t in = 0; in < layer.n_in; ++in)
    for (std::int64_t out = 0; out < layer.n_out; ++out)
      panels[(in / kPanel * layer.n_out + out) * kPanel + in % kPanel] = layer.weight[in * layer.n_out + out];
  return panels;
}

// L(u, v) / max(u, v) of the logarithmic mean L, where gap = |log u - log v|.
double log_mean_share(double gap) { return gap == 0 ? 1.0 : -std::expm1(-gap) / gap; }

}  // namespace

class DeepLift::Impl {
 public:
  explicit Impl(const std::vector<DenseLayerView>& layers) : kernels_(active_kernels().dense) {
    for (const auto& layer : layers) {
      const bool last = &layer == &layers.back();
      layers_.push_back({layer.n_in, layer.n_out, stride_, last ? std::vector<double>() : packed(layer), layer.rule});
      stride_ += padded(layer.n_out);
      widest_ = std::max(widest_, padded(layer.n_in));
    }
    n_outputs_ = layers_.back().n_out;
    last_weights_.resize(static_cast<std::size_t>(n_outputs_ * padded(layers_.back().n_in)));
    for (std::int64_t k = 0; k < n_outputs_; ++k)
      for (std::int64_t i = 0; i < layers_.back().n_in; ++i)
        last_weights_[k * padded(layers_.back().n_in) + i] = layers.back().weight[i * n_outputs_ + k];
    block_ = std::max<std::int64_t>(1, kBlockBytes / (n_outputs_ * widest_ * std::int64_t{sizeof(double)}));
  }

  std::int64_t stride() const { return stride_; }
  std::int64_t n_features() const { return layers_.front().n_in; }
  std::int64_t n_outputs() const { return n_outputs_; }

  void explain(const ActivationsView& rows, const ActivationsView& background, const double* weights, double* values,
               int n_threads, const InterruptCheck& check) const {
    const std::int64_t block = std::min(block_, background.n_rows);
    std::vector<Scratch> scratch(static_cast<std::size_t>(n_threads));
    parallel_for(
        rows.n_rows, n_threads,
        [&](std::int64_t row, int worker) {
          Scratch& mine = scratch[worker];
          mine.reserve(*this, block);
          std::fill(mine.phi.begin(), mine.phi.end(), 0.0);
          for (std::int64_t begin = 0; begin < background.n_rows; begin += block) {
            checkpoint();
            const std::int64_t n = std::min(block, background.n_rows - begin);
            backward({rows, background, row, begin, n}, weights, mine);
          }
          write(mine, values + row * layers_[0].n_in * n_outputs_);
        },
        check);
  }

 private:
  // Memory of one thread, sized at its first row.
  struct Scratch {
    std::vector<double> now, next, multipliers, phi;

    void reserve(const Impl& impl, std::int64_t block) {
      if (!phi.empty()) return;
      const auto size = static_cast<std::size_t>(block * impl.n_outputs_ * impl.widest_);
      now.resize(size);
      next.resize(size);
      multipliers.resize(static_cast<std::size_t>(block * std::max(impl.widest_, padded(impl.n_outputs_)) + impl.widest_));
      phi.resize(static_cast<std::size_t>(impl.n_outputs_ * padded(impl.layers_[0].n_in)));
    }
  };

  // One row against a block of background rows.
  struct Pairs {
    const ActivationsView& rows;
    const ActivationsView& background;
    std::int64_t row, begin, n;
  };

  void rescale(const DenseLayer& layer, const Pairs& pairs, Scratch& scratch) const {
    const std::int64_t mine = pairs.row * stride_ + layer.offset, others = pairs.begin * stride_ + layer.offset;
    kernels_.rescale({pairs.rows.preactivations + mine, pairs.rows.values + mine, pairs.rows.slopes + mine,
                      pairs.rows.thresholds + mine, pairs.background.preactivations + others, pairs.background.values + others,
                      pairs.background.slopes + others, stride_, pairs.n, padded(layer.n_out),
                      layer.rule == UnitRule::kKinkAtZero, scratch.multipliers.data()});
  }

  // M of the last hidden units (or the features), from the last layer's weights and its own multipliers.
  void begin(const Pairs& pairs, Scratch& scratch) const {
    const DenseLayer& last = layers_.back();
    const std::int64_t width = padded(last.n_in);
    if (last.rule == UnitRule::kSoftmax) {
      for (std::int64_t b = 0; b < pairs.n; ++b) softmax(pairs, b, scratch);
      return;
    }
    const bool linear = last.rule == UnitRule::kIdentity;
    if (!linear) rescale(last, pairs, scratch);
    for (std::int64_t b = 0; b < pairs.n; ++b)
      for (std::int64_t k = 0; k < n_outputs_; ++k) {
        const double multiplier = linear ? 1.0 : scratch.multipliers[b * padded(n_outputs_) + k];
        double* out = scratch.now.data() + (b * n_outputs_ + k) * width;
        for (std::int64_t i = 0; i < width; ++i) out[i] = multiplier * last_weights_[k * width + i];
      }
  }

  void softmax(const Pairs& pairs, std::int64_t b, Scratch& scratch) const {
    const DenseLayer& last = layers_.back();
    const std::int64_t width = padded(last.n_in);
    const std::int64_t mine = pairs.row * stride_ + last.offset, other = (pairs.begin + b) * stride_ + last.offset;
    const double *z_x = pairs.rows.preactivations + mine, *z_b = pairs.background.preactivations + other;
    const double *log_x = pairs.rows.values + mine, *log_b = pairs.background.values + other;
    const double sum_x = z_x[0] - log_x[0], sum_b = z_b[0] - log_b[0];  // log S
    const double below = log_mean_share(std::abs(sum_x - sum_b)), top = std::max(sum_x, sum_b);
    double* q = scratch.multipliers.data();
    double* pooled = q + padded(n_outputs_);  // sum_j q_j W_j
    double rest = 1;
    for (std::int64_t j = 0; j < n_outputs_; ++j) {
      q[j] = std::exp(std::max(z_x[j], z_b[j]) - top) * log_mean_share(std::abs(z_x[j] - z_b[j])) / below;
      rest -= q[j];
    }
    std::fill(pooled, pooled + width, 0.0);
    for (std::int64_t j = 0; j < n_outputs_; ++j) {
      const double share = q[j] + rest / static_cast<double>(n_outputs_);
      for (std::int64_t i = 0; i < width; ++i) pooled[i] += share * last_weights_[j * width + i];
    }
    for (std::int64_t k = 0; k < n_outputs_; ++k) {
      const double r = std::exp(std::max(log_x[k], log_b[k])) * log_mean_share(std::abs(log_x[k] - log_b[k]));
      double* out = scratch.now.data() + (b * n_outputs_ + k) * width;
      for (std::int64_t i = 0; i < width; ++i) out[i] = r * (last_weights_[k * width + i] - pooled[i]);
    }
  }

  void backward(const Pairs& pairs, const double* weights, Scratch& scratch) const {
    begin(pairs, scratch);
    for (auto l = static_cast<std::int64_t>(layers_.size()) - 2; l >= 0; --l) {
      const DenseLayer& layer = layers_[l];
      const std::int64_t width = padded(layer.n_out);
      if (layer.rule != UnitRule::kIdentity) {
        rescale(layer, pairs, scratch);
        kernels_.scale({scratch.now.data(), width, pairs.n, n_outputs_, width, scratch.multipliers.data()});
      }
      kernels_.multiply({scratch.now.data(), width, pairs.n * n_outputs_, layer.n_out, layer.panels.data(),
                         padded(layer.n_in) / kPanel, scratch.next.data(), padded(layer.n_in)});
      std::swap(scratch.now, scratch.next);
    }
    const std::int64_t width = padded(layers_[0].n_in);
    kernels_.deposit({scratch.now.data(), width, pairs.n, n_outputs_, width, pairs.rows.features + pairs.row * width,
                      pairs.background.features + pairs.begin * width, weights + pairs.begin, scratch.phi.data()});
  }

  // (n_outputs, padded features) -> (n_features, n_outputs)
  void write(const Scratch& scratch, double* values) const {
    const std::int64_t n_features = layers_[0].n_in, width = padded(n_features);
    for (std::int64_t j = 0; j < n_features; ++j)
      for (std::int64_t k = 0; k < n_outputs_; ++k) values[j * n_outputs_ + k] = scratch.phi[k * width + j];
  }

  const DenseKernels& kernels_;
  std::vector<DenseLayer> layers_;
  std::vector<double> last_weights_;  // (n_outputs, padded n_in)
  std::int64_t n_outputs_ = 0, stride_ = 0, widest_ = 0, block_ = 1;
};

DeepLift::DeepLift(const std::vector<DenseLayerView>& layers) : impl_(std::make_unique<Impl>(layers)) {}
DeepLift::~DeepLift() = default;

std::int64_t DeepLift::stride() const { return impl_->stride(); }
std::int64_t DeepLift::n_features() const { return impl_->n_features(); }
std::int64_t DeepLift::n_outputs() const { return impl_->n_outputs(); }

void DeepLift::explain(const ActivationsView& rows, const ActivationsView& background, const double* weights, double* values,
                       int n_threads, const InterruptCheck& check) const {
  impl_->explain(rows, background, weights, values, n_threads, check);
}

}  // namespace fastexplain
