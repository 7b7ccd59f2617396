// Pointers into the arrays of a Python Forest, for the kernels that walk trees.
#pragma once

#include <stdexcept>
#include <string>

#include "bindings.h"
#include "fastexplain/tree/forest.h"

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

template <class T>
inline const T* data_of(const py::object& forest, const char* name, py::ssize_t expected = -1) {
  const py::object attribute = forest.attr(name);
  if (attribute.is_none()) return nullptr;
  if (!py::isinstance<Array<T>>(attribute))
    throw py::type_error(std::string("Forest.") + name + " has the wrong dtype or is not contiguous");
  const auto array = py::reinterpret_borrow<Array<T>>(attribute);
  if (expected >= 0 && array.size() != expected)
    throw py::value_error(std::string("Forest.") + name + " has " + std::to_string(array.size()) + " entries; expected " +
                          std::to_string(expected));
  return array.data();
}

// Pointers into the arrays of a fastexplain.models.Forest, which has checked their contents.
inline fastexplain::ForestView view_of(const py::object& forest) {
  fastexplain::ForestView view;
  view.n_features = forest.attr("n_features").cast<std::int32_t>();
  view.n_outputs = forest.attr("n_outputs").cast<std::int32_t>();
  view.n_leaf_outputs = forest.attr("n_leaf_outputs").cast<std::int32_t>();
  view.n_trees = forest.attr("n_trees").cast<std::int64_t>();
  const auto n_nodes = forest.attr("n_nodes").cast<py::ssize_t>();
  view.tree_offsets = data_of<std::int64_t>(forest, "tree_offsets", view.n_trees + 1);
  view.children_left = data_of<std::int32_t>(forest, "children_left", n_nodes);
  view.children_right = data_of<std::int32_t>(forest, "children_right", n_nodes);
  view.feature = data_of<std::int32_t>(forest, "feature", n_nodes);
  view.threshold = data_of<double>(forest, "threshold", n_nodes);
  view.default_left = reinterpret_cast<const std::uint8_t*>(data_of<bool>(forest, "default_left", n_nodes));
  view.cover = data_of<double>(forest, "cover", n_nodes);
  view.values = data_of<double>(forest, "values", n_nodes * view.n_leaf_outputs);
  view.tree_output = data_of<std::int32_t>(forest, "tree_output", view.n_trees);
  view.zero_is_missing = reinterpret_cast<const std::uint8_t*>(data_of<bool>(forest, "zero_is_missing", n_nodes));
  view.category_set = data_of<std::int32_t>(forest, "category_set", n_nodes);
  view.category_set_offsets = data_of<std::int64_t>(forest, "category_set_offsets");
  view.category_set_members = data_of<std::int32_t>(forest, "category_set_members");
  view.float32_input = forest.attr("float32_input").cast<bool>();
  view.missing_value = forest.attr("missing_value").cast<double>();
  view.has_missing_value = view.missing_value == view.missing_value;
  return view;
}
