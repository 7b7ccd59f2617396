// A Python Forest for the kernels that walk trees.
#pragma once

#include <limits>
#include <vector>

#include "checks.h"
#include "fastexplain/tree/forest_check.h"

// Pointers into the arrays of a fastexplain.models.Forest, or of anything with its attributes, and the arrays themselves: an
// attribute may be another array the next time. All that a kernel goes by when it walks is checked here, once, and not again.
class BorrowedForest {
 public:
  explicit BorrowedForest(const py::object& forest) : forest_(forest) {
    const std::int64_t n_trees = number("n_trees", 0), n_nodes = number("n_nodes", 0);
    view_.n_features = static_cast<std::int32_t>(number("n_features", 0, fastexplain::kMostFeatures));
    view_.n_outputs = static_cast<std::int32_t>(number("n_outputs", 1));
    view_.n_leaf_outputs = static_cast<std::int32_t>(number("n_leaf_outputs", 1));
    view_.n_trees = n_trees;
    view_.tree_offsets = array<std::int64_t>("tree_offsets").of_shape({n_trees + 1});
    view_.children_left = array<std::int32_t>("children_left").of_shape({n_nodes});
    view_.children_right = array<std::int32_t>("children_right").of_shape({n_nodes});
    view_.feature = array<std::int32_t>("feature").of_shape({n_nodes});
    view_.threshold = array<double>("threshold").of_shape({n_nodes});
    view_.default_left = flags("default_left", n_nodes);
    view_.cover = array<double>("cover").of_shape({n_nodes});
    view_.values = array<double>("values").of_shape({n_nodes, view_.n_leaf_outputs});
    view_.tree_output = array<std::int32_t>("tree_output").of_shape({n_trees});
    if (has("zero_is_missing")) view_.zero_is_missing = flags("zero_is_missing", n_nodes);
    if (has("category_set")) take_categories(n_nodes);
    view_.float32_input = truth("float32_input");
    view_.missing_value = real("missing_value");
    view_.has_missing_value = view_.missing_value == view_.missing_value;
    lengths_.n_nodes = n_nodes;
    fastexplain::check_forest(view_, lengths_);
  }

  const fastexplain::ForestView& view() const { return view_; }
  std::int64_t n_nodes() const { return view_.tree_offsets[view_.n_trees]; }
  std::int64_t n_sets() const { return lengths_.n_sets; }

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
    lengths_.n_members = members.dims<1>()[0];
    lengths_.n_sets = offsets.dims<1>()[0] - 1;
    view_.category_set_offsets = offsets.of_shape({lengths_.n_sets + 1});
    view_.category_set_members = members.of_shape({lengths_.n_members});
    view_.category_set = array<std::int32_t>("category_set").of_shape({n_nodes});
  }

  py::object forest_;
  std::vector<py::object> held_;
  fastexplain::ForestView view_;
  fastexplain::ForestLengths lengths_;
};
