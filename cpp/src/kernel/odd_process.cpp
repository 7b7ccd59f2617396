// A bordered matrix [[A, B], [B^T, 0]], with the covariance A of the observations and columns B = [H, ...], H = signs / 2 being
// the linear part's: eliminating A's rows leaves -B^T A^-1 B in the corner. Eliminating H's rows of its negative leaves what
// generalised least squares leaves. All that is asked for is read off these two.

#include "fastexplain/kernel/odd_process.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "aligned_buffer.h"
#include "fastexplain/kernel/odd_gp.h"
#include "isa/kernels.h"

namespace fastexplain {
namespace {

constexpr int kByte = 8;  // players whose signs are one byte of a coalition
// Where rounding leaves no factor, the diagonal grows by such steps; numbers too large to be squared have none at all.
constexpr double kRetry = 100.0;
constexpr int kTries = 20;

// A symmetric matrix as `eliminate` takes it.
class Matrix {
 public:
  explicit Matrix(std::int64_t n) : n_(n), stride_((n + kOctet - 1) / kOctet * kOctet), data_(size()) {
    std::fill_n(data_.get(), size(), 0.0);
  }
  double* row(std::int64_t i) { return data_.get() + i * stride_; }
  const double* row(std::int64_t i) const { return data_.get() + i * stride_; }
  double& at(std::int64_t i, std::int64_t j) { return row(i)[j]; }
  double at(std::int64_t i, std::int64_t j) const { return row(i)[j]; }
  bool eliminate(std::int64_t n_pivots) {
    return active_kernels().elimination.eliminate({.matrix = data_.get(), .stride = stride_, .n = n_, .n_pivots = n_pivots});
  }
  // Of another matrix of this size, what is above the diagonal or beside it.
  void copy(const Matrix& other) {
    for (std::int64_t i = 0; i < n_; ++i) {
      const std::int64_t first = i / kOctet * kOctet;
      std::copy_n(other.row(i) + first, stride_ - first, row(i) + first);
    }
  }

 private:
  std::size_t size() const { return static_cast<std::size_t>(n_ * stride_); }
  std::int64_t n_, stride_;
  AlignedBuffer<double> data_;
};

// Coalitions as bytes, so that two of them differ in the players whose bits their exclusive or has.
class Bytes {
 public:
  explicit Bytes(const OddData& data)
      : n_bytes_((data.n_players + kByte - 1) / kByte), bytes_(static_cast<std::size_t>(data.n_points * n_bytes_), 0) {
    for (std::int64_t p = 0; p < data.n_points; ++p)
      for (std::int64_t j = 0; j < data.n_players; ++j)
        if (data.signs[p * data.n_players + j] > 0)
          bytes_[static_cast<std::size_t>(p * n_bytes_ + j / kByte)] |= static_cast<std::uint8_t>(1 << (j % kByte));
  }
  std::int64_t per_coalition() const { return n_bytes_; }
  const std::uint8_t* of(std::int64_t p) const { return bytes_.data() + p * n_bytes_; }

 private:
  std::int64_t n_bytes_;
  std::vector<std::uint8_t> bytes_;
};

// Covariances of coalitions: (P - Q) / 2 - L, with P = prod (1 + rho s t), Q = prod (1 - rho s t) and L = sum rho s t, each by
// tables over the bytes in which two coalitions differ.
class Covariance {
 public:
  Covariance(const OddPrior& prior, std::int64_t n_players) : scale_(prior.scale) {
    for (std::int64_t first = 0; first < n_players; first += kByte) {
      tables_.resize(tables_.size() + kEntries, Part{1.0, 1.0, 0.0, 0.0});
      Part* table = tables_.data() + tables_.size() - kEntries;
      for (std::int64_t j = first; j < std::min(n_players, first + kByte); ++j) {
        const double rho = prior.rho[j];
        const int half = 1 << (j - first);
        for (int s = 0; s < half; ++s) {
          table[s + half] = {table[s].up * (1 - rho), table[s].down * (1 + rho), table[s].sum - rho, 0.0};
          table[s] = {table[s].up * (1 + rho), table[s].down * (1 - rho), table[s].sum + rho, 0.0};
        }
      }
    }
  }

