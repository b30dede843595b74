#include "tests/unit/ops/every_combinator.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <utility>

namespace sluice {

const std::vector<Combinator>& EveryCombinator() {
  static const std::vector<Combinator> all = [] {
    std::vector<Combinator> rows;
    for (auto part : {RowsOfSequentialStages, RowsOfSourcesAndTasks, RowsOfConcurrentStages}) {
      std::ranges::move(part(), std::back_inserter(rows));
    }
    return rows;
  }();
  return all;
}

const Combinator& CombinatorNamed(const std::string& name) {
  const auto found = std::ranges::find(EveryCombinator(), name, &Combinator::name);
  if (found == EveryCombinator().end()) throw std::out_of_range(name);
  return *found;
}

Values Below(int end) {
  Values values(end);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

Values Expected(const Combinator& combinator, int items) { return combinator.model(Below(items)); }

Values ExpectedBeforeTheEnd(const Combinator& combinator, int items) {
  Values values = Expected(combinator, items);
  const Values with_one_more = Expected(combinator, items + 1);
  values.erase(std::ranges::mismatch(values, with_one_more).in1, values.end());
  return values;
}

int ItemsNeededFor(const Combinator& combinator, int results, int items) {
  if (!combinator.ordered) return std::min(results, items + 1);
  int needed = 0;
  while (needed <= items && std::ssize(ExpectedBeforeTheEnd(combinator, needed)) < results)
    ++needed;
  return std::min(needed, combinator.ends_after);
}

bool IsAllOf(Values actual, Values expected, bool ordered) {
  return actual.size() == expected.size() &&
         IsPartOf(std::move(actual), std::move(expected), ordered);
}

bool IsPartOf(Values actual, Values expected, bool ordered) {
  if (actual.size() > expected.size()) return false;
  if (ordered) return std::ranges::equal(actual, expected | std::views::take(actual.size()));
  std::ranges::sort(actual);
  std::ranges::sort(expected);
  return std::ranges::includes(expected, actual);
}

}  // namespace sluice
