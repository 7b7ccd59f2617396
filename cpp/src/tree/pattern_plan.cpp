#include "tree/pattern_plan.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "tree/tree_program.h"

namespace fastexplain {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr int kTooMany = std::numeric_limits<int>::max();

// The cost model: time per row, in twelfths of a nanosecond on the machine of benchmarks/README.md, fitted to its zoo. Only
// ratios matter: they decide how trees are cut, in the same way on every CPU.
constexpr double kGroupCost = 1;    // index and bookkeeping
constexpr double kChunkCost = 3;    // one addition of a chunk of an entry
constexpr double kStepCost = 0.06;  // one comparison and one masked addition, for many rows at a time
// Tables are read once per block of rows, from far caches; this is for blocks of `block_rows` rows.
constexpr double kStateCost = 50;
constexpr double kNodeCost = 2.7 * 8;  // of the quadrature kernel, for `row_lanes` rows
constexpr double kPointCost = 2.7 * 7;
// A tree is shared by tables and the quadrature kernel where that saves at least this part of the latter's time.
constexpr double kMinGain = 0.3;
// Filling tables: a leaf for every output, and a chunk of an entry.
constexpr double kFillLeafCost = 5000;
constexpr double kFillEntryCost = 80;

}  // namespace

std::size_t TreePlan::fill_bytes() const {
  return groups.capacity() * sizeof(PlannedGroup) + dims.capacity() * sizeof(PlannedDim) +
         leaves.capacity() * sizeof(PlannedLeaf) + conditions.capacity() * sizeof(PlannedCondition) + flags.capacity() +
         leaf_values.capacity() * sizeof(double);
}

TreePlanner::TreePlanner(const ForestView& forest, const Encoding& encoding, const std::vector<std::int32_t>& chunk,
                         const PlanOptions& options)
    : forest_(forest),
      encoding_(encoding),
      columns_(encoding.columns),
      options_(options),
      path_(columns_.size()),
      allowed_(columns_.size()),
      column_of_feature_(forest.n_features, -1),
      n_on_path_(forest.n_features, 0),
      first_inner_(columns_.size(), -1),
      dim_of_column_(columns_.size(), -1) {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    path_[i].at_most = static_cast<std::int32_t>(columns_[i].cuts.size());
    if (columns_[i].categorical && encoding.has_byte_codes(i)) allowed_[i] = CodeSet::first(columns_[i].n_codes());
    chunk_of_column_.push_back(chunk[encoding.position[columns_[i].feature]]);
  }
}

TreePlan TreePlanner::plan(std::int64_t tree) {
  plan_ = {};
  root_ = forest_.tree_offsets[tree];
  plan_.n_leaf_outputs = forest_.n_leaf_outputs;
  plan_.output = forest_.n_leaf_outputs == 1 ? forest_.tree_output[tree] : 0;
  if (forest_.is_leaf(root_) || options_.max_states < 2 || !survey(tree)) return std::move(plan_);
  weigh();
  expectation_ = expectation(forest_, tree);
  emit_groups();
  return std::move(plan_);
}

