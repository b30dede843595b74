// The five stages by Boost.Asio's experimental::coro, header-only. All coroutines have one
// executor, so that Asio hands items over without a queue. It asks the executors whether they are
// the same, which takes longer when their type is erased, as it is unless one names it.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/experimental/coro.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "benchmark/benchmark.h"

#include "tests/bench/five_stages.h"
#include "tests/bench/items.h"

namespace sluice::bench {
namespace {

namespace asio = boost::asio;
template <typename Yield, typename Return, typename Executor>
using Coro = asio::experimental::coro<Yield, Return, Executor>;
template <typename Executor>
using Generator = Coro<Number, void, Executor>;

// A generator is never the second parameter of a coroutine: having an executor, it would be taken
// for the context to run in.
template <typename Executor>
Generator<Executor> Source(Executor /*executor*/) {
  for (Number i = 0; i < kItems; ++i) co_yield i;
}

template <typename Executor, typename Fn>
Generator<Executor> Transformed(Executor /*executor*/, Fn fn, Generator<Executor> source) {
  while (std::optional<Number> item = co_await source) co_yield fn(*item);
}

template <typename Executor, typename Predicate>
Generator<Executor> Filtered(Executor /*executor*/, Predicate keep, Generator<Executor> source) {
  while (std::optional<Number> item = co_await source) {
    if (keep(*item)) co_yield *item;
  }
}

template <typename Executor, typename Predicate>
Generator<Executor> TakenWhile(Executor /*executor*/, Predicate keep, Generator<Executor> source) {
  while (std::optional<Number> item = co_await source) {
    if (!keep(*item)) co_return;
    co_yield *item;
  }
}

template <typename Executor>
Generator<Executor> FiveStages(Executor on) {
  auto usual = Filtered(on, IsUsual, Transformed(on, Scramble, Source(on)));
  return Transformed(on, Mix, TakenWhile(on, IsUsual, Transformed(on, Halve, std::move(usual))));
}

template <typename Executor>
Coro<void, Number, Executor> SumOf(Executor /*executor*/, Number sum, Generator<Executor> source) {
  while (std::optional<Number> item = co_await source) sum += *item;
  co_return sum;
}

template <typename Executor>
void MeasureSumOf(benchmark::State& state, Generator<Executor> (*make)(Executor)) {
  MeasureItems(state, [make] {
    asio::io_context context(1);
    const Executor executor = context.get_executor();
    Number result = 0;
    auto sum = SumOf(executor, 0, make(executor));
    sum.async_resume(
        [&result](const std::exception_ptr& /*error*/, Number value) { result = value; });
    context.run();
    return result;
  });
}

using AnyExecutor = asio::any_io_executor;  // Asio's default.
using IoExecutor = asio::io_context::executor_type;

template <typename Executor>
void FiveStagesByAsio(benchmark::State& state) {
  MeasureSumOf(state, FiveStages<Executor>);
}
BENCHMARK(FiveStagesByAsio<AnyExecutor>)->Name("five_stages/Boost.Asio, any_io_executor");
BENCHMARK(FiveStagesByAsio<IoExecutor>)->Name("five_stages/Boost.Asio, io_context's executor");

template <typename Executor>
void BareSourceByAsio(benchmark::State& state) {
  MeasureSumOf(state, Source<Executor>);
}
BENCHMARK(BareSourceByAsio<AnyExecutor>)->Name("bare_source/Boost.Asio, any_io_executor");
BENCHMARK(BareSourceByAsio<IoExecutor>)->Name("bare_source/Boost.Asio, io_context's executor");

}  // namespace
}  // namespace sluice::bench
