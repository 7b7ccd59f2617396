// What every binding asks of its arguments before a kernel sees them.
//
// A kernel works on raw memory and checks nothing. Whatever could lead it outside an array, or into a loop without end, is
// refused here: a TypeError for another kind of thing, a ValueError for another shape, layout or value, with a text that names
// the argument, what came and what was expected. Nothing is converted on the way: a converted output would be filled and thrown
// away, and a converted input is a copy that nobody asked for. What is checked must not change while the call runs.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <sstream>
#include <string>
#include <type_traits>

#include "fastexplain/parallel.h"

namespace py = pybind11;

// -------------------------------------------------------------------------------------------------------- conditions

template <class... Parts>
std::string text_of(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

// ValueError with the parts as its text, unless the condition holds.
template <class... Parts>
void require(bool condition, const Parts&... parts) {
  if (!condition) throw py::value_error(text_of(parts...));
}

inline void require_finite(const char* name, double value) {
  require(std::isfinite(value), name, " must be finite; got ", value);
}

inline std::string type_name(py::handle object) { return Py_TYPE(object.ptr())->tp_name; }

// ------------------------------------------------------------------------------------------------------------ arrays

enum class Layout {
  kRows,     // C order
  kColumns,  // Fortran order
  kStrided,  // any strides
};

// In place of a length: any.
inline constexpr std::int64_t kAny = -1;

using Shape = std::initializer_list<std::int64_t>;

inline std::string text_of_shape(const std::int64_t* lengths, std::size_t n) {
  std::string text = "(";
  for (std::size_t i = 0; i < n; ++i) {
    text += lengths[i] == kAny ? "any" : std::to_string(lengths[i]);
    if (i + 1 < n || n == 1) text += i + 1 < n ? ", " : ",";
  }
  return text + ")";
}

// A NumPy array of one type and layout, borrowed. T is const where the call reads only; an array that is written must not be
// read-only. void stands for any type that is plain memory: numbers, bool, dates.
template <class T>
class Array {
 public:
  using Item = std::remove_const_t<T>;
  static constexpr bool kPlain = std::is_void_v<T>;

  Array() = default;

  // name: of the argument; owner: of the object that it is an attribute of, if any. Both outlive the array.
  Array(py::handle object, const char* name, Layout layout = Layout::kRows, const char* owner = nullptr)
      : object_(object), name_(name), owner_(owner) {
    const auto& numpy = py::detail::npy_api::get();
    if (!numpy.PyArray_Check_(object.ptr()))
      throw py::type_error(text_of(full_name(), " must be a numpy array; got ", type_name(object)));
    if (!has_type()) throw py::type_error(text_of(full_name(), " must hold ", expected_type(), "; got ", dtype()));
    using py::detail::npy_api;
    // The texts are made of strings: only where they are needed.
    const int flags = proxy()->flags;
    if (layout == Layout::kRows && !(flags & npy_api::NPY_ARRAY_C_CONTIGUOUS_))
      refuse(" must be C-contiguous, as numpy.ascontiguousarray makes it; got strides ", strides());
    if (layout == Layout::kColumns && !(flags & npy_api::NPY_ARRAY_F_CONTIGUOUS_))
      refuse(" must be Fortran-contiguous, as numpy.asfortranarray makes it; got strides ", strides());
    if (!(flags & npy_api::NPY_ARRAY_ALIGNED_)) refuse(" must be aligned to its items, as its copy is");
  }

  // Of an array that the call writes to.
  const Array& writable() const {
    if (!(proxy()->flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_)) refuse(" is read-only; the call writes to it");
    return *this;
  }

  // Lengths of an array of n dimensions.
  template <std::size_t n>
  std::array<std::int64_t, n> dims() const {
    if (n_dims() != n)
      throw py::value_error(
          text_of(full_name(), " must have ", n, " dimensions; got shape ", text_of_shape(lengths(), n_dims())));
    std::array<std::int64_t, n> found;
    std::copy_n(lengths(), n, found.begin());
    return found;
  }

  // The entries of an array of this shape.
  T* of_shape(Shape expected) const {
    const bool fits = expected.size() == n_dims() &&
                      std::equal(expected.begin(), expected.end(), lengths(),
                                 [](std::int64_t wanted, std::int64_t got) { return wanted == kAny || wanted == got; });
    if (!fits)
      throw py::value_error(text_of(full_name(), " has shape ", text_of_shape(lengths(), n_dims()), "; expected ",
                                    text_of_shape(expected.begin(), expected.size())));
    return entries();
  }

  // The same, and every entry lies in low .. high.
  T* of_shape_within(Shape expected, std::int64_t low, std::int64_t high) const {
    T* data = of_shape(expected);
    using Limits = std::numeric_limits<Item>;
    const auto lowest = static_cast<Item>(std::max<std::int64_t>(low, Limits::min()));
    const auto highest = static_cast<Item>(std::clamp<std::int64_t>(high, -1, Limits::max()));
    const bool none = high < low;
    refuse_any([=](Item entry) { return none | (entry < lowest) | (entry > highest); }, data,
               [&] { return text_of("expected ", low, " .. ", high); });
    return data;
  }

  // The same, and no entry is NaN.
  T* of_shape_without_nan(Shape expected) const {
    T* data = of_shape(expected);
    refuse_any([](Item entry) { return entry != entry; }, data, [] { return "expected a number"; });
    return data;
  }

  std::size_t n_dims() const { return static_cast<std::size_t>(proxy()->nd); }
  std::int64_t size() const {
    std::int64_t product = 1;  // of lengths that NumPy has multiplied before
    for (std::size_t i = 0; i < n_dims(); ++i) product *= lengths()[i];
    return product;
  }
  bool empty() const { return std::find(lengths(), lengths() + n_dims(), 0) != lengths() + n_dims(); }
  std::int64_t stride(std::size_t dimension) const { return proxy()->strides[dimension]; }  // in bytes
  std::int64_t item_bytes() const { return array().itemsize(); }
  py::dtype dtype() const { return array().dtype(); }
  py::handle object() const { return object_; }

  template <class Other>
  bool holds() const {
    return equivalent(py::dtype::of<Other>());
  }
  bool equivalent(const py::dtype& other) const {
    return py::detail::npy_api::get().PyArray_EquivTypes_(proxy()->descr, other.ptr());
  }

  std::string full_name() const { return owner_ == nullptr ? std::string(name_) : text_of(owner_, '.', name_); }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    throw py::value_error(text_of(full_name(), parts...));
  }

  const py::detail::PyArray_Proxy* proxy() const { return py::detail::array_proxy(object_.ptr()); }
  py::array array() const { return py::reinterpret_borrow<py::array>(object_); }
  const std::int64_t* lengths() const {
    static_assert(sizeof(py::ssize_t) == sizeof(std::int64_t));
    return reinterpret_cast<const std::int64_t*>(proxy()->dimensions);
  }
  std::string strides() const {
    const auto* from = reinterpret_cast<const std::int64_t*>(proxy()->strides);
    return text_of_shape(from, n_dims()) + " for shape " + text_of_shape(lengths(), n_dims());
  }
  T* entries() const { return reinterpret_cast<T*>(proxy()->data); }

  bool has_type() const {
    if constexpr (kPlain)
      return std::string_view("biufcmM").find(dtype().kind()) != std::string_view::npos;
    else
      return holds<Item>();
  }
  static std::string expected_type() {
    if constexpr (kPlain)
      return "numbers";
    else
      return py::str(py::dtype::of<Item>());
  }

  // Whether any entry is bad is found out without branches, a block at a time; which one, only if so.
  template <class Bad, class Expected>
  void refuse_any(Bad bad, const Item* data, Expected expected) const {
    constexpr std::int64_t kBlock = 4096;
    // As wide as the entries, so that the loop is vectorised.
    using Mask = std::conditional_t<sizeof(Item) == 1, std::uint8_t,
                                    std::conditional_t<sizeof(Item) == 4, std::uint32_t, std::uint64_t>>;
    const std::int64_t n = size();
    for (std::int64_t begin = 0; begin < n; begin += kBlock) {
      const std::int64_t end = std::min(n, begin + kBlock);
      Mask found = 0;
      for (std::int64_t i = begin; i < end; ++i) found |= static_cast<Mask>(bad(data[i]));
      if (found == 0) continue;
      const std::int64_t at = std::find_if(data + begin, data + end, bad) - data;
      throw py::value_error(text_of(full_name(), place_of(at), " is ", +data[at], "; ", expected()));
    }
  }

  // [i, j] of an entry in the order of memory
  std::string place_of(std::int64_t at) const {
    std::string text = "]";
    for (std::size_t i = n_dims(); i-- > 0;) {
      text = std::to_string(at % lengths()[i]) + text;
      at /= lengths()[i];
      if (i > 0) text = ", " + text;
    }
    return "[" + text;
  }

  py::handle object_;
  const char* name_ = "";
  const char* owner_ = nullptr;
};

