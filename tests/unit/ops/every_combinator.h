#ifndef SLUICE_TESTS_UNIT_OPS_EVERY_COMBINATOR_H_
#define SLUICE_TESTS_UNIT_OPS_EVERY_COMBINATOR_H_

#include <functional>
#include <string>
#include <vector>

#include "pipeline/async/async_generator.h"
#include "tests/unit/ops/item.h"
#include "tests/unit/ops/rig.h"

// The table of all combinators
// ============================
//
// The promises that every combinator makes (lazy, bounded, ends as documented, leaves nothing
// behind) are proven by loops over this table. A new combinator gets them by one row; a test fails
// as long as a header has none.
//
// A combinator of several sources is given the source and one more; one of several branches, and a
// task, is followed by an adapter that makes one generator of them.

namespace sluice {

using Values = std::vector<int>;

// The bound of what holds the whole sequence.
inline constexpr int kUnbounded = 1'000'000;

struct Combinator {
  std::string name;
  std::string header;  // In pipeline/ops.
  // Applied to a source.
  std::function<AsyncGenerator<Item>(AsyncGenerator<Item>, Rig&)> apply;
  // What comes out, as a function of plain vectors.
  std::function<Values(Values)> model;

  // pulled - handed over; what is dropped counts as handed over. More than one: what is missing may
  // also be pulled while nobody asks.
  int bound = 1;
  // Whether results come in the order of the model; otherwise in any.
  bool ordered = true;
  // Whether what comes out does not depend on the order of what goes in, but for its own order.
  bool per_item = true;
  // Whether it waits for its clock in the middle of the sequence.
  bool waits_for_clock = false;
  // Whether what came before an error is lost: the result of a task.
  bool all_or_nothing = false;
  // The sequence ends when so many items have been pulled.
  int ends_after = kNever;
  // What comes out, in all, of `items` items where the source fails once after `before` of them.
  // Unset: what comes out of those before, and the error.
  std::function<Values(int before, int items)> recovered;
};

// The rows, in the order of their names' files.
const std::vector<Combinator>& EveryCombinator();
// REQUIRES: there is one of that name.
const Combinator& CombinatorNamed(const std::string& name);

// 0, 1, ... below `end`.
Values Below(int end);
// What comes out of the first `items` items.
Values Expected(const Combinator& combinator, int items);
// What comes out of them before it is known that there are no more.
Values ExpectedBeforeTheEnd(const Combinator& combinator, int items);
// How many of `items` items must be pulled for `results` results to come out, or for the end, which
// counts as one more item. Where order is not kept, any item may be the one that comes out.
int ItemsNeededFor(const Combinator& combinator, int results, int items);
// Whether `actual` is what the model says, in its order if that is kept.
bool IsAllOf(Values actual, Values expected, bool ordered);
// Whether it may be what came before a cut: the first values, or some if order is not kept.
bool IsPartOf(Values actual, Values expected, bool ordered);

// Parts of the table, each in a file of its own.
std::vector<Combinator> RowsOfSequentialStages();
std::vector<Combinator> RowsOfSourcesAndTasks();
std::vector<Combinator> RowsOfConcurrentStages();

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_OPS_EVERY_COMBINATOR_H_
