// A Python Forest for the kernels that walk trees.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "checks.h"
#include "fastexplain/tree/forest.h"

// Pointers into the arrays of a fastexplain.models.Forest, or of anything with its attributes, and the arrays themselves: an
// attribute may be another array the next time. All that a kernel goes by when it walks is checked here, once, and not again.
class BorrowedForest {
 public:
  explicit BorrowedForest(const py::object& forest) : forest_(forest) {
    const std::int64_t n_trees = number("n_trees", 0), n_nodes = number("n_nodes", 0);
    view_.n_features = static_cast<std::int32_t>(number("n_features", 0, kMostFeatures));
    view_.n_outputs = static_cast<std::int32_t>(number("n_outputs", 1));
    view_.n_leaf_outputs = static_cast<std::int32_t>(number("n_leaf_outputs", 1));
    view_.n_trees = n_trees;
    require(view_.n_leaf_outputs == 1 || view_.n_leaf_outputs == view_.n_outputs, "Forest.n_leaf_outputs must be 1 or ",
            view_.n_outputs, ", the outputs; got ", view_.n_leaf_outputs);
    view_.tree_offsets = array<std::int64_t>("tree_offsets").of_shape_within({n_trees + 1}, 0, n_nodes);
    view_.children_left = array<std::int32_t>("children_left").of_shape({n_nodes});
    view_.children_right = array<std::int32_t>("children_right").of_shape({n_nodes});
    view_.feature = array<std::int32_t>("feature").of_shape({n_nodes});
    view_.threshold = array<double>("threshold").of_shape({n_nodes});
    view_.default_left = flags("default_left", n_nodes);
    view_.cover = array<double>("cover").of_shape({n_nodes});
    view_.values = array<double>("values").of_shape({n_nodes, view_.n_leaf_outputs});
    view_.tree_output = array<std::int32_t>("tree_output").of_shape_within({n_trees}, 0, view_.n_outputs - 1);
    if (has("zero_is_missing")) view_.zero_is_missing = flags("zero_is_missing", n_nodes);
    if (has("category_set")) take_categories(n_nodes);
    view_.float32_input = truth("float32_input");
    view_.missing_value = real("missing_value");
    view_.has_missing_value = view_.missing_value == view_.missing_value;
    check_trees();
  }

  const fastexplain::ForestView& view() const { return view_; }
  std::int64_t n_nodes() const { return view_.tree_offsets[view_.n_trees]; }
  std::int64_t n_sets() const { return n_sets_; }

 private:
  bool has(const char* name) const { return !forest_.attr(name).is_none(); }

  template <class T>
  Array<const T> array(const char* name) {
    held_.push_back(forest_.attr(name));
    return {held_.back(), name, Layout::kRows, "Forest"};
  }

  const std::uint8_t* flags(const char* name, std::int64_t n) {
    return reinterpret_cast<const std::uint8_t*>(array<bool>(name).of_shape({n}));
  }

  // Kernels keep arrays of one place per feature: a damaged count must not ask for all memory.
  static constexpr std::int64_t kMostFeatures = 1 << 24;
  static constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max() - 1;

  // A count that int32 holds.
  std::int64_t number(const char* name, std::int64_t least, std::int64_t most = kMost) const {
    const py::object given = forest_.attr(name);
    const auto index = py::reinterpret_steal<py::object>(PyNumber_Index(given.ptr()));
    if (!index) {
      PyErr_Clear();
      throw py::type_error(text_of("Forest.", name, " must be a whole number; got ", std::string(py::repr(given))));
    }
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
    require(overflow == 0 && value >= least && value <= most, "Forest.", name, " must be in ", least, " .. ", most, "; got ",
            std::string(py::repr(given)));
    return value;
  }

  bool truth(const char* name) const {
    const int found = PyObject_IsTrue(forest_.attr(name).ptr());
    if (found < 0) throw py::error_already_set();
    return found != 0;
  }

  double real(const char* name) const {
    const double found = PyFloat_AsDouble(forest_.attr(name).ptr());
    if (found == -1.0 && PyErr_Occurred()) throw py::error_already_set();
    return found;
  }

  void take_categories(std::int64_t n_nodes) {
    const Array<const std::int64_t> offsets = array<std::int64_t>("category_set_offsets");
    const Array<const std::int32_t> members = array<std::int32_t>("category_set_members");
    const std::int64_t n_members = members.dims<1>()[0];
    n_sets_ = offsets.dims<1>()[0] - 1;
    require(n_sets_ >= 0, "Forest.category_set_offsets must not be empty");
    view_.category_set_offsets = offsets.of_shape_within({n_sets_ + 1}, 0, n_members);
    view_.category_set_members = members.of_shape_within({n_members}, 0, std::numeric_limits<std::int32_t>::max());
    view_.category_set = array<std::int32_t>("category_set").of_shape_within({n_nodes}, -1, n_sets_ - 1);
    for (std::int64_t set = 0; set < n_sets_; ++set)
      require(view_.category_set_offsets[set] <= view_.category_set_offsets[set + 1], "Forest.category_set_offsets[", set + 1,
              "] is ", view_.category_set_offsets[set + 1], ", less than the one before");
  }

  // Every tree is a tree: from its root each node is reached once, and no walk leaves it.
  void check_trees() const {
    require(view_.tree_offsets[0] == 0, "Forest.tree_offsets must begin with 0; got ", view_.tree_offsets[0]);
    const std::int64_t n_nodes = number("n_nodes", 0);
    require(this->n_nodes() == n_nodes, "Forest.tree_offsets must end with the number of nodes, ", n_nodes, "; got ",
            this->n_nodes());
    std::vector<bool> has_parent(static_cast<std::size_t>(n_nodes), false);
    for (std::int64_t tree = 0; tree < view_.n_trees; ++tree) {
      const std::int64_t begin = view_.tree_offsets[tree], end = view_.tree_offsets[tree + 1];
      require(begin < end, "Forest: tree ", tree, " has no node");
      for (std::int64_t node = begin; node < end; ++node) {
        const std::int32_t left = view_.children_left[node], right = view_.children_right[node];
        if (left < 0 && right < 0) continue;
        for (const std::int32_t child : {left, right}) {
          require(child >= 1 && child < end - begin, "Forest: node ", node - begin, " of tree ", tree, " has child ", child,
                  "; expected 1 .. ", end - begin - 1);
          require(!has_parent[static_cast<std::size_t>(begin + child)], "Forest: node ", child, " of tree ", tree,
                  " has two parents");
          has_parent[static_cast<std::size_t>(begin + child)] = true;
        }
        check_split(tree, node);
      }
    }
  }

  void check_split(std::int64_t tree, std::int64_t node) const {
    const std::int64_t within = node - view_.tree_offsets[tree];
    require(view_.feature[node] >= 0 && view_.feature[node] < view_.n_features, "Forest: node ", within, " of tree ", tree,
            " splits on feature ", view_.feature[node], "; expected 0 .. ", view_.n_features - 1);
    // Thresholds are sorted, which NaN would lead astray.
    require(view_.is_categorical(node) || !std::isnan(view_.threshold[node]), "Forest: node ", within, " of tree ", tree,
            " has the threshold NaN");
  }

  py::object forest_;
  std::vector<py::object> held_;
  fastexplain::ForestView view_;
  std::int64_t n_sets_ = 0;
};