// Sizes of subtrees and shares of training rows. False where a feature is split under two missing rules, whose joint digits
// are not worth their code.
bool TreePlanner::survey(std::int64_t tree) {
  const auto n_nodes = static_cast<std::size_t>(forest_.tree_offsets[tree + 1] - root_);
  preorder_.clear();
  left_codes_.clear();
  n_leaves_.assign(n_nodes, 0);
  cut_.assign(n_nodes, 0);
  depth_.assign(n_nodes, 0);
  column_.assign(n_nodes, 0);
  share_.assign(n_nodes, 1.0);
  group_cost_.assign(n_nodes, kNever);
  table_cost_.assign(n_nodes, kNever);
  walk_cost_.assign(n_nodes, 0);
  has_tables_.assign(n_nodes, false);
  span_.assign(n_nodes, {0, 0});
  inner_.clear();
  reach_.clear();

  std::vector<std::int64_t> stack{root_};
  std::vector<std::int32_t> features;
  bool one_rule = true;
  while (!stack.empty()) {
    const std::int64_t node = stack.back();
    stack.pop_back();
    preorder_.push_back(node);
    if (forest_.is_leaf(node)) continue;
    const auto column = static_cast<std::uint32_t>(
        encoding_.index.at(forest_.feature[node], forest_.is_categorical(node), forest_.zero_missing(node)));
    column_[local(node)] = column;
    auto& known = column_of_feature_[forest_.feature[node]];
    if (known < 0) features.push_back(forest_.feature[node]);
    one_rule &= known < 0 || known == static_cast<std::int32_t>(column);
    known = static_cast<std::int32_t>(column);
    if (!columns_[column].categorical) {
      const auto& cuts = columns_[column].cuts;
      cut_[local(node)] =
          static_cast<std::int32_t>(std::lower_bound(cuts.begin(), cuts.end(), forest_.threshold[node]) - cuts.begin());
    } else if (!is_unfit(node)) {
      cut_[local(node)] = static_cast<std::int32_t>(left_codes_.size());
      left_codes_.push_back(goes_left(node));
    }
    const std::int64_t first = child(node, 0), second = child(node, 1);
    share_[local(first)] = first_share(forest_.cover[first], forest_.cover[second]);
    share_[local(second)] = 1 - share_[local(first)];
    for (const auto below : {second, first}) {
      depth_[local(below)] = depth_[local(node)] + 1;
      stack.push_back(below);
    }
  }
  node_cost_ = node_cost();
  for (const auto feature : features) column_of_feature_[feature] = -1;
  for (auto node = preorder_.rbegin(); node != preorder_.rend(); ++node)
    n_leaves_[local(*node)] =
        forest_.is_leaf(*node) ? 1 : n_leaves_[local(child(*node, 0))] + n_leaves_[local(child(*node, 1))];
  return one_rule;
}

// What the quadrature kernel takes for a node: it grows with the most distinct features on a path.
double TreePlanner::node_cost() {
  std::vector<std::int32_t> path;  // features, by depth
  std::int32_t n_distinct = 0, most = 1;
  for (const auto node : preorder_) {
    for (; path.size() > depth_[local(node)]; path.pop_back()) n_distinct -= --n_on_path_[path.back()] == 0;
    if (forest_.is_leaf(node)) continue;
    path.push_back(forest_.feature[node]);
    n_distinct += n_on_path_[path.back()]++ == 0;
    most = std::max(most, n_distinct);
  }
  for (const auto feature : path) --n_on_path_[feature];
  return (kNodeCost + kPointCost * ((most + 1) / 2)) / options_.row_lanes * forest_.n_leaf_outputs;
}

// Cost of every subtree, bottom up: by tables alone, and where the quadrature kernel enters it.
void TreePlanner::weigh() {
  struct Frame {
    std::int64_t node;
    int stage;
    Undo undo;
  };
  std::vector<Frame> stack;
  stack.push_back({root_, 0, {}});
  while (!stack.empty()) {
    Frame& frame = stack.back();
    const std::int64_t node = frame.node;
    const std::size_t at = local(node);
    const int side = frame.stage++;
    if (side == 0 && (path_states() > options_.max_states || is_unfit(node))) {  // no leaf below fits
      walk_cost_[at] = (n_leaves_[at] - 1) * node_cost_;
      stack.pop_back();
      continue;
    }
    if (side == 0)
      meet(node);
    else
      put_back(frame.undo);
    if (side == 2) {
      span_[at].second = static_cast<std::int32_t>(inner_.size());
      weigh_group(node);
      double tables = 0, walk = node_cost_;
      for (const int of : {0, 1}) {
        const std::size_t below = local(child(node, of));
        tables += table_cost_[below];
        walk += std::min(table_cost_[below], walk_cost_[below]);
        if (table_cost_[below] < walk_cost_[below] || has_tables_[below]) has_tables_[at] = true;
      }
      table_cost_[at] = std::min(group_cost_[at], tables);
      walk_cost_[at] = walk;
    } else if (forest_.is_leaf(node)) {
      weigh_group(node);
      table_cost_[at] = group_cost_[at];
    } else {
      frame.undo = take(node, side);
      stack.push_back({child(node, side), 0, {}});
      continue;
    }
    stack.pop_back();
  }
}

