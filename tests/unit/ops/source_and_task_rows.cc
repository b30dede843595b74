// The sources, followed by what turns them into stages, and the tasks, by what yields their result.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "pipeline/ops/collect.h"
#include "pipeline/ops/concat.h"
#include "pipeline/ops/count.h"
#include "pipeline/ops/for_each.h"
#include "pipeline/ops/from_pull.h"
#include "pipeline/ops/from_range.h"
#include "pipeline/ops/from_values.h"
#include "pipeline/ops/reduce.h"
#include "pipeline/ops/transform.h"
#include "pipeline/ops/zip.h"
#include "tests/unit/async/started.h"
#include "tests/unit/ops/every_combinator.h"

namespace sluice {
namespace {

using Source = AsyncGenerator<Item>;
using Items = std::vector<Item>;

constexpr int kExtras = 3;

Values Same(Values values) { return values; }

Values AndExtras(Values values) {
  for (int i = 0; i < kExtras; ++i) values.push_back(kFirstExtra + i);
  return values;
}

Values PlusExtras(Values values) {
  values.resize(std::min<std::size_t>(values.size(), kExtras));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += kFirstExtra + static_cast<int>(i);
  return values;
}

Items MakeExtras() {
  Items extras;
  for (int i = 0; i < kExtras; ++i) extras.emplace_back(kFirstExtra + i);
  return extras;
}

AsyncGenerator<Item> ResultOf(Task<Items> task) {
  Items items = co_await std::move(task);
  for (Item& item : items) co_yield std::move(item);
}

AsyncGenerator<Item> ResultOf(Task<std::uint64_t> task) {
  co_yield Item(static_cast<int>(co_await std::move(task)));
}

AsyncGenerator<Item> ItemsGivenTo(Source source, Rig& rig) {
  Items seen;
  co_await (std::move(source) | ForEach([&rig, &seen](Item item) {
              rig.Visit(item);
              seen.push_back(std::move(item));
            }));
  for (Item& item : seen) co_yield std::move(item);
}

std::vector<Combinator> RowsOfSources() {
  return {
      {.name = "Concat",
       .header = "concat.h",
       .apply = [](Source source,
                   Rig& rig) { return Concat(std::move(source), rig.Extra(kExtras)); },
       .model = AndExtras},
      {.name = "ConcatOfVector",
       .header = "concat.h",
       .apply =
           [](Source source, Rig& rig) {
             std::vector<Source> sources;
             sources.push_back(std::move(source));
             sources.push_back(rig.Extra(kExtras));
             return Concat(std::move(sources));
           },
       .model = AndExtras},
      {.name = "FromRange",
       .header = "from_range.h",
       .apply = [](Source source,
                   Rig& /*rig*/) { return Concat(std::move(source), FromRange(MakeExtras())); },
       .model = AndExtras},
      {.name = "FromValues",
       .header = "from_values.h",
       .apply =
           [](Source source, Rig& /*rig*/) {
             return Concat(std::move(source), FromValues(Item(kFirstExtra), Item(kFirstExtra + 1),
                                                         Item(kFirstExtra + 2)));
           },
       .model = AndExtras},
      {.name = "FromPull",
       .header = "from_pull.h",
       .apply =
           [](Source source, Rig& /*rig*/) {
             return FromPull([source = std::make_unique<Source>(std::move(source))] {
               return NextOf(*source);
             });
           },
       .model = Same},
      {.name = "Zip",
       .header = "zip.h",
       .apply =
           [](Source source, Rig& rig) {
             return Zip(std::move(source), rig.Extra(kExtras)) |
                    Transform([](std::tuple<Item, Item> pair) {
                      return Item(std::get<0>(pair).value() + std::get<1>(pair).value());
                    });
           },
       .model = PlusExtras,
       .per_item = false,
       .ends_after = kExtras + 1},
  };
}

std::vector<Combinator> RowsOfTasks() {
  return {
      {.name = "Collect",
       .header = "collect.h",
       .apply = [](Source source, Rig& /*rig*/) { return ResultOf(std::move(source) | Collect()); },
       .model = Same,
       .bound = kUnbounded,
       .all_or_nothing = true},
      {.name = "ForEach",
       .header = "for_each.h",
       .apply = [](Source source, Rig& rig) { return ItemsGivenTo(std::move(source), rig); },
       .model = Same,
       .bound = kUnbounded,
       .all_or_nothing = true},
      {.name = "Reduce",
       .header = "reduce.h",
       .apply =
           [](Source source, Rig& rig) {
             return ResultOf(std::move(source) | Reduce(Items(), [&rig](Items items, Item item) {
                               rig.Visit(item);
                               items.push_back(std::move(item));
                               return items;
                             }));
           },
       .model = Same,
       .bound = kUnbounded,
       .all_or_nothing = true},
      {.name = "Count",
       .header = "count.h",
       .apply = [](Source source, Rig& /*rig*/) { return ResultOf(std::move(source) | Count()); },
       .model = [](Values values) { return Values{static_cast<int>(values.size())}; },
       .bound = kUnbounded,
       .all_or_nothing = true},
  };
}

}  // namespace

std::vector<Combinator> RowsOfSourcesAndTasks() {
  std::vector<Combinator> rows = RowsOfSources();
  std::ranges::move(RowsOfTasks(), std::back_inserter(rows));
  return rows;
}

}  // namespace sluice
