#ifndef SLUICE_TESTS_UNIT_OPS_PIPELINE_H_
#define SLUICE_TESTS_UNIT_OPS_PIPELINE_H_

#include <algorithm>
#include <ostream>
#include <utility>
#include <vector>

#include "tests/unit/ops/every_combinator.h"

namespace sluice {

// A chain of rows of the table, and what their models make of it.
class Pipeline final {
 public:
  // Appends a row. One whose results depend on the order of what it is given is left out behind
  // one that keeps no order: no model could say what comes of it.
  void Append(const Combinator& combinator) {
    if (!ordered_ && !combinator.per_item) return;
    ordered_ = ordered_ && combinator.ordered;
    stages_.push_back(&combinator);
  }

  const std::vector<const Combinator*>& stages() const { return stages_; }
  bool ordered() const { return ordered_; }
  bool waits_for_clock() const {
    return std::ranges::any_of(stages_, &Combinator::waits_for_clock);
  }

  Values Model(Values values) const {
    for (const Combinator* stage : stages_) values = stage->model(std::move(values));
    return values;
  }

  friend std::ostream& operator<<(std::ostream& out, const Pipeline& pipeline) {
    out << "source";
    for (const Combinator* stage : pipeline.stages_) out << " | " << stage->name;
    return out;
  }

 private:
  std::vector<const Combinator*> stages_;
  bool ordered_ = true;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_OPS_PIPELINE_H_