  // Of coalition i with those from `begin` to `end`.
  void row(const Bytes& bytes, std::int64_t i, std::int64_t begin, std::int64_t end, double* out) const {
    const std::int64_t n_bytes = bytes.per_coalition();
    if (n_bytes == 1) return row_of<1>(bytes, i, begin, end, out);
    if (n_bytes == 2) return row_of<2>(bytes, i, begin, end, out);
    row_of<0>(bytes, i, begin, end, out);
  }

 private:
  static constexpr std::size_t kEntries = 1 << kByte;
  struct Part {
    double up, down, sum, unused;  // 32 bytes: one line of the cache holds two
  };

  // kBytes: of a coalition; 0: as many as it has.
  template <int kBytes>
  void row_of(const Bytes& bytes, std::int64_t i, std::int64_t begin, std::int64_t end, double* out) const {
    const std::int64_t n_bytes = kBytes ? kBytes : bytes.per_coalition();
    const std::uint8_t* own = bytes.of(i);
    for (std::int64_t j = begin; j < end; ++j) {
      const std::uint8_t* other = bytes.of(j);
      double up = 1.0, down = 1.0, sum = 0.0;
      for (std::int64_t b = 0; b < n_bytes; ++b) {
        const Part& part = tables_[static_cast<std::size_t>(b << kByte | (own[b] ^ other[b]))];
        up *= part.up;
        down *= part.down;
        sum += part.sum;
      }
      out[j] = scale_ * ((up - down) / 2 - sum);
    }
  }

  std::vector<Part> tables_;
  double scale_;
};

// The upper triangle of the covariance, and from column n_points on the borders [signs / 2, `middle` zeros, left].
void fill(const OddData& data, const OddPrior& prior, std::int64_t middle, Matrix& matrix) {
  const Bytes bytes(data);
  const Covariance covariance(prior, data.n_players);
  const std::int64_t m = data.n_points, n = data.n_players;
  for (std::int64_t i = 0; i < m; ++i) {
    double* row = matrix.row(i);
    covariance.row(bytes, i, i, m, row);
    for (std::int64_t j = 0; j < n; ++j) row[m + j] = data.signs[i * n + j] / 2;
    std::copy_n(data.left + i * data.n_games, data.n_games, row + m + n + middle);
  }
}

// Eliminates the observations of a copy of `filled`; rounding may call for a little more on the diagonal.
bool eliminate_observations(const Matrix& filled, const OddData& data, const OddPrior& prior, double nugget, Matrix& matrix) {
  const std::int64_t m = data.n_points;
  double jitter = prior.full_noise;
  for (int attempt = 0; attempt < kTries; ++attempt, jitter *= kRetry) {
    matrix.copy(filled);
    for (std::int64_t i = 0; i < m; ++i) matrix.at(i, i) += (i + 1 < m ? nugget : prior.full_noise) + jitter;
    if (matrix.eliminate(m)) return true;
  }
  return false;
}

double sum_of_log_diagonal(const Matrix& matrix, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += std::log(matrix.at(i, i));
  return sum;
}

// The linear part's normal matrix; a ridge where rounding leaves it no factor.
bool eliminate_linear(Matrix& normal, const Matrix& filled, std::int64_t n) {
  double ridge = 0.0;
  for (int attempt = 0; attempt < kTries; ++attempt, ridge = std::max(ridge * kRetry, 1e-14)) {
    normal.copy(filled);
    for (std::int64_t i = 0; i < n; ++i) normal.at(i, i) *= 1 + ridge;
    if (normal.eliminate(n)) return true;
  }
  return false;
}

[[noreturn]] void throw_no_factor() {
  throw std::domain_error("the covariance of the coalitions has no Cholesky factor; expected finite numbers of moderate size");
}

// Restricted likelihoods, up to a constant (Harville 1977).
class Likelihood {
 public:
  Likelihood(const OddData& data, double full_noise)
      : data_(data),
        full_noise_(full_noise),
        n_border_(data.n_players + data.n_games),
        filled_(data.n_points + n_border_),
        matrix_(data.n_points + n_border_),
        corner_(n_border_),
        normal_(n_border_) {}

  void set_strengths(const std::vector<double>& rho) {
    prior_ = {.rho = rho.data(), .scale = 1.0 / variance_of(rho), .full_noise = full_noise_};
    fill(data_, prior_, 0, filled_);
  }