// The children are weighed before: a group tells apart all that the groups of its children do, so that it has as many states
// and chunks at least, and is not looked at where one of them is too large. (A path that contradicts itself may have fewer
// states than conditions; what is lost there are tables for leaves that no row reaches.)
void TreePlanner::weigh_group(std::int64_t node) {
  if (n_leaves_[local(node)] > options_.max_states) return;
  if (!forest_.is_leaf(node) && (group_cost_[local(child(node, 0))] == kNever || group_cost_[local(child(node, 1))] == kNever))
    return;
  const int n_states = find_dims(node);
  if (n_states <= options_.max_states) group_cost_[local(node)] = group_cost(n_states);
}

// Chunks of an entry that covers the columns of dims_.
std::size_t TreePlanner::entry_chunks() const {
  const auto chunk = [&](std::size_t i) { return chunk_of_column_[dims_[i].column]; };
  std::size_t n_chunks = 0;
  for (std::size_t i = 0; i < n_dims_; ++i) {
    bool seen = false;
    for (std::size_t j = 0; j < i; ++j) seen |= chunk(j) == chunk(i);
    n_chunks += !seen;
  }
  return n_chunks * static_cast<std::size_t>(forest_.n_leaf_outputs);
}

// What it takes to find a column's digit, at most.
std::size_t TreePlanner::index_bytes(const Dim& dim) const {
  if (encoding_.has_byte_codes(dim.column) && dim.runs.size() > kMaxSteps) return sizeof(PatternLookup);
  return (dim.runs.size() - 1) * sizeof(PatternStep);
}

double TreePlanner::group_cost(int n_states) const {
  const std::size_t n_chunks = entry_chunks();
  if (n_chunks > kMaxEntryChunks) return kNever;
  std::size_t n_steps = 0;
  for (std::size_t i = 0; i < n_dims_; ++i) n_steps += std::min(dims_[i].runs.size() - 1, kMaxSteps);
  return kGroupCost + kStepCost * static_cast<double>(n_steps) +
         static_cast<double>(n_chunks) * (kChunkCost + kStateCost / options_.block_rows * n_states);
}

// At least: every column of the path has a digit for what it excludes, and one for what it lets through.
int TreePlanner::path_states() const { return restricted_.size() > kMaxConditions ? kTooMany : 1 << restricted_.size(); }

// Whether the node's categories are too many for codes of a byte.
bool TreePlanner::is_unfit(std::int64_t node) const {
  if (forest_.is_leaf(node)) return false;
  const std::uint32_t column = column_of(node);
  return columns_[column].categorical && !encoding_.has_byte_codes(column);
}

TreePlanner::Undo TreePlanner::take(std::int64_t node, int side) {
  const std::uint32_t column = column_of(node);
  ColumnPath& path = path_[column];
  Undo undo{column, path};
  if (!path.restricted) restricted_.push_back(column);
  path.restricted = true;
  path.share *= share_[local(child(node, side))];
  if (columns_[column].categorical) {
    const CodeSet& left = left_codes_[cut_[local(node)]];
    CodeSet& allowed = allowed_[column];
    allowed_before_.push_back(allowed);
    allowed = side == 0 ? allowed & left : allowed - left;
    return undo;
  }
  const bool missing_left = forest_.default_left[node] != 0;
  path.missing &= missing_left == (side == 0);
  if (side == 0)
    path.at_most = std::min(path.at_most, cut_[local(node)]);
  else
    path.above = std::max(path.above, cut_[local(node)]);
  return undo;
}