// --------------------------------------------------------------------------------------------- arguments of functions

// A name as a template argument.
template <std::size_t n>
struct Name {
  char text[n];
  consteval Name(const char (&from)[n]) { std::copy_n(from, n, text); }
};

// Array arguments of bound functions: type and layout are checked when the call is taken apart, the shape by the function.
template <Name kName, class T, Layout kLayout>
struct ArrayArgument : Array<T> {
  using Array<T>::Array;
};
template <Name kName, class T, Layout kLayout = Layout::kRows>
using In = ArrayArgument<kName, const T, kLayout>;
template <Name kName, class T, Layout kLayout = Layout::kRows>
using Out = ArrayArgument<kName, T, kLayout>;

// The argument n_threads: at least 1. Beyond kMaxThreads a call has no use for more.
struct Threads {
  int count = 1;
  operator int() const { return count; }

  static Threads of(py::handle given) {
    const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(given.ptr()));
    if (!number) {
      PyErr_Clear();
      throw py::type_error(text_of("n_threads must be a whole number; got ", std::string(py::repr(given))));
    }
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
    if (overflow < 0 || (overflow == 0 && value < 1))
      throw py::value_error(text_of("n_threads must be at least 1; got ", std::string(py::repr(given))));
    return {overflow > 0 ? fastexplain::kMaxThreads : static_cast<int>(std::min<long long>(value, fastexplain::kMaxThreads))};
  }
};

namespace pybind11::detail {

template <Name kName, class T, Layout kLayout>
struct type_caster<ArrayArgument<kName, T, kLayout>> {
  using Argument = ArrayArgument<kName, T, kLayout>;

  template <class Item>
  static constexpr auto name_of() {
    if constexpr (std::is_void_v<Item>)
      return const_name("numpy.ndarray");
    else
      return const_name("numpy.ndarray[") + npy_format_descriptor<Item>::name + const_name("]");
  }
  PYBIND11_TYPE_CASTER(Argument, name_of<std::remove_const_t<T>>());

  bool load(handle source, bool) {
    value = Argument(source, kName.text, kLayout);
    if constexpr (!std::is_const_v<T>) value.writable();
    return true;
  }
};

template <>
struct type_caster<Threads> {
  PYBIND11_TYPE_CASTER(Threads, const_name("int"));

  bool load(handle source, bool) {
    value = Threads::of(source);
    return true;
  }
};

}  // namespace pybind11::detail