  // Of the strengths set last.
  double operator()(double nugget) {
    const std::int64_t m = data_.n_points, n = data_.n_players;
    constexpr double kNone = -std::numeric_limits<double>::infinity();
    if (!eliminate_observations(filled_, data_, prior_, nugget, matrix_)) return kNone;
    for (std::int64_t i = 0; i < n_border_; ++i)
      for (std::int64_t j = i; j < n_border_; ++j) corner_.at(i, j) = -matrix_.at(m + i, m + j);
    if (!eliminate_linear(normal_, corner_, n)) return kNone;
    double logs = 0;
    for (std::int64_t g = 0; g < data_.n_games; ++g) logs += std::log(std::max(normal_.at(n + g, n + g), 1e-300));
    const double mean = logs / static_cast<double>(std::max<std::int64_t>(1, data_.n_games));
    const double found =
        -0.5 * static_cast<double>(m - n) * mean - sum_of_log_diagonal(matrix_, m) - sum_of_log_diagonal(normal_, n);
    return std::isnan(found) ? kNone : found;
  }

 private:
  // k(s, s), the same for every s.
  static double variance_of(const std::vector<double>& rho) {
    double up = 0, down = 0, sum = 0;
    for (const double strength : rho) {
      up += std::log1p(strength);
      down += std::log1p(-strength);
      sum += strength;
    }
    return (std::exp(up) - std::exp(down)) / 2 - sum;
  }

  const OddData& data_;
  double full_noise_;
  std::int64_t n_border_;
  OddPrior prior_;
  Matrix filled_, matrix_, corner_, normal_;
};

class Search {
 public:
  explicit Search(const OddTuneTask& task)
      : task_(task),
        likelihood_(task.data, task.full_noise),
        known_(static_cast<std::size_t>(task.n_strengths * task.n_nuggets)) {}

  // All powers.
  OddPlace over_powers() {
    const std::vector<double> alike(static_cast<std::size_t>(task_.data.n_players), 1.0);
    best_sum_ = sum_of(strengths(alike, task_.strengths[2]));
    for (std::int64_t power = 0; power < task_.n_powers; ++power) climb(power);
    return best_;
  }

  // From one place to the nearest that no neighbour is likelier than.
  OddPlace from(const OddPlace& start) {
    set_power(start.power);
    OddPlace at = start;
    const auto moves_to = [&](std::int64_t strength, std::int64_t nugget) {
      const bool inside = strength >= 0 && strength < task_.n_strengths && nugget >= 0 && nugget < task_.n_nuggets;
      if (!inside || look(strength, nugget) <= look(at.strength, at.nugget)) return false;
      at.strength = strength;
      at.nugget = nugget;
      return true;
    };
    while (moves_to(at.strength + 1, at.nugget) || moves_to(at.strength - 1, at.nugget) ||
           moves_to(at.strength, at.nugget + 1) || moves_to(at.strength, at.nugget - 1)) {
    }
    return at;
  }

 private:
  static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

  void climb(std::int64_t power) {
    set_power(power);
    const std::int64_t start = nearest_to_best();
    for (std::int64_t k = 0; k < task_.n_nuggets; ++k) look(start, k);
    std::int64_t nugget = best_nugget(start), at = start;
    for (const int step : {1, -1})
      while (at + step >= 0 && at + step < task_.n_strengths && look(at + step, nugget) > look(at, nugget)) at += step;
    if (at != start)
      for (const std::int64_t beside : {nugget - 1, nugget + 1})
        if (beside >= 0 && beside < task_.n_nuggets) look(at, beside);
    nugget = best_nugget(at);
    if (look(at, nugget) <= highest_) return;
    highest_ = look(at, nugget);
    best_ = {.power = power, .strength = at, .nugget = nugget};
    best_sum_ = sum_of(candidates_[static_cast<std::size_t>(at)]);
  }

  void set_power(std::int64_t power) {
    std::vector<double> relevance(task_.relevance, task_.relevance + task_.data.n_players);
    for (double& of_player : relevance) of_player = std::pow(of_player, task_.powers[power]);
    candidates_.clear();
    for (std::int64_t s = 0; s < task_.n_strengths; ++s) candidates_.push_back(strengths(relevance, task_.strengths[s]));
    std::fill(known_.begin(), known_.end(), kUnknown);
    set_ = -1;
  }

  std::vector<double> strengths(std::vector<double> relevance, double strength) const {
    const double factor = strength * std::min(1.0, task_.most_players / sum_of(relevance));
    for (double& of_player : relevance) of_player *= factor;
    return relevance;
  }