void TreePlanner::put_back(const Undo& undo) {
  if (!undo.before.restricted) restricted_.pop_back();
  path_[undo.column] = undo.before;
  if (!columns_[undo.column].categorical) return;
  allowed_[undo.column] = allowed_before_.back();
  allowed_before_.pop_back();
}

// Codes that take the left child of a categorical node.
CodeSet TreePlanner::goes_left(std::int64_t node) const {
  const Column& column = columns_[column_of(node)];
  CodeSet left;
  const auto set = forest_.category_set[node];
  for (auto i = forest_.category_set_offsets[set]; i < forest_.category_set_offsets[set + 1]; ++i)
    left.add(static_cast<std::int32_t>(
        std::lower_bound(column.cuts.begin(), column.cuts.end(), forest_.category_set_members[i]) - column.cuts.begin()));
  if (forest_.default_left[node] != 0) left.add(column.missing_code());
  return left;
}

// Notes what comes to a node by the path.
void TreePlanner::meet(std::int64_t node) {
  const auto n_before = static_cast<std::int32_t>(inner_.size());
  span_[local(node)] = {n_before, n_before};
  if (forest_.is_leaf(node)) return;
  const std::uint32_t column = column_of(node);
  const ColumnPath& path = path_[column];
  inner_.push_back({column, cut_[local(node)], path.above, path.at_most, path.missing, forest_.default_left[node] != 0,
                    static_cast<std::uint32_t>(reach_.size()), -1});
  if (columns_[column].categorical) reach_.push_back(allowed_[column]);
}

// Leaves of a group, at most kMaxStates of them.
void TreePlanner::emit_leaves(std::int64_t node) {
  if (forest_.is_leaf(node)) return emit_leaf(node);
  for (const int side : {0, 1}) {
    const Undo undo = take(node, side);
    emit_leaves(child(node, side));
    put_back(undo);
  }
}

// Fills dims_ for the subtree of `node`, all of which weigh() has met; returns its number of states, kTooMany beyond the limit.
// Columns that are split on below come first, in their order.
int TreePlanner::find_dims(std::int64_t node) {
  for (const auto column : columns_at_hand_) first_inner_[column] = -1;
  columns_at_hand_.clear();
  for (auto [i, end] = span_[local(node)]; i < end; ++i) {
    std::int32_t& first = first_inner_[inner_[i].column];
    if (first < 0) columns_at_hand_.push_back(inner_[i].column);
    inner_[i].next = std::exchange(first, i);
  }
  std::sort(columns_at_hand_.begin(), columns_at_hand_.end());
  n_dims_ = 0;
  std::int64_t n_states = 1;
  const auto add = [&](std::uint32_t column) {
    if (n_dims_ == dims_.size()) dims_.emplace_back();
    Dim& dim = dims_[n_dims_++];
    dim.column = column;
    dim.runs.clear();
    const std::int32_t first = first_inner_[column];
    columns_[column].categorical ? categorical_digits(dim, first) : numerical_digits(dim, first);
    return n_states = std::min<std::int64_t>(n_states * dim.n_digits, kTooMany);
  };
  for (const auto column : columns_at_hand_)
    if (add(column) > options_.max_states) return kTooMany;
  for (const auto column : restricted_)
    if (first_inner_[column] < 0 && add(column) > options_.max_states) return kTooMany;
  return static_cast<int>(n_states);
}

