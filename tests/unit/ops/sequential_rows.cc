// The stages that run nothing beside their consumer.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <ranges>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "pipeline/ops/distinct.h"
#include "pipeline/ops/enumerate.h"
#include "pipeline/ops/filter.h"
#include "pipeline/ops/flat_map.h"
#include "pipeline/ops/from_range.h"
#include "pipeline/ops/group_adjacent.h"
#include "pipeline/ops/inspect.h"
#include "pipeline/ops/on_error.h"
#include "pipeline/ops/progress.h"
#include "pipeline/ops/recover.h"
#include "pipeline/ops/skip.h"
#include "pipeline/ops/take.h"
#include "pipeline/ops/take_while.h"
#include "pipeline/ops/transform.h"
#include "pipeline/ops/unbatch.h"
#include "tests/unit/ops/every_combinator.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""ms;
using Source = AsyncGenerator<Item>;

constexpr int kTaken = 4;
constexpr int kSkipped = 2;
constexpr std::size_t kWindow = 2;

bool IsKept(int value) { return value % 3 != 0; }
bool IsBeforeTheLast(int value) { return value != kTaken; }
int Next(int value) { return value + 1; }
int KeyOf(int value) { return value / 2; }
bool Fails(int value) { return value % 4 == 3; }
int CopiesOf(int value) { return ((value % 3) + 3) % 3; }

Values Same(Values values) { return values; }

template <typename Range>
Values ToValues(Range range) {
  Values values;
  std::ranges::copy(range, std::back_inserter(values));
  return values;
}

Task<Item> NextLater(Item item) { co_return Item(Next(item.value())); }

AsyncGenerator<Item> Copies(Item item) {
  for (int i = CopiesOf(item.value()); i > 0; --i) co_yield item;
}

Values CopiesOfEach(Values values) {
  Values result;
  for (const int value : values) result.insert(result.end(), CopiesOf(value), value);
  return result;
}

Values WithoutRecentKeys(Values values) {
  Values result;
  std::deque<int> recent;
  for (const int value : values) {
    if (std::ranges::count(recent, KeyOf(value)) > 0) continue;
    recent.push_back(KeyOf(value));
    if (recent.size() > kWindow) recent.pop_front();
    result.push_back(value);
  }
  return result;
}

Values PlusItsPlace(Values values) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += static_cast<int>(i) + 1;
  return values;
}

absl::StatusOr<Item> ItemOrStatus(Item item) {
  if (Fails(item.value())) return absl::AbortedError("item");
  return item;
}

// The stages whose callable says what becomes of an item.
std::vector<Combinator> RowsOfItemStages() {
  return {
      {.name = "Filter",
       .header = "filter.h",
       .apply =
           [](Source source, Rig& rig) {
             return std::move(source) | Filter([&rig](const Item& item) {
                      rig.Visit(item);
                      return IsKept(item.value());
                    });
           },
       .model = [](Values values) { return ToValues(values | std::views::filter(IsKept)); }},
      {.name = "Transform",
       .header = "transform.h",
       .apply =
           [](Source source, Rig& rig) {
             return std::move(source) | Transform([&rig](Item item) {
                      rig.Visit(item);
                      return Item(Next(item.value()));
                    });
           },
       .model = [](Values values) { return ToValues(values | std::views::transform(Next)); }},
      {.name = "TransformAwaiting",
       .header = "transform.h",
       .apply =
           [](Source source, Rig& rig) {
             return std::move(source) | Transform([&rig](Item item) {
                      rig.Visit(item);
                      return NextLater(std::move(item));
                    });
           },
       .model = [](Values values) { return ToValues(values | std::views::transform(Next)); }},
      {.name = "FlatMap",
       .header = "flat_map.h",
       .apply =
           [](Source source, Rig& rig) {
             return std::move(source) | FlatMap([&rig](Item item) {
                      rig.Visit(item);
                      return Copies(std::move(item));
                    });
           },
       .model = CopiesOfEach},
      {.name = "Inspect",
       .header = "inspect.h",
       .apply =
           [](Source source, Rig& rig) {
             return std::move(source) | Inspect([&rig](const Item& item) { rig.Visit(item); });
           },
       .model = Same},
      {.name = "Progress",
       .header = "progress.h",
       .apply =
           [](Source source, Rig& rig) {
             return std::move(source) | Progress(
                                            rig.clock(), {.label = "items", .interval = 2ms},
                                            [](const ProgressReport& /*report*/) {},
                                            [&rig](const Item& item) -> std::uint64_t {
                                              rig.Visit(item);
                                              return 1;
                                            });
           },
       .model = Same},
  };
}