  static double sum_of(const std::vector<double>& numbers) {
    double sum = 0;
    for (const double number : numbers) sum += number;
    return sum;
  }

  std::int64_t nearest_to_best() const {
    std::size_t nearest = 0;
    const auto distance = [&](std::size_t s) { return std::abs(sum_of(candidates_[s]) - best_sum_); };
    for (std::size_t s = 1; s < candidates_.size(); ++s)
      if (distance(s) < distance(nearest)) nearest = s;
    return static_cast<std::int64_t>(nearest);
  }

  // The likelihood of a candidate, computed when it is asked for first.
  double look(std::int64_t s, std::int64_t nugget) {
    double& found = known_[static_cast<std::size_t>(s * task_.n_nuggets + nugget)];
    if (!std::isnan(found)) return found;
    if (s != set_) {
      likelihood_.set_strengths(candidates_[static_cast<std::size_t>(s)]);
      set_ = s;
    }
    return found = likelihood_(task_.nuggets[nugget]);
  }

  // The first of the best nuggets that have been looked at.
  std::int64_t best_nugget(std::int64_t s) const {
    std::int64_t best = -1;
    const auto at = [&](std::int64_t k) { return known_[static_cast<std::size_t>(s * task_.n_nuggets + k)]; };
    for (std::int64_t k = 0; k < task_.n_nuggets; ++k)
      if (!std::isnan(at(k)) && (best < 0 || at(k) > at(best))) best = k;
    return best;
  }