// first: of inner_, or -1.
void TreePlanner::numerical_digits(Dim& dim, std::int32_t first) {
  const ColumnPath& path = path_[dim.column];
  const auto n_cuts = static_cast<std::int32_t>(columns_[dim.column].cuts.size());
  auto& cuts = cuts_;
  cuts.clear();
  // A missing value is like the codes above the first and up to the second: those that go its way wherever it comes.
  std::int32_t like_above = -1, like_at_most = n_cuts;
  for (auto i = first; i >= 0; i = inner_[i].next) {
    const InnerNode& inner = inner_[i];
    if (inner.missing && inner.missing_left)
      like_at_most = std::min(like_at_most, inner.cut);
    else if (inner.missing)
      like_above = std::max(like_above, inner.cut);
    if (inner.above < inner.cut && inner.cut < inner.at_most) cuts.push_back(inner.cut);
  }
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  const bool outside = path.above >= 0 || path.at_most < n_cuts || !path.missing;
  dim.n_digits = outside ? 1 : 0;
  std::int32_t missing = path.missing ? -1 : 0;
  if (path.above >= 0) dim.runs.push_back({path.above, 0});
  if (path.above < path.at_most) {
    std::int32_t above = path.above;
    cuts.push_back(path.at_most);
    for (const auto cut : cuts) {
      if (missing < 0 && above >= like_above && cut <= like_at_most) missing = static_cast<std::int32_t>(dim.n_digits);
      dim.runs.push_back({cut, static_cast<std::uint8_t>(dim.n_digits++)});
      above = cut;
    }
  }
  if (path.at_most < n_cuts && path.above < n_cuts) {
    if (!dim.runs.empty() && dim.runs.back().digit == 0 && dim.n_digits == 1)
      dim.runs.back().last = n_cuts;
    else
      dim.runs.push_back({n_cuts, 0});
  }
  if (missing < 0) missing = static_cast<std::int32_t>(dim.n_digits++);
  if (dim.runs.back().digit == missing)
    dim.runs.back().last = DigitRun::kMissing;
  else
    dim.runs.push_back({DigitRun::kMissing, static_cast<std::uint8_t>(missing)});
}

void TreePlanner::categorical_digits(Dim& dim, std::int32_t first) {
  const CodeSet& allowed = allowed_[dim.column];
  const std::int32_t n_codes = columns_[dim.column].n_codes();
  auto& kinds = kinds_;  // codes that nothing so far tells apart
  kinds.assign({CodeSet::first(n_codes) - allowed, allowed});
  for (auto i = first; i >= 0; i = inner_[i].next) {  // a node tells apart only the codes that come to it
    const CodeSet left = reach_[inner_[i].reach] & left_codes_[inner_[i].cut];
    for (std::size_t k = 0, n_before = kinds.size(); k < n_before; ++k) {
      const CodeSet going = kinds[k] & left;
      if (going.empty() || going == kinds[k]) continue;
      kinds[k] = kinds[k] - going;
      kinds.push_back(going);
    }
  }
  std::array<std::uint16_t, kMaxByteCuts + 2> kind{};
  for (std::size_t k = 0; k < kinds.size(); ++k)
    kinds[k].for_each([&](std::int32_t code) { kind[code] = static_cast<std::uint16_t>(k); });
  std::array<std::int32_t, kMaxByteCuts + 4> digit;
  digit.fill(-1);
  dim.n_digits = 0;
  for (std::int32_t code = 0; code < n_codes; ++code) {
    auto& of_kind = digit[kind[code]];
    if (of_kind < 0) of_kind = static_cast<std::int32_t>(dim.n_digits++);
    if (!dim.runs.empty() && dim.runs.back().digit == of_kind)
      dim.runs.back().last = code;
    else
      dim.runs.push_back({code, static_cast<std::uint8_t>(of_kind)});
  }
}

