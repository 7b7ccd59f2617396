// Kernels of Kernel SHAP for Python: check shapes, release the GIL, call. Arrays that are written refuse conversion.
#include <stdexcept>

#include "bindings.h"
#include "fastexplain/kernel/coalitions.h"
#include "fastexplain/kernel/masking.h"
#include "fastexplain/kernel/odd_gp.h"

namespace py = pybind11;

namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

void require(bool fits, const char* what) {
  if (!fits) throw py::value_error(what);
}

void fill_coalitions(const Array<std::int32_t>& size, const Array<std::int64_t>& index, std::uint64_t seed,
                     Array<std::uint8_t>& masks, int n_threads) {
  require(masks.ndim() == 2 && masks.shape(0) == size.size() && index.size() == size.size(),
          "masks, size and index differ in length");
  const auto n_players = static_cast<int>(masks.shape(1));
  for (py::ssize_t p = 0; p < size.size(); ++p)
    require(size.data()[p] >= 1 && 2 * size.data()[p] <= n_players, "size must be in 1 .. n_players / 2");
  std::uint8_t* out = masks.mutable_data();
  const py::gil_scoped_release release;
  fastexplain::fill_coalitions(n_players, size.size(), size.data(), index.data(), seed, out, n_threads);
}

void fill_masked_rows(const py::array& X, const py::array& background, const Array<std::uint8_t>& masks,
                      const Array<std::int32_t>& row, const Array<std::int32_t>& mask,
                      const Array<std::int32_t>& background_row, py::array& out, int n_threads) {
  const py::ssize_t n_columns = masks.shape(1), bytes = out.itemsize();
  for (const py::array* array : {&X, &background, static_cast<const py::array*>(&out)})
    require(array->ndim() == 2 && array->shape(1) == n_columns && array->itemsize() == bytes &&
                (array->flags() & py::array::c_style) != 0,
            "X, background and out must be C-contiguous, of one dtype and width");
  require(out.shape(0) == row.size() && mask.size() == row.size() && background_row.size() == row.size(),
          "indices differ in length");
  require(bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8, "items must have 1, 2, 4 or 8 bytes");
  for (py::ssize_t i = 0; i < row.size(); ++i)
    require(row.data()[i] >= 0 && row.data()[i] < X.shape(0) && mask.data()[i] >= 0 && mask.data()[i] < masks.shape(0) &&
                background_row.data()[i] >= 0 && background_row.data()[i] < background.shape(0),
            "an index is out of range");
  const fastexplain::MaskingTask task{
      X.data(),  background.data(),       masks.data(),      row.data(), mask.data(), background_row.data(), out.shape(0),
      n_columns, static_cast<int>(bytes), out.mutable_data()};
  const py::gil_scoped_release release;
  fastexplain::fill_masked_rows(task, n_threads);
}

py::tuple distinct_masked_rows(const Array<std::uint8_t>& masks, const Array<std::uint8_t>& differs) {
  require(masks.ndim() == 2 && differs.ndim() == 2 && masks.shape(1) == differs.shape(1), "masks and differs differ in width");
  const py::ssize_t n_masks = masks.shape(0), n_background = differs.shape(0), n = n_masks * n_background;
  require(n < (py::ssize_t{1} << 31) - n_background - 1, "too many masked rows at once");
  Array<std::int32_t> slot({n_masks, n_background});
  Array<std::int32_t> unique_mask(n), unique_background(n);
  std::int32_t *slots = slot.mutable_data(), *mask = unique_mask.mutable_data(), *row = unique_background.mutable_data();
  std::int64_t n_unique = 0;
  {
    const py::gil_scoped_release release;
    n_unique = fastexplain::distinct_masked_rows(masks.data(), n_masks, differs.data(), n_background, masks.shape(1), slots,
                                                 mask, row);
  }
  const py::slice used(0, n_unique, 1);
  return py::make_tuple(slot, unique_mask[used], unique_background[used]);
}

void odd_covariance(Array<double>& gram, const Array<double>& linear, double log_norm, double scale, int n_threads) {
  require(gram.size() == linear.size(), "gram and linear differ in size");
  double* out = gram.mutable_data();
  const py::gil_scoped_release release;
  fastexplain::odd_covariance(out, linear.data(), gram.size(), log_norm, scale, n_threads);
}

void odd_cross_covariance(const Array<double>& signs, const Array<double>& rho, const Array<double>& points,
                          const Array<double>& weights, double scale, Array<double>& cross, int n_threads) {
  require(signs.ndim() == 2 && cross.ndim() == 2 && cross.shape(0) == signs.shape(0) && cross.shape(1) == signs.shape(1) &&
              rho.size() == signs.shape(1) && points.size() == weights.size(),
          "signs, rho, points, weights and cross do not fit together");
  double* out = cross.mutable_data();
  const py::gil_scoped_release release;
  fastexplain::odd_cross_covariance(signs.data(), signs.shape(0), signs.shape(1), rho.data(), points.data(), weights.data(),
                                    static_cast<int>(points.size()), scale, out, n_threads);
}

}  // namespace

void bind_kernel_shap(py::module_& m) {
  m.def("pairs_of_size", &fastexplain::pairs_of_size, py::arg("n_players"), py::arg("size"),
        "Pairs of a coalition of this size and its complement, at most 2**62.");
  m.def("fill_coalitions", &fill_coalitions, py::arg("size"), py::arg("index"), py::arg("seed"), py::arg("masks").noconvert(),
        py::arg("n_threads"));
  m.def("fill_masked_rows", &fill_masked_rows, py::arg("X"), py::arg("background"), py::arg("masks"), py::arg("row"),
        py::arg("mask"), py::arg("background_row"), py::arg("out").noconvert(), py::arg("n_threads"));
  m.def("distinct_masked_rows", &distinct_masked_rows, py::arg("masks"), py::arg("differs"));
  m.def("odd_covariance", &odd_covariance, py::arg("gram").noconvert(), py::arg("linear"), py::arg("log_norm"),
        py::arg("scale"), py::arg("n_threads"));
  m.def("odd_cross_covariance", &odd_cross_covariance, py::arg("signs"), py::arg("rho"), py::arg("points"), py::arg("weights"),
        py::arg("scale"), py::arg("cross").noconvert(), py::arg("n_threads"));
}
