#ifndef SLUICE_PIPELINE_OPS_FAN_IN_H_
#define SLUICE_PIPELINE_OPS_FAN_IN_H_

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/channel.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/abandon_channel_on_exit.h"

namespace sluice::internal {

// What the children of FanIn and its consumer share. Either side may end first.
template <typename T>
struct FanInState {
  FanInState(JobScope& scope, std::size_t capacity, std::size_t sources)
      : items(scope.executor(), capacity, scope.stop_token()), open(sources) {}
  Channel<T> items;
  std::atomic<std::size_t> open;  // Sources that have not ended.
};

// The first error closes the channel: the other children then end by Cancelled, which changes
// nothing any more. The same when the consumer has abandoned it.
template <typename T>
Task<> PullInto(std::shared_ptr<FanInState<T>> state, AsyncGenerator<T> source) {
  try {
    while (auto item = co_await source.Next()) co_await state->items.Send(*std::move(item));
    if (--state->open == 0) state->items.Close();
  } catch (...) {
    state->items.Close(std::current_exception());
  }
}

// What Buffer and Merge have in common: one child a source, which pulls it into a channel.
// Bound: capacity + the number of sources, since every child holds one item while it waits.
template <typename T>
AsyncGenerator<T> FanIn(std::vector<AsyncGenerator<T>> sources, JobScope& scope,
                        std::size_t capacity) {
  if (sources.empty()) co_return;
  const auto state = std::make_shared<FanInState<T>>(scope, capacity, sources.size());
  const AbandonChannelOnExit<T> abandon(state->items);
  for (AsyncGenerator<T>& source : sources) scope.Spawn(PullInto<T>(state, std::move(source)));
  while (auto item = co_await state->items.Receive()) co_yield *std::move(item);
}

}  // namespace sluice::internal

#endif  // SLUICE_PIPELINE_OPS_FAN_IN_H_