void TreePlanner::emit_groups() {
  const std::size_t root = local(root_);
  plan_.whole = table_cost_[root] <= walk_cost_[root];
  const double untouched = (n_leaves_[root] - 1) * node_cost_;
  if (!plan_.whole && walk_cost_[root] > (1 - kMinGain) * untouched) return;
  plan_.saving = untouched - std::min(table_cost_[root], walk_cost_[root]);
  struct Frame {
    std::int64_t node;
    bool by_tables;
    int stage;
    Undo undo;
  };
  std::vector<Frame> stack;
  stack.push_back({root_, plan_.whole, 0, {}});
  while (!stack.empty()) {
    Frame& frame = stack.back();
    const std::int64_t node = frame.node;
    const int side = frame.stage++;
    if (side > 0) put_back(frame.undo);
    const bool group = frame.by_tables && group_cost_[local(node)] <= table_cost_[local(node)];
    if (group) emit_group(node);
    if (group || side == 2 || !(frame.by_tables || has_tables_[local(node)])) {
      stack.pop_back();
      continue;
    }
    const std::int64_t below = child(node, side);
    const bool by_tables = frame.by_tables || table_cost_[local(below)] < walk_cost_[local(below)];
    if (by_tables && !frame.by_tables) plan_.cut_off.push_back(below);
    frame.undo = take(node, side);
    stack.push_back({below, by_tables, 0, {}});
  }
}

void TreePlanner::emit_group(std::int64_t node) {
  PlannedGroup group{};
  group.n_states = static_cast<std::uint32_t>(find_dims(node));
  group.first_dim = static_cast<std::uint32_t>(plan_.dims.size());
  group.n_dims = static_cast<std::uint32_t>(n_dims_);
  group.first_leaf = static_cast<std::uint32_t>(plan_.leaves.size());
  plan_.bytes += entry_chunks() * (group.n_states * kChunkBytes + sizeof(std::uint32_t)) + sizeof(PatternGroup);
  std::uint32_t stride = 1;
  for (std::size_t i = 0; i < n_dims_; ++i) {
    const Dim& dim = dims_[i];
    dim_of_column_[dim.column] = static_cast<std::int32_t>(i);
    plan_.dims.push_back({dim.column, encoding_.position[columns_[dim.column].feature], dim.n_digits, stride,
                          static_cast<std::uint32_t>(plan_.runs.size()), static_cast<std::uint32_t>(dim.runs.size())});
    plan_.runs.insert(plan_.runs.end(), dim.runs.begin(), dim.runs.end());
    plan_.bytes += index_bytes(dim);
    stride *= dim.n_digits;
  }
  plan_.fill_cost += kFillEntryCost * static_cast<double>(entry_chunks() * group.n_states);
  emit_leaves(node);
  group.n_leaves = static_cast<std::uint32_t>(plan_.leaves.size()) - group.first_leaf;
  plan_.fill_cost += kFillLeafCost * group.n_leaves * forest_.n_leaf_outputs;
  plan_.groups.push_back(group);
}

void TreePlanner::emit_leaf(std::int64_t node) {
  plan_.leaves.push_back(
      {node, static_cast<std::uint32_t>(plan_.conditions.size()), static_cast<std::uint32_t>(restricted_.size())});
  for (std::int32_t k = 0; k < forest_.n_leaf_outputs; ++k)
    plan_.leaf_values.push_back(forest_.values[node * forest_.n_leaf_outputs + k] - expectation_[k]);
  for (const auto column : restricted_) {
    const ColumnPath& path = path_[column];
    const auto number = static_cast<std::uint32_t>(dim_of_column_[column]);
    const Dim& dim = dims_[number];
    plan_.conditions.push_back({path.share, number, static_cast<std::uint32_t>(plan_.flags.size())});
    const std::size_t first = plan_.flags.size();
    plan_.flags.resize(first + dim.n_digits, 0);
    for (const auto& run : dim.runs) {
      bool satisfies = false;
      if (columns_[column].categorical)
        satisfies = allowed_[column].has(run.last);
      else
        satisfies = run.last == DigitRun::kMissing ? path.missing : path.above < run.last && run.last <= path.at_most;
      plan_.flags[first + run.digit] = satisfies;
    }
  }
}

}  // namespace fastexplain