// The stages that depend on what came before.
std::vector<Combinator> RowsOfPlaceStages() {
  return {
      {.name = "Take",
       .header = "take.h",
       .apply = [](Source source, Rig&) { return std::move(source) | Take(kTaken); },
       .model = [](Values values) { return ToValues(values | std::views::take(kTaken)); },
       .per_item = false,
       .ends_after = kTaken},
      {.name = "TakeWhile",
       .header = "take_while.h",
       .apply =
           [](Source source, Rig& rig) {
             return std::move(source) | TakeWhile([&rig](const Item& item) {
                      rig.Visit(item);
                      return IsBeforeTheLast(item.value());
                    });
           },
       .model =
           [](Values values) { return ToValues(values | std::views::take_while(IsBeforeTheLast)); },
       .per_item = false,
       .ends_after = kTaken + 1},
      {.name = "Skip",
       .header = "skip.h",
       .apply = [](Source source, Rig&) { return std::move(source) | Skip(kSkipped); },
       .model = [](Values values) { return ToValues(values | std::views::drop(kSkipped)); },
       .per_item = false},
      {.name = "Enumerate",
       .header = "enumerate.h",
       .apply =
           [](Source source, Rig&) {
             return std::move(source) | Enumerate(1) | Transform([](Numbered<Item> item) {
                      return Item(item.value.value() + static_cast<int>(item.index));
                    });
           },
       .model = PlusItsPlace,
       .per_item = false},
      {.name = "Distinct",
       .header = "distinct.h",
       .apply =
           [](Source source, Rig& rig) {
             return std::move(source) | Distinct(kWindow, [&rig](const Item& item) {
                      rig.Visit(item);
                      return KeyOf(item.value());
                    });
           },
       .model = WithoutRecentKeys,
       .per_item = false},
      {.name = "GroupAdjacent",
       .header = "group_adjacent.h",
       .apply =
           [](Source source, Rig& rig) {
             const auto equal = [&rig](const Item& previous, const Item& next) {
               rig.Visit(next);
               return previous.value() / 4 == next.value() / 4;
             };
             return std::move(source) | GroupAdjacent(equal, 3) |
                    Transform([](AdjacentGroup<Item> group) { return std::move(group.items); }) |
                    Unbatch();
           },
       .model = Same,
       .bound = 3 + 1},
      {.name = "Unbatch",
       .header = "unbatch.h",
       .apply =
           [](Source source, Rig&) {
             return std::move(source) | Transform([](const Item& item) {
                      return std::vector<Item>(CopiesOf(item.value()), item);
                    }) |
                    Unbatch();
           },
       .model = CopiesOfEach},
  };
}

// The stages that mend errors.
std::vector<Combinator> RowsOfErrorStages() {
  return {
      {.name = "OnErrorDropping",
       .header = "on_error.h",
       .apply =
           [](Source source, Rig&) {
             return std::move(source) | Transform(ItemOrStatus) | OnError(DropErrors());
           },
       .model =
           [](Values values) {
             std::erase_if(values, Fails);
             return values;
           }},
      {.name = "OnErrorReplacing",
       .header = "on_error.h",
       .apply =
           [](Source source, Rig&) {
             return std::move(source) | Transform(ItemOrStatus) |
                    OnError(ReplaceErrors(Item(kFirstExtra)));
           },
       .model =
           [](Values values) {
             std::ranges::replace_if(values, Fails, kFirstExtra);
             return values;
           }},
      {.name = "Recover",
       .header = "recover.h",
       .apply =
           [](Source source, Rig& rig) {
             return std::move(source) |
                    Recover([&rig](const absl::Status& /*status*/) { return rig.Extra(2); });
           },
       .model = Same,
       .recovered =
           [](int before, int /*items*/) {
             Values values = Below(before);
             values.insert(values.end(), {kFirstExtra, kFirstExtra + 1});
             return values;
           }},
  };
}

}  // namespace

std::vector<Combinator> RowsOfSequentialStages() {
  std::vector<Combinator> rows = RowsOfItemStages();
  std::ranges::move(RowsOfPlaceStages(), std::back_inserter(rows));
  std::ranges::move(RowsOfErrorStages(), std::back_inserter(rows));
  return rows;
}

}  // namespace sluice