  const OddTuneTask& task_;
  Likelihood likelihood_;
  double highest_ = -std::numeric_limits<double>::infinity();
  OddPlace best_{.power = 0, .strength = 2, .nugget = 1};
  double best_sum_ = 0.0;                        // of the strengths there
  std::vector<std::vector<double>> candidates_;  // of the power at hand, by strength
  std::vector<double> known_;                    // (n_strengths, n_nuggets)
  std::int64_t set_ = -1;                        // the candidate that the likelihood has
};

}  // namespace

OddPlace odd_tune(const OddTuneTask& task) {
  Search search(task);
  return task.start == nullptr ? search.over_powers() : search.from(*task.start);
}

namespace {

// Prior variance of each player's value: 4 sum over odd sets T of three or more that hold it of prod rho / |T|^2, as a double
// integral over the quadrature rule.
std::vector<double> prior_variance(const OddFitTask& task) {
  const std::int64_t n = task.data.n_players;
  const double* rho = task.prior.rho;
  std::vector<double> mean(static_cast<std::size_t>(n), 0.0);
  for (std::int64_t a = 0; a < task.n_quadrature; ++a)
    for (std::int64_t b = 0; b < task.n_quadrature; ++b) {
      const double uv = task.points[a] * task.points[b], weight = task.weights[a] * task.weights[b];
      double up = 1, down = 1;
      for (std::int64_t j = 0; j < n; ++j) {
        up *= 1 + uv * rho[j];
        down *= 1 - uv * rho[j];
      }
      for (std::int64_t j = 0; j < n; ++j) {
        const double step = uv * rho[j];
        mean[static_cast<std::size_t>(j)] += weight * (up * (1 - step) + down * (1 + step)) / (1 - step * step);
      }
    }
  for (std::int64_t j = 0; j < n; ++j) {
    double& of_player = mean[static_cast<std::size_t>(j)];
    of_player = 4 * rho[j] * (of_player / 2 - 1) * task.prior.scale;
  }
  return mean;
}

// The fit's columns after the observations: H (n), C (n: covariances of values and observations), then the games.
void fill_for_fit(const OddFitTask& task, Matrix& filled) {
  const OddData& data = task.data;
  const std::int64_t m = data.n_points, n = data.n_players;
  fill(data, task.prior, n, filled);
  std::vector<double> cross(static_cast<std::size_t>(m * n));
  odd_cross_covariance({.signs = data.signs,
                        .rho = task.prior.rho,
                        .n_pairs = m,
                        .n_players = n,
                        .points = task.points,
                        .weights = task.weights,
                        .n_points = task.n_quadrature,
                        .scale = task.prior.scale,
                        .cross = cross.data()},
                       1);
  for (std::int64_t i = 0; i < m; ++i) std::copy_n(cross.data() + i * n, n, filled.row(i) + m + n);
}

// Of the corner G = B^T A^-1 B: [[N, D, b], [., 0, CY], [., ., YY]] with N = G_HH, D = I - G_HC, b = G_HY. Eliminating N leaves
// -D^T N^-1 D, CY - D^T N^-1 b and YY - b^T N^-1 b. What it leaves in N's own rows gives the linear part.
Matrix normal_of(const Matrix& eliminated, std::int64_t m, std::int64_t n, std::int64_t n_games) {
  const std::int64_t n_border = 2 * n + n_games;
  Matrix filled(n_border), normal(n_border);
  for (std::int64_t i = 0; i < n_border; ++i)
    for (std::int64_t j = i; j < n_border; ++j) filled.at(i, j) = -eliminated.at(m + i, m + j);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      filled.at(i, n + j) = (i == j ? 1.0 : 0.0) - filled.at(i, n + j);
      if (j >= i) filled.at(n + i, n + j) = 0.0;
    }
  if (!eliminate_linear(normal, filled, n)) throw_no_factor();
  return normal;
}

// Solves U beta = c for each game, U being the first n rows of a factor and c its columns from `first` on.
std::vector<double> solved_upper(const Matrix& factor, std::int64_t n, std::int64_t first, std::int64_t n_games,
                                 const std::vector<double>* right) {
  std::vector<double> x(static_cast<std::size_t>(n * n_games));
  for (std::int64_t k = n - 1; k >= 0; --k) {
    const double* row = factor.row(k);
    double* of_row = x.data() + k * n_games;
    for (std::int64_t g = 0; g < n_games; ++g)
      of_row[g] = right ? (*right)[static_cast<std::size_t>(k * n_games + g)] : row[first + g];
    for (std::int64_t j = k + 1; j < n; ++j)
      for (std::int64_t g = 0; g < n_games; ++g) of_row[g] -= row[j] * x[static_cast<std::size_t>(j * n_games + g)];
    for (std::int64_t g = 0; g < n_games; ++g) of_row[g] /= row[k];
  }
  return x;
}

// (noise + nugget) A^-1 (left - H beta), A^-1 by the factor in `eliminated`, whose borders are whitened already.
void write_residual(const OddFitTask& task, const Matrix& eliminated, const Matrix& normal) {
  const std::int64_t m = task.data.n_points, n = task.data.n_players, n_games = task.data.n_games;
  const std::vector<double> beta = solved_upper(normal, n, 2 * n, n_games, nullptr);
  std::vector<double> white(static_cast<std::size_t>(m * n_games));
  for (std::int64_t k = 0; k < m; ++k) {
    const double* row = eliminated.row(k) + m;
    double* of_row = white.data() + k * n_games;
    std::copy_n(row + 2 * n, n_games, of_row);
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t g = 0; g < n_games; ++g) of_row[g] -= row[j] * beta[static_cast<std::size_t>(j * n_games + g)];
  }
  const std::vector<double> alpha = solved_upper(eliminated, m, 0, n_games, &white);
  for (std::int64_t i = 0; i < (m - 1) * n_games; ++i) task.residual[i] = task.nugget * alpha[static_cast<std::size_t>(i)];
}

}  // namespace

void odd_fit(const OddFitTask& task) {
  const OddData& data = task.data;
  const std::int64_t m = data.n_points, n = data.n_players, n_games = data.n_games;
  Matrix filled(m + 2 * n + n_games), eliminated(m + 2 * n + n_games);
  fill_for_fit(task, filled);
  if (!eliminate_observations(filled, data, task.prior, task.nugget, eliminated)) throw_no_factor();
  const Matrix normal = normal_of(eliminated, m, n, n_games);
  const std::vector<double> before = prior_variance(task);
  for (std::int64_t i = 0; i < n; ++i) {
    const double known = -eliminated.at(m + n + i, m + n + i), free = -normal.at(n + i, n + i);
    task.variance[i] = before[static_cast<std::size_t>(i)] - known + free;
    // CY + D^T N^-1 b: the elimination has taken D^T N^-1 b off
    for (std::int64_t g = 0; g < n_games; ++g) {
      const double cross = -eliminated.at(m + n + i, m + 2 * n + g);
      task.values[i * n_games + g] = 2 * cross - normal.at(n + i, 2 * n + g);
    }
  }
  for (std::int64_t g = 0; g < n_games; ++g) task.spread[g] = std::max(normal.at(2 * n + g, 2 * n + g), 0.0);
  write_residual(task, eliminated, normal);
}

}  // namespace fastexplain
