// libFuzzer's harness of the forest check (make fuzz-forest): forests made of any bytes are refused, or can be walked.
//
// Arrays have exactly the lengths that are said, each in a block of its own, so that AddressSanitizer sees a step outside. What
// the check takes is then walked as the kernels do, and small forests are explained by them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#include "fastexplain/tree/forest_check.h"
#include "fastexplain/tree/tree_shap.h"

namespace {

using fastexplain::ForestLengths;
using fastexplain::ForestView;

// Numbers out of the input; zeros after its end.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  template <class T>
  T take() {
    T value{};
    const std::size_t n = size_ < sizeof(T) ? size_ : sizeof(T);
    std::memcpy(&value, data_, n);
    data_ += n;
    size_ -= n;
    return value;
  }

  // Small numbers are what indices are made of: a byte each, as signed, and one value that stands for any other.
  template <class T>
  T index() {
    const auto byte = take<std::int8_t>();
    return byte == -128 ? take<T>() : static_cast<T>(byte);
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

template <class T, class Make>
std::unique_ptr<T[]> filled(std::int64_t n, Make make) {
  std::unique_ptr<T[]> entries(new T[static_cast<std::size_t>(n)]);
  for (std::int64_t i = 0; i < n; ++i) entries[static_cast<std::size_t>(i)] = make();
  return entries;
}

struct Forest {
  explicit Forest(Bytes& bytes) {
    const auto index = [&] { return bytes.index<std::int32_t>(); };
    const auto offset = [&] { return bytes.index<std::int64_t>(); };
    const auto number = [&] { return static_cast<double>(bytes.take<std::int8_t>()) / 4; };
    const auto flag = [&] { return static_cast<std::uint8_t>(bytes.take<std::uint8_t>() & 1); };
    view.n_features = index();
    view.n_outputs = bytes.take<std::uint8_t>() % 4;
    view.n_leaf_outputs = bytes.take<std::uint8_t>() % 4;
    view.n_trees = bytes.take<std::uint8_t>() % 6;
    lengths.n_nodes = bytes.take<std::uint8_t>() % 64;
    view.tree_offsets = (tree_offsets = filled<std::int64_t>(view.n_trees + 1, offset)).get();
    view.children_left = (left = filled<std::int32_t>(lengths.n_nodes, index)).get();
    view.children_right = (right = filled<std::int32_t>(lengths.n_nodes, index)).get();
    view.feature = (feature = filled<std::int32_t>(lengths.n_nodes, index)).get();
    // any bits once in a while: NaN, infinities, numbers with nothing behind them
    view.threshold =
        (threshold = filled<double>(lengths.n_nodes, [&] { return flag() ? bytes.take<double>() : number(); })).get();
    view.default_left = (default_left = filled<std::uint8_t>(lengths.n_nodes, flag)).get();
    view.cover = (cover = filled<double>(lengths.n_nodes, number)).get();
    view.values = (values = filled<double>(lengths.n_nodes * view.n_leaf_outputs, number)).get();
    view.tree_output = (tree_output = filled<std::int32_t>(view.n_trees, index)).get();
    if (flag()) view.zero_is_missing = (zero = filled<std::uint8_t>(lengths.n_nodes, flag)).get();
    if (flag()) {
      lengths.n_sets = bytes.take<std::uint8_t>() % 8 - 1;
      lengths.n_members = bytes.take<std::uint8_t>() % 16;
      view.category_set_offsets = (set_offsets = filled<std::int64_t>(lengths.n_sets + 1, offset)).get();
      view.category_set_members = (members = filled<std::int32_t>(lengths.n_members, index)).get();
      view.category_set = (set = filled<std::int32_t>(lengths.n_nodes, index)).get();
    }
  }

  ForestView view;
  ForestLengths lengths;

 private:
  std::unique_ptr<std::int64_t[]> tree_offsets, set_offsets;
  std::unique_ptr<std::int32_t[]> left, right, feature, tree_output, set, members;
  std::unique_ptr<double[]> threshold, cover, values;
  std::unique_ptr<std::uint8_t[]> default_left, zero;
};

bool goes_left(const ForestView& forest, std::int64_t node, const std::vector<double>& row) {
  const double value = row[static_cast<std::size_t>(forest.feature[node])];
  if (!forest.is_categorical(node)) return value <= forest.threshold[node];
  const std::int32_t set = forest.category_set[node];
  for (std::int64_t i = forest.category_set_offsets[set]; i < forest.category_set_offsets[set + 1]; ++i)
    if (forest.category_set_members[i] == static_cast<std::int32_t>(value)) return true;
  return false;
}

// A walk takes fewer steps than its tree has nodes, and ends in a leaf with a value of every output.
double walk(const ForestView& forest, std::int64_t tree, const std::vector<double>& row) {
  const std::int64_t begin = forest.tree_offsets[tree], n_nodes = forest.tree_offsets[tree + 1] - begin;
  std::int64_t node = begin;
  for (std::int64_t step = 0; !forest.is_leaf(node); ++step) {
    if (step >= n_nodes) std::abort();
    node = begin + (goes_left(forest, node, row) ? forest.children_left[node] : forest.children_right[node]);
  }
  double sum = 0;
  for (std::int32_t output = 0; output < forest.n_leaf_outputs; ++output)
    sum += forest.values[node * forest.n_leaf_outputs + output];
  if (forest.tree_output[tree] >= forest.n_outputs) std::abort();
  return sum + forest.cover[node];
}

void explain(const ForestView& forest, const std::vector<double>& row) {
  const fastexplain::RowsView rows{reinterpret_cast<const char*>(row.data()), 1,
                                   static_cast<std::int64_t>(row.size() * sizeof(double)), sizeof(double), false};
  std::vector<double> values(static_cast<std::size_t>(forest.n_features) * static_cast<std::size_t>(forest.n_outputs));
  if (values.empty()) return;
  // with tables, and without: the two ways that a tree can go
  for (const fastexplain::TreeShapOptions& options :
       {fastexplain::TreeShapOptions{}, fastexplain::TreeShapOptions{.table_bytes = 0, .max_states = 0}})
    fastexplain::TreeShap(forest, fastexplain::LaneType::kFloat64, 1, options)
        .explain(rows, {values.data(), 1, forest.n_features, forest.n_outputs}, 1 << 20, 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  const Forest forest(bytes);
  try {
    fastexplain::check_forest(forest.view, forest.lengths);
  } catch (const std::invalid_argument&) {
    return 0;
  }
  if (forest.view.n_features > 200) return 0;  // nothing of interest, and slow
  for (int i = 0; i < 4; ++i) {
    std::vector<double> row(static_cast<std::size_t>(forest.view.n_features));
    for (double& value : row) value = static_cast<double>(bytes.take<std::int8_t>()) / 4;
    volatile double sum = 0;
    for (std::int64_t tree = 0; tree < forest.view.n_trees; ++tree) sum = sum + walk(forest.view, tree, row);
    explain(forest.view, row);
  }
  return 0;
}
